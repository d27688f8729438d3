package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// seldom is a poll that comes too late: whatever starts, somebody was told of.
const seldom = 10 * time.Minute

// TestWhateverBecomesReadyIsTold: each way into ready wakes the node, every time.
// A poll would hide a wake that is lost.
func TestWhateverBecomesReadyIsTold(t *testing.T) {
	for name, way := range map[string]func(*waker){
		"a submission": func(w *waker) { w.submit(w.t, "h") },
		"a batch": func(w *waker) {
			_, err := w.SubmitMany(w.t.Context(), []engine.Task{{Handler: "h"}}, true)
			require.NoError(w.t, err)
		},
		"a task that is due": func(w *waker) {
			w.submit(w.t, "h", func(s *engine.Task) { s.Delay = time.Minute })
		},
		"a retry after the backoff": func(w *waker) {
			w.fails.Store(1)
			w.submit(w.t, "h")
			<-w.started
		},
		"a retry by hand": func(w *waker) {
			w.rejects.Store(1)
			id := w.submit(w.t, "h")
			<-w.started
			w.wait(w.t, id)
			_, err := w.Tasks().Retry(w.t.Context(), id)
			require.NoError(w.t, err)
		},
		"a task that is run now": func(w *waker) {
			id := w.submit(w.t, "h", func(s *engine.Task) { s.Delay = 2 * seldom })
			_, err := w.Tasks().RunNow(w.t.Context(), id)
			require.NoError(w.t, err)
		},
		"a queue that is resumed": func(w *waker) {
			w.pause(true)
			w.submit(w.t, "h")
			w.pause(false)
		},
		"a task that its node was lost with": func(w *waker) {
			w.pause(true)
			w.submit(w.t, "h")
			synctest.Wait()
			w.claimAndDie()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWaker(t)
				defer w.stop()
				for i := range 4 {
					began := time.Now()
					way(w)
					<-w.started
					require.Less(t, time.Since(began), seldom/2, "%s, time %d: it was found by the poll, nobody was told", name, i+1)
					synctest.Wait()
				}
			})
		})
	}
}

// waker is an engine that hardly ever looks by itself.
type waker struct {
	*bundle
	t              *testing.T
	started        chan struct{}
	fails, rejects atomic.Int64 // how many attempts are to fail
}

func newWaker(t *testing.T) *waker {
	w := &waker{bundle: open(t, engine.Config{Poll: seldom}), t: t, started: make(chan struct{}, 100)}
	w.HandleFunc("h", func(context.Context, *engine.Call) error {
		w.started <- struct{}{}
		switch {
		case w.fails.Add(-1) >= 0:
			return errors.New("boom")
		case w.rejects.Add(-1) >= 0:
			return sendoff.Permanent(errors.New("boom"))
		}
		return nil
	})
	w.submit(t, "h") // makes the lane
	w.run(t)
	<-w.started
	synctest.Wait()
	return w
}

func (w *waker) pause(on bool) {
	do := w.Queues().Resume
	if on {
		do = w.Queues().Pause
	}
	_, err := do(w.t.Context(), task.DefaultQueue)
	require.NoError(w.t, err)
}

// claimAndDie has another node claim what waits in the paused queue and die.
func (w *waker) claimAndDie() {
	ctx := w.t.Context()
	ghost := task.ID{1}
	lanes, err := w.db.Lanes(ctx)
	require.NoError(w.t, err)
	require.NoError(w.t, w.db.Register(ctx, store.Node{ID: ghost, Version: 1}, time.Hour.Microseconds()))
	_, err = w.db.SetPaused(ctx, lanes[0].QueueID, false) // tells nobody
	require.NoError(w.t, err)
	got, err := w.db.Claim(ctx, store.ClaimRequest{ID: task.ID{2, byte(time.Now().Unix())}, Node: ghost, Limit: 1,
		Slots: []store.ClaimSlot{{Lane: lanes[0].ID, Priority: task.DefaultPriority, Limit: 1}}})
	require.NoError(w.t, err)
	require.Len(w.t, got.Tasks, 1)
	require.NoError(w.t, w.db.Leave(ctx, ghost))
}

// TestTheEndOfACallIsTold: what a settle makes ready, the caller of what has ended,
// starts although nobody looks.
func TestTheEndOfACallIsTold(t *testing.T) {
	_, client := functionEngineWith(t, engine.Config{Poll: seldom}, square, sumOfSquares)
	for i := range 4 {
		in, err := client.Submit(t.Context(), sendoff.NewTask{Function: "sum_of_squares", Endpoint: "embedded://app", Payload: 3})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		out, err := client.Wait(ctx, in.ID)
		require.NoError(t, err, "run %d: its calls have ended, and it is not resumed", i+1)
		require.Equal(t, sendoff.StateSucceeded, out.State, out.LastError)
	}
}

// TestOtherNodesAreTold: what one node makes ready, cancels or changes reaches the
// others by a hint, every time.
func TestOtherNodesAreTold(t *testing.T) {
	started, ended := make(chan string, 100), make(chan error, 100)
	// Nor does a heartbeat find out in time what was canceled.
	cfg := engine.Config{Poll: seldom, Heartbeat: seldom, Lease: 4 * seldom}
	es := nodesWith(t, 2, cfg, func(node int, e *engine.Engine) {
		if node == 1 {
			e.HandleFunc("quick", func(_ context.Context, c *engine.Call) error { started <- c.ID; return nil })
			e.HandleFunc("long", func(ctx context.Context, c *engine.Call) error {
				started <- c.ID
				<-ctx.Done()
				ended <- context.Cause(ctx)
				return ctx.Err()
			})
		}
	})
	here, there := es[0], es[1]
	submit := func(e *engine.Engine, handler string) string {
		r, err := e.Submit(t.Context(), engine.Task{Handler: handler})
		require.NoError(t, err)
		return r.ID
	}
	for _, handler := range []string{"quick", "long"} { // makes the lanes
		id := submit(there, handler)
		require.Equal(t, id, receive(t, started, "the node's own task starts"))
	}
	for i := range 6 {
		id := submit(here, "quick")
		require.Equal(t, id, receive(t, started, fmt.Sprintf("task %d starts on the other node, which was told of it", i+1)))
	}
	for i := range 4 {
		id := submit(here, "long")
		require.Equal(t, id, receive(t, started, "the task starts"))
		_, err := here.Tasks().Cancel(t.Context(), id)
		require.NoError(t, err)
		require.ErrorContains(t, receive(t, ended, fmt.Sprintf("cancel %d reaches the node that runs the task", i+1)), "canceled")
	}
}

// receive waits for what must come. How soon is not its business.
func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(30 * time.Second):
		t.Fatalf("it never happens that %s", what)
		panic("unreachable")
	}
}
