package engine_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/push"
	"github.com/sendoff-dev/sendoff/task"
)

// acknowledging is an app that takes tasks and tells later how they end, as long as their
// name says so.
func acknowledging(t *testing.T) (url string, taken chan push.Task) {
	taken = make(chan push.Task, 100)
	app := httptest.NewServer(push.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		within := 10 * time.Minute
		switch push.TaskOf(r).Name {
		case "short":
			within = time.Second
		case "not 202":
			w.Header().Set("Sendoff-Ack", "manual")
			w.WriteHeader(http.StatusOK)
			return nil
		}
		push.Manual(w, within)
		taken <- push.TaskOf(r)
		return nil
	}))
	t.Cleanup(app.Close)
	return app.URL, taken
}

// onBoth calls judge with clients of two nodes on PostgreSQL, and of one on SQLite.
func onBoth(t *testing.T, judge func(t *testing.T, a, b *sendoff.Client)) {
	clientOf := func(t *testing.T, e *engine.Engine) *sendoff.Client {
		srv := httptest.NewServer(e.Handler(engine.HandlerConfig{}))
		t.Cleanup(srv.Close)
		c, err := sendoff.NewClient(sendoff.ClientConfig{URL: srv.URL})
		require.NoError(t, err)
		return c
	}
	t.Run("SQLite", func(t *testing.T) {
		b := open(t, engine.Config{AllowLoopback: true})
		b.run(t)
		t.Cleanup(b.stop)
		c := clientOf(t, b.Engine)
		judge(t, c, c)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		es := nodesWith(t, 2, engine.Config{AllowLoopback: true}, func(int, *engine.Engine) {})
		judge(t, clientOf(t, es[0]), clientOf(t, es[1]))
	})
}

func TestAnAppTellsHowItsTaskEnds(t *testing.T) {
	onBoth(t, func(t *testing.T, a, b *sendoff.Client) {
		ctx := t.Context()
		url, taken := acknowledging(t)
		ended := func(id string) *sendoff.Task {
			got, err := a.Wait(ctx, id)
			require.NoError(t, err)
			return got
		}
		submit := func(n sendoff.NewTask) push.Task {
			n.URL = url
			_, err := a.Submit(ctx, n)
			require.NoError(t, err)
			return <-taken
		}
		one := submit(sendoff.NewTask{Limits: []sendoff.Limit{{Key: "k", Concurrency: 1}}})
		require.NoError(t, b.Tasks.Heartbeat(ctx, one.ID, one.Token, time.Hour))
		got, err := b.Get(ctx, one.ID)
		require.NoError(t, err)
		require.Equal(t, []string{"running", "acknowledgement"}, []string{string(got.State), got.Reason})
		require.WithinDuration(t, time.Now().Add(time.Hour), got.AckBy, time.Minute)

		// It keeps its place until it has ended.
		_, err = a.Submit(ctx, sendoff.NewTask{ID: "next", URL: url, Limits: []sendoff.Limit{{Key: "k", Concurrency: 1}}})
		require.NoError(t, err)
		waiting, err := a.Get(ctx, "next")
		require.NoError(t, err)
		require.Equal(t, sendoff.StateBlocked, waiting.State)

		// Of several who tell something else of it one is heard, and those who tell the same.
		var all sync.WaitGroup
		errs := make([]error, 6)
		for i := range errs {
			all.Go(func() {
				if i%2 == 0 {
					errs[i] = a.Tasks.Complete(ctx, one.ID, one.Token, map[string]int{"pages": 3})
				} else {
					errs[i] = b.Tasks.Fail(ctx, one.ID, one.Token, sendoff.Failure{Error: "broken", Final: true})
				}
			})
		}
		all.Wait()
		won := map[sendoff.State]int{sendoff.StateSucceeded: 0, sendoff.StateFailed: 1}[ended(one.ID).State]
		for i, err := range errs {
			if i%2 == won {
				require.NoError(t, err)
			} else {
				require.True(t, sendoff.IsLeaseLost(err), "%v", err)
			}
		}
		next := <-taken
		require.Equal(t, "next", next.ID)
		require.NoError(t, b.Tasks.Complete(ctx, next.ID, next.Token, map[string]int{"pages": 3}))
		require.Equal(t, sendoff.StateSucceeded, ended("next").State)
		for attempt, err := range a.Tasks.Attempts(ctx, "next") {
			require.NoError(t, err)
			require.JSONEq(t, `{"pages":3}`, attempt.Body)
		}

		// A failure is tried again with another token, and the old one is worth nothing.
		again := submit(sendoff.NewTask{Retry: &sendoff.RetryPolicy{MaxAttempts: 2, MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond}})
		require.NoError(t, a.Tasks.Fail(ctx, again.ID, again.Token, sendoff.Failure{Error: "not yet"}))
		second := <-taken
		require.True(t, sendoff.IsLeaseLost(a.Tasks.Complete(ctx, again.ID, again.Token, nil)))
		require.NoError(t, a.Tasks.Complete(ctx, second.ID, second.Token, nil))
		require.Equal(t, sendoff.StateSucceeded, ended(again.ID).State)

		// One that is canceled has ended, and lets others in.
		for _, id := range []string{"canceled", "after"} {
			_, err := a.Submit(ctx, sendoff.NewTask{ID: id, URL: url, Limits: []sendoff.Limit{{Key: "l", Concurrency: 1}}})
			require.NoError(t, err)
		}
		canceled := <-taken
		require.NoError(t, a.Tasks.Heartbeat(ctx, canceled.ID, canceled.Token, time.Minute))
		_, err = a.Tasks.Cancel(ctx, "canceled")
		require.NoError(t, err)
		require.True(t, sendoff.IsLeaseLost(b.Tasks.Complete(ctx, "canceled", canceled.Token, nil)))
		after := <-taken
		require.Equal(t, "after", after.ID)
		require.NoError(t, a.Tasks.Complete(ctx, after.ID, after.Token, nil))

		// Nothing but a 202 is taken for a promise.
		_, err = a.Submit(ctx, sendoff.NewTask{ID: "plain", Name: "not 202", URL: url})
		require.NoError(t, err)
		require.Equal(t, sendoff.StateSucceeded, ended("plain").State)
	})
}

