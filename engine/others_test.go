package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// stage is an engine with a handler whose calls end when they are let go.
type stage struct {
	*door
	client *sendoff.Client

	mu      sync.Mutex
	began   []string
	running map[string]chan error
}

func newStage(t *testing.T) *stage {
	s := &stage{door: openDoor(t, engine.Config{}, engine.HandlerConfig{}), running: map[string]chan error{}}
	s.client = newStageClient(t, s.url)
	return s
}

func newStageClient(t *testing.T, url string) *sendoff.Client {
	client, err := sendoff.NewClient(sendoff.ClientConfig{URL: url})
	require.NoError(t, err)
	return client
}

// app is where tasks are pushed to.
func (s *stage) app(t *testing.T) string {
	over := make(chan struct{})
	url := app(t, func(w http.ResponseWriter, r *http.Request) {
		id, end := r.Header.Get("Sendoff-Task-Id"), make(chan error, 1)
		s.mu.Lock()
		s.began, s.running[id] = append(s.began, id), end
		s.mu.Unlock()
		var err error
		select {
		case err = <-end:
		case <-r.Context().Done():
		case <-over:
		}
		s.mu.Lock()
		delete(s.running, id)
		s.mu.Unlock()
		if err != nil {
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
		_, _ = w.Write([]byte("answer of " + id))
	})
	t.Cleanup(func() { close(over) })
	return url
}

// let has the attempt of a task end, when it has begun.
func (s *stage) let(t *testing.T, id string, err error) {
	t.Helper()
	var end chan error
	require.Eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		end = s.running[id]
		return end != nil
	}, 20*time.Second, time.Millisecond, "%s does not begin", id)
	end <- err
}

func (s *stage) begun() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.began)
}

func (s *stage) submit(t *testing.T, n sendoff.NewTask) *sendoff.Task {
	t.Helper()
	out, err := s.client.Submit(t.Context(), n)
	require.NoError(t, err)
	return out
}

func (s *stage) until(t *testing.T, id string, state sendoff.State, reason string) *sendoff.Task {
	t.Helper()
	var last *sendoff.Task
	require.Eventually(t, func() bool {
		var err error
		last, err = s.client.Get(t.Context(), id)
		require.NoError(t, err)
		return last.State == state && last.Reason == reason
	}, 20*time.Second, 5*time.Millisecond, "wants %s (%s)", state, reason)
	return last
}

func TestALimitLetsSoManyRun(t *testing.T) {
	s := newStage(t)
	url := s.app(t)
	limits := []sendoff.Limit{{Key: "customer/42", Concurrency: 2}}
	var states []string
	for n := range 4 {
		got := s.submit(t, sendoff.NewTask{ID: fmt.Sprint("t", n), URL: url, Limits: limits})
		require.Equal(t, limits, got.Limits)
		states = append(states, string(got.State)+" "+got.Reason)
	}
	require.Equal(t, []string{"blocked limit", "blocked limit"}, states[2:], "the answer tells who waits")
	w := s.until(t, "t2", sendoff.StateBlocked, "limit").WaitingFor
	require.Equal(t, task.WaitLimit, w.Cause)
	require.Equal(t, &sendoff.LimitUse{Key: "customer/42", Used: 2, Allowed: 2}, w.Limit)
	require.Equal(t, `the limit "customer/42" has no room: 2 of 2 are used; it is the first of the 2 that wait in line`, w.Text)
	require.ElementsMatch(t, []string{"t0", "t1"}, w.Holders)
	require.Equal(t, []any{0, true}, []any{*w.Ahead, w.AheadExact})
	w = s.until(t, "t3", sendoff.StateBlocked, "limit").WaitingFor
	require.Equal(t, `the limit "customer/42" has no room: 2 of 2 are used; 1 of the 2 that wait in line are ahead of it`, w.Text)
	require.Equal(t, []any{1, true}, []any{*w.Ahead, w.AheadExact})

	l, err := s.client.Limits.Get(t.Context(), "customer/42")
	require.NoError(t, err)
	require.Equal(t, &sendoff.LimitState{Limit: limits[0], Used: 2, Waiting: 2}, l)
	_, err = s.client.Tasks.Run(t.Context(), "t3")
	require.True(t, sendoff.IsConflict(err), "%v", err)
	require.ErrorContains(t, err, "waits in line")
	got, err := s.client.Tasks.RunBeyond(t.Context(), "t3")
	require.NoError(t, err)
	require.NotEqual(t, sendoff.StateBlocked, got.State)
	s.let(t, "t3", nil)
	s.until(t, "t3", sendoff.StateSucceeded, "")
	require.NotContains(t, s.begun(), "t2", "who goes beyond takes nobody's place")

	s.let(t, "t0", nil)
	s.let(t, "t2", nil)
	s.let(t, "t1", nil)
	for n := range 4 {
		s.until(t, fmt.Sprint("t", n), sendoff.StateSucceeded, "")
	}
	_, err = s.client.Limits.Get(t.Context(), "customer/42")
	require.True(t, sendoff.IsNotFound(err), "nothing is left of it: %v", err)
}

