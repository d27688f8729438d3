package engine_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/task"
)

// tail collects the types of the events of tasks until all of want came, in this order,
// for each of the tasks.
func tail(t *testing.T, c *sendoff.Client, topics []string, begin func(), want map[string][]string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got := map[string][]string{}
	ready := time.AfterFunc(300*time.Millisecond, begin) // the stream is open by then
	defer ready.Stop()
	for e, err := range c.Tasks.Tail(ctx, topics...) {
		require.NoError(t, err)
		got[e.Task.ID] = append(got[e.Task.ID], strings.TrimPrefix(e.Type, "task."))
		all := true
		for id := range want {
			all = all && len(got[id]) >= len(want[id])
		}
		if all {
			break
		}
	}
	require.Equal(t, want, got)
}

func (d *door) client(t *testing.T) *sendoff.Client {
	c, err := sendoff.NewClient(sendoff.ClientConfig{URL: d.url})
	require.NoError(t, err)
	return c
}

// TestEventsTellWhatHappensToTasks: in its order, of those that are asked for.
func TestEventsTellWhatHappensToTasks(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	d.HandleFunc("work", func(context.Context, *engine.Call) error { return nil })
	d.HandleFunc("twice", func(_ context.Context, c *engine.Call) error {
		if c.Attempt == 1 {
			return errors.New("not yet")
		}
		return nil
	})
	submit := func(s engine.Task) {
		_, err := d.Submit(context.Background(), s)
		if err != nil {
			t.Error(err)
		}
	}
	tail(t, d.client(t), nil, func() {
		submit(engine.Task{Handler: "work", ID: "well", Labels: map[string]string{"a": "b"}})
		submit(engine.Task{Handler: "twice", ID: "again", Retry: task.RetryPolicy{MinBackoff: time.Millisecond}})
		submit(engine.Task{Handler: "work", ID: "later", Delay: time.Hour})
		_, err := d.Tasks().Cancel(context.Background(), "later")
		if err != nil {
			t.Error(err)
		}
	}, map[string][]string{
		"well": {"created", "started", "succeeded"}, "again": {"created", "started", "retrying", "started", "succeeded"}, "later": {"created", "canceled"},
	})
	tail(t, d.client(t), []string{"queue:b", "task:one"}, func() {
		for _, s := range []engine.Task{{ID: "a-1", Queue: "a"}, {ID: "b-1", Queue: "b"}, {ID: "one", Queue: "a"}} {
			s.Handler = "work"
			submit(s)
		}
	}, map[string][]string{"b-1": {"created", "started", "succeeded"}, "one": {"created", "started", "succeeded"}})
}

// TestAStreamGoesOnBehindTheLastEvent, or says that it cannot.
func TestAStreamGoesOnBehindTheLastEvent(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	d.HandleFunc("work", func(context.Context, *engine.Call) error { return nil })
	read := func(last string, n int, begin func()) (lines []string) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url+"/v1/events?topics=tasks", http.NoBody)
		require.NoError(t, err)
		if last != "" {
			req.Header.Set("Last-Event-ID", last)
		}
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer res.Body.Close()
		require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
		begin()
		for s := bufio.NewScanner(res.Body); len(lines) < n && s.Scan(); {
			if name, _, _ := strings.Cut(s.Text(), ":"); name == "id" || name == "event" {
				lines = append(lines, s.Text())
			}
		}
		return lines
	}
	submit := func() { d.submit(t, "work") }
	first := read("", 6, submit)
	require.Equal(t, []string{"event: task.created", "event: task.started", "event: task.succeeded"}, []string{first[1], first[3], first[5]})
	require.Equal(t, first[2:], read(strings.TrimPrefix(first[0], "id: "), 4, func() {}))
	require.Equal(t, []string{"event: reset"}, read("elsewhere.7", 1, func() {}))
	status, _, answer := d.call(t, http.MethodGet, "/v1/events?topics=nodes:7", "")
	require.Equal(t, http.StatusUnprocessableEntity, status)
	require.Contains(t, answer["detail"], "want tasks, queue:NAME, task:ID, schedule:NAME, action:ID or nodes")
}