// TestAnAttemptTellsHowFarItIs: one whose push has not been answered, and one that goes on after that.
func TestAnAttemptTellsHowFarItIs(t *testing.T) {
	onBoth(t, func(t *testing.T, a, b *sendoff.Client) {
		ctx := t.Context()
		came, answer := make(chan push.Task), make(chan struct{})
		app := httptest.NewServer(push.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			came <- push.TaskOf(r)
			<-answer
			push.Manual(w, time.Minute)
			return nil
		}))
		defer app.Close()
		_, err := a.Submit(ctx, sendoff.NewTask{ID: "far", URL: app.URL, Retry: &sendoff.RetryPolicy{MaxAttempts: 2, MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond}})
		require.NoError(t, err)
		one := <-came
		seen := func() *sendoff.Progress {
			got, err := a.Get(ctx, "far")
			require.NoError(t, err)
			return got.Progress
		}
		require.Nil(t, seen())
		require.NoError(t, b.Tasks.Progress(ctx, "far", one.Token, sendoff.Progress{Done: 1, Total: 3, Text: "page 1"}))
		p := seen()
		require.WithinDuration(t, time.Now(), p.At, time.Minute)
		require.Equal(t, sendoff.Progress{Done: 1, Total: 3, Text: "page 1", At: p.At}, *p)
		require.True(t, sendoff.IsLeaseLost(b.Tasks.Progress(ctx, "far", one.Token+1, sendoff.Progress{Done: 1})))
		for field, wrong := range map[string]sendoff.Progress{"done": {Done: 4, Total: 3}, "total": {Total: -1}, "text": {Text: "a\nb"}} {
			require.ErrorContains(t, b.Tasks.Progress(ctx, "far", one.Token, wrong), field)
		}

		answer <- struct{}{}
		require.Eventually(t, func() bool { got, err := a.Get(ctx, "far"); return err == nil && !got.AckBy.IsZero() }, 20*time.Second, 5*time.Millisecond)
		require.NoError(t, b.Tasks.Progress(ctx, "far", one.Token, sendoff.Progress{Done: 2}))
		p = seen()
		require.Equal(t, sendoff.Progress{Done: 2, At: p.At}, *p)
		require.NoError(t, a.Tasks.Fail(ctx, "far", one.Token, sendoff.Failure{Error: "not yet"}))
		two := <-came
		require.Nil(t, seen(), "another attempt has not told yet")
		require.True(t, sendoff.IsLeaseLost(b.Tasks.Progress(ctx, "far", one.Token, sendoff.Progress{Done: 3})))
		require.NoError(t, b.Tasks.Progress(ctx, "far", two.Token, sendoff.Progress{Done: 1}))
		answer <- struct{}{}
		require.NoError(t, a.Tasks.Complete(ctx, "far", two.Token, nil))
		require.Nil(t, seen(), "it has ended")
	})
}

func TestWhatNobodyTellsInTimeHasFailed(t *testing.T) {
	onBoth(t, func(t *testing.T, a, b *sendoff.Client) {
		ctx := t.Context()
		url, taken := acknowledging(t)
		const n = 6
		for i := range n {
			_, err := a.Submit(ctx, sendoff.NewTask{ID: fmt.Sprint("t", i), Name: "short", URL: url, Retry: &sendoff.RetryPolicy{MaxAttempts: 1}})
			require.NoError(t, err)
		}
		told := make([]error, n)
		var all sync.WaitGroup
		for range n {
			p := <-taken
			i, err := strconv.Atoi(p.ID[1:])
			require.NoError(t, err)
			all.Go(func() { // around the deadline: who comes first wins, and nobody else
				switch i {
				case 0: // long before it
				case n - 1: // when it is over
					_, _ = a.Wait(ctx, p.ID)
				default:
					select {
					case <-time.After(time.Second + time.Duration(i-2)*120*time.Millisecond):
					case <-ctx.Done():
					}
				}
				told[i] = b.Tasks.Complete(context.WithoutCancel(ctx), p.ID, p.Token, nil)
			})
		}
		all.Wait()
		states := map[sendoff.State]int{}
		for i, err := range told {
			got, failed := a.Wait(ctx, fmt.Sprint("t", i))
			require.NoError(t, failed)
			states[got.State]++
			if got.State == sendoff.StateSucceeded {
				require.NoError(t, err)
				continue
			}
			require.True(t, sendoff.IsLeaseLost(err), "%v", err)
			require.Equal(t, task.Exhausted.String(), got.Reason)
			for attempt, err := range a.Tasks.Attempts(ctx, got.ID) {
				require.NoError(t, err)
				require.Equal(t, []string{"failure", "timeout"}, []string{attempt.Outcome, attempt.Cause})
			}
		}
		require.NotZero(t, states[sendoff.StateSucceeded])
		require.NotZero(t, states[sendoff.StateFailed])
	})
}