func TestWhatIsConfiguredOfALimitCounts(t *testing.T) {
	s := newStage(t)
	url := s.app(t)
	set, err := s.client.Limits.Set(t.Context(), "api", sendoff.LimitSettings{Concurrency: 1, Rate: "1000/s", Burst: 10})
	require.NoError(t, err)
	require.Equal(t, &sendoff.LimitState{Limit: sendoff.Limit{Key: "api", Concurrency: 1, Rate: "1000/s", Burst: 10}, Configured: true}, set)
	for n := range 3 {
		s.submit(t, sendoff.NewTask{ID: fmt.Sprint("t", n), URL: url, Limits: []sendoff.Limit{{Key: "api", Concurrency: 50}}})
	}
	s.until(t, "t1", sendoff.StateBlocked, "limit")
	_, err = s.client.Limits.Pause(t.Context(), "api")
	require.NoError(t, err)
	s.let(t, "t0", nil)
	s.until(t, "t0", sendoff.StateSucceeded, "")
	w := s.until(t, "t1", sendoff.StateBlocked, "limit").WaitingFor
	require.Equal(t, `the limit "api" is paused; it is the first of the 2 that wait in line`, w.Text)
	require.Contains(t, w.Actions, "set-limit")

	_, err = s.client.Limits.Set(t.Context(), "api", sendoff.LimitSettings{Concurrency: 2})
	require.NoError(t, err)
	s.let(t, "t1", nil)
	s.let(t, "t2", nil)
	s.until(t, "t2", sendoff.StateSucceeded, "")

	var keys []string
	for l, err := range s.client.Limits.List(t.Context()) {
		require.NoError(t, err)
		keys = append(keys, l.Key)
	}
	require.Equal(t, []string{"api"}, keys)
	require.NoError(t, s.client.Limits.Delete(t.Context(), "api"))
	require.True(t, sendoff.IsNotFound(s.client.Limits.Delete(t.Context(), "api")))
}