// TestTopicsNameOtherThingsThanTasks: a schedule with the tasks that it makes, and an action;
// and nothing of others comes.
func TestTopicsNameOtherThingsThanTasks(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{})
	c, ctx := d.client(t), t.Context()
	action, err := c.Actions.Start(ctx, sendoff.Bulk{Action: "cancel", Filter: map[string][]string{"queue": {"none"}}})
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url+"/v1/events?topics=schedule:s,action:"+action.ID, http.NoBody)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req) // it listens when its header has come
	require.NoError(t, err)
	defer res.Body.Close()

	for _, s := range []string{"s", "other"} {
		_, err = c.Schedules.Set(ctx, s, sendoff.ScheduleSpec{Every: "1h", Task: json.RawMessage(`{"handler":"work","delay":"1h"}`)})
		require.NoError(t, err)
		_, err = c.Schedules.Run(ctx, s)
		require.NoError(t, err)
		_, err = c.Schedules.Pause(ctx, s)
		require.NoError(t, err)
	}
	_, err = c.Actions.Pause(ctx, action.ID)
	require.NoError(t, err)
	require.NoError(t, c.Schedules.Delete(ctx, "other"))
	require.NoError(t, c.Schedules.Delete(ctx, "s"))

	var got []string
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if event, is := strings.CutPrefix(lines.Text(), "event: "); is {
			got = append(got, event)
		}
		if data, is := strings.CutPrefix(lines.Text(), "data: "); is && strings.HasPrefix(got[len(got)-1], "schedule") {
			require.Contains(t, data, `"schedule":{"name":"s"}`)
		}
		if slices.Contains(got, "schedule.deleted") {
			break
		}
	}
	require.Equal(t, []string{"schedule.changed", "task.created", "schedule.fired", "schedule.changed", "action.changed", "schedule.deleted"}, got)

	elsewhere := auth.With(ctx, &auth.Principal{Scopes: auth.Read, Namespace: "theirs", NamespaceID: 7})
	w := httptest.NewRecorder()
	engine.RoutesOf(d.Engine).ServeHTTP(w, httptest.NewRequestWithContext(elsewhere, http.MethodGet, "/v1/events?topics=nodes", http.NoBody))
	require.Equal(t, http.StatusForbidden, w.Code, "nodes are of the whole server")
}

// TestEventsOfOtherNodesCome within five seconds.
func TestEventsOfOtherNodesCome(t *testing.T) {
	all := nodes(t, 2, func(node int, e *engine.Engine) {
		if node == 1 {
			e.HandleFunc("work", func(context.Context, *engine.Call) error { return nil })
		}
	})
	srv := httptest.NewServer(all[0].Handler(engine.HandlerConfig{}))
	t.Cleanup(srv.Close)
	c, err := sendoff.NewClient(sendoff.ClientConfig{URL: srv.URL})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	go func() {
		time.Sleep(2 * time.Second) // until the other node knows that somebody listens
		if _, err := all[1].Submit(ctx, engine.Task{Handler: "work", ID: "there"}); err != nil {
			t.Error(err)
		}
	}()
	var got []string
	for e, err := range c.Tasks.Tail(ctx, "tasks", "schedule:there", "nodes") {
		require.NoError(t, err)
		require.Less(t, time.Since(e.At), 5*time.Second)
		if e.Node != nil {
			e.Task.Node = e.Node.Name
		}
		got = append(got, e.Type+" "+e.Task.Node)
		if len(got) == 3 {
			_, err := all[1].Schedules().Set(ctx, engine.ScheduleSpec{Name: "there", Every: time.Hour, Task: engine.Task{Handler: "work"}})
			require.NoError(t, err)
			found, err := all[0].Nodes(ctx)
			require.NoError(t, err)
			at := slices.IndexFunc(found, func(n engine.Node) bool { return n.Name == "node-1" })
			_, err = c.Nodes.Drain(ctx, found[at].ID)
			require.NoError(t, err)
		}
		if len(got) == 5 {
			break
		}
	}
	slices.Sort(got[3:])
	require.Equal(t, []string{"task.created node-1", "task.started node-1", "task.succeeded node-1", "node.draining node-1", "schedule.changed "}, got)
}

// TestSubscribersHearInTheProcess, and a wrong topic is refused.
func TestSubscribersHearInTheProcess(t *testing.T) {
	b := open(t, engine.Config{})
	b.HandleFunc("work", func(context.Context, *engine.Call) error { return nil })
	b.run(t)
	_, err := b.Subscribe(t.Context(), "node:1")
	require.ErrorAs(t, err, &task.Invalid{})
	happens, err := b.Subscribe(t.Context(), "tasks")
	require.NoError(t, err)
	b.submit(t, "work")
	var got []string
	for e := range happens {
		got = append(got, e.Type)
		if len(got) == 3 {
			break
		}
	}
	require.True(t, slices.Equal([]string{"created", "started", "succeeded"}, got), got)
	happens, err = b.Subscribe(t.Context())
	require.NoError(t, err)
	b.stop()
	for range happens { // ends with the engine
	}
}