func TestLimitsAreListedPageByPage(t *testing.T) {
	b := open(t, engine.Config{})
	t.Cleanup(func() { _ = b.db.Close() })
	var want, got []string
	for n := range 7 {
		key := fmt.Sprintf("k%d", n)
		want = append(want, key)
		_, err := b.Limits().Set(t.Context(), task.Limit{Key: key, Concurrency: 1}, false)
		require.NoError(t, err)
	}
	for cursor := ""; ; {
		page, err := b.Limits().List(t.Context(), cursor, 3)
		require.NoError(t, err)
		for _, l := range page.Items {
			got = append(got, l.Key)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	require.Equal(t, want, got)
	_, err := b.Limits().List(t.Context(), "!", 3)
	require.ErrorIs(t, err, engine.ErrBadCursor)
}

func TestTasksOfOneOrderRunInIt(t *testing.T) {
	s := newStage(t)
	url := s.app(t)
	for n := range 4 {
		s.submit(t, sendoff.NewTask{ID: fmt.Sprint("t", n), URL: url, OrderKey: "order-7", Priority: new(9 - n), Queue: fmt.Sprint("q", n)})
	}
	w := s.until(t, "t1", sendoff.StateBlocked, "order").WaitingFor
	require.Equal(t, task.WaitOrder, w.Cause)
	require.Equal(t, `others with the order key "order-7" come first; it is the first of the 3 that wait in line`, w.Text)
	require.Equal(t, []string{"t0"}, w.Holders)
	for n := range 4 {
		s.let(t, fmt.Sprint("t", n), nil)
	}
	s.until(t, "t3", sendoff.StateSucceeded, "")
	require.Equal(t, []string{"t0", "t1", "t2", "t3"}, s.begun())
}

func TestDuplicatesAreTreatedByTheirRule(t *testing.T) {
	s := newStage(t)
	url := s.app(t)
	n := func(id, rule string) sendoff.NewTask {
		return sendoff.NewTask{ID: id, URL: url, Payload: map[string]int{"n": 1}, OnDuplicate: rule}
	}
	first := s.submit(t, n("first", sendoff.DuplicateDiscard))
	require.False(t, first.Dropped)
	again := s.submit(t, n("second", sendoff.DuplicateDiscard))
	require.True(t, again.Dropped)
	require.False(t, again.Existing)
	require.Equal(t, "first", again.ID)
	_, err := s.client.Get(t.Context(), "second")
	require.True(t, sendoff.IsNotFound(err))

	waits := s.submit(t, n("third", sendoff.DuplicateQueueOne))
	require.Equal(t, "duplicate", waits.Reason)
	require.True(t, s.submit(t, n("fourth", sendoff.DuplicateQueueOne)).Dropped)
	w := s.until(t, "third", sendoff.StateBlocked, "duplicate").WaitingFor
	require.Equal(t, task.WaitDuplicate, w.Cause)
	require.Equal(t, "others with the same target and payload have not ended", w.Text)
	require.Empty(t, w.Limit.Key)

	status, _, got := s.call(t, "POST", "/v1/tasks", `{"url":"`+url+`","payload":{"n":1},"on_duplicate":"discard"}`)
	require.Equal(t, 200, status)
	require.Equal(t, true, got["dropped"])
	items, err := s.client.SubmitMany(t.Context(), []sendoff.NewTask{n("fifth", sendoff.DuplicateDiscard), n("sixth", sendoff.DuplicateParallel)}, true)
	require.NoError(t, err)
	require.Equal(t, []string{"dropped", "created"}, []string{items[0].Status, items[1].Status})

	newest := s.submit(t, n("newest", sendoff.DuplicateReplace))
	require.False(t, newest.Dropped)
	s.until(t, "first", sendoff.StateCanceled, "replaced")
	s.until(t, "third", sendoff.StateCanceled, "replaced")
	s.let(t, "newest", nil)
	s.until(t, "newest", sendoff.StateSucceeded, "")
	s.let(t, "sixth", nil)
}

func TestATaskRunsAfterThoseItDependsOn(t *testing.T) {
	s := newStage(t)
	url := s.app(t)
	n := func(id string, when string, others ...string) sendoff.NewTask {
		return sendoff.NewTask{ID: id, URL: url, DependsOn: others, When: when}
	}
	items, err := s.client.SubmitMany(t.Context(), []sendoff.NewTask{
		n("report", "", "parse"), n("parse", "", "fetch"), n("fetch", ""), n("alarm", sendoff.WhenAnyFailed, "report"), n("clean", sendoff.WhenAlways, "report", "alarm"),
	}, true)
	require.NoError(t, err)
	require.Equal(t, "blocked dependencies", string(items[0].Task.State)+" "+items[0].Task.Reason)
	require.Equal(t, []string{"parse"}, items[0].Task.DependsOn)
	require.Equal(t, "all_ok", items[0].Task.When)
	require.NotEqual(t, sendoff.StateBlocked, items[2].Task.State)
	w := s.until(t, "clean", sendoff.StateBlocked, "dependencies").WaitingFor
	require.Equal(t, task.WaitDependencies, w.Cause)
	require.Equal(t, "2 of 2 tasks that it depends on have not ended", w.Text)
	require.ElementsMatch(t, []sendoff.WaitedFor{{ID: "report", State: sendoff.StateBlocked}, {ID: "alarm", State: sendoff.StateBlocked}}, w.Tasks)
	_, err = s.client.Tasks.Run(t.Context(), "clean")
	require.True(t, sendoff.IsConflict(err), "%v", err)
	_, err = s.client.Tasks.RunBeyond(t.Context(), "clean")
	require.True(t, sendoff.IsConflict(err), "%v", err)

	s.let(t, "fetch", nil)
	s.let(t, "parse", errors.New("no"))
	s.until(t, "parse", sendoff.StateFailed, "rejected")
	s.until(t, "report", sendoff.StateCanceled, "dependency_failed")
	s.let(t, "alarm", nil)
	s.let(t, "clean", nil)
	s.until(t, "clean", sendoff.StateSucceeded, "")

	var deps []string
	for d, err := range s.client.Tasks.Dependencies(t.Context(), "clean") {
		require.NoError(t, err)
		text := d.ID + " " + string(d.State) + " " + d.CountsAs
		if d.Attempt != nil {
			text += " " + d.Attempt.Body
		}
		deps = append(deps, text)
	}
	require.ElementsMatch(t, []string{"report canceled failed", "alarm succeeded ok answer of alarm"}, deps)

	_, err = s.client.Tasks.RetryFollowers(t.Context(), "parse")
	require.NoError(t, err)
	s.let(t, "parse", nil)
	s.let(t, "report", nil)
	s.until(t, "report", sendoff.StateSucceeded, "")
}

func TestADependencyIsToldToTheApp(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	told := make(chan string, 2)
	url := app(t, func(_ http.ResponseWriter, r *http.Request) { told <- r.Header.Get("Sendoff-Depends-On") })
	_, _, _ = d.call(t, "POST", "/v1/tasks", `{"id":"a,b","url":"`+url+`"}`)
	require.Empty(t, <-told)
	status, _, _ := d.call(t, "POST", "/v1/tasks", `{"url":"`+url+`","depends_on":["a,b"]}`)
	require.Equal(t, 201, status)
	require.Equal(t, "a%2Cb", <-told)
}

func TestARepeatedSubmissionIsAnsweredWhateverBecameOfTheOthers(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	url := app(t, status(204))
	_, _, _ = d.call(t, "POST", "/v1/tasks", `{"id":"up","url":"`+url+`"}`)
	body := `{"url":"` + url + `","depends_on":["up"]}`
	_, _, first := d.call(t, "POST", "/v1/tasks", body, "Idempotency-Key", "k")
	d.wait(t, first["id"].(string))
	require.NoError(t, d.Tasks().Delete(t.Context(), "up"))
	code, header, again := d.call(t, "POST", "/v1/tasks", body, "Idempotency-Key", "k")
	require.Equal(t, 200, code, "%v", again)
	require.Equal(t, "true", header.Get("Idempotent-Replayed"))
	require.Equal(t, first["id"], again["id"])
	code, _, _ = d.call(t, "POST", "/v1/tasks", body)
	require.Equal(t, 422, code, "another one depends on what is gone")
}

func TestAnEngineSubmitsTasksThatWait(t *testing.T) {
	b := open(t, engine.Config{})
	ran := make(chan string, 3)
	b.HandleFunc("h", func(_ context.Context, c *engine.Call) error { ran <- c.ID; return nil })
	results, err := b.SubmitMany(t.Context(), []engine.Task{
		{Handler: "h", ID: "last", DependsOn: []string{"first"}}, {Handler: "h", ID: "first", Limits: []task.Limit{{Key: "k", Concurrency: 1}}, OrderKey: "o"},
		{Handler: "h", ID: "no", DependsOn: []string{"nobody"}},
	}, false)
	require.NoError(t, err)
	require.Equal(t, []engine.Status{engine.Created, engine.Created, engine.Invalid}, []engine.Status{results[0].Status, results[1].Status, results[2].Status})
	require.ErrorContains(t, results[2].Err, `there is no task "nobody"`)
	info, err := b.Tasks().Get(t.Context(), "last")
	require.NoError(t, err)
	require.Equal(t, task.Depends, info.Reason)
	w, err := b.Tasks().WaitingFor(t.Context(), "last")
	require.NoError(t, err)
	require.Equal(t, []engine.WaitedFor{{ID: "first", State: task.Ready}}, w.Tasks)
	b.run(t)
	t.Cleanup(b.stop)
	require.Equal(t, "first", <-ran)
	require.Equal(t, "last", <-ran)
	_, err = b.Tasks().Dependencies(t.Context(), "gone", "", 0)
	require.ErrorIs(t, err, store.ErrNotFound)
}
