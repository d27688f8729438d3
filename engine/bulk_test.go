package engine_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store"
)

// TestABulkRetryOfAMillion tells how fast a bulk retry is at rate max, and what it leaves of
// the rate at which other tasks are carried out. What it has retried waits in a queue that is
// paused. With SENDOFF_HEAVY=1, on a quiet machine.
func TestABulkRetryOfAMillion(t *testing.T) {
	if os.Getenv("SENDOFF_HEAVY") != "1" {
		t.Skip("fails a million tasks and retries them: with SENDOFF_HEAVY=1")
	}
	const dead = 1_000_000
	onBothFloors(t, func(t *testing.T, db store.Store) {
		var ran atomic.Int64
		e, err := engine.New(db, engine.Config{})
		require.NoError(t, err)
		engine.Handle(e, "fails", func(context.Context, struct{}) error { ran.Add(1); return sendoff.Permanent(errors.New("no")) })
		engine.Handle(e, "works", func(context.Context, struct{}) error { ran.Add(1); return nil })
		ctx, stop := context.WithCancel(t.Context())
		over := make(chan error, 1)
		go func() { over <- e.Run(ctx) }()
		srv := httptest.NewServer(e.Handler(engine.HandlerConfig{}))
		defer func() {
			srv.Close()
			stop()
			require.NoError(t, <-over)
		}()
		c := clientOf(t, srv.URL, "")
		submitMany(t, e, engine.Task{Handler: "fails", Queue: "dead"}, dead)
		require.Eventually(t, func() bool { return ran.Load() == dead }, 30*time.Minute, 100*time.Millisecond)
		for _, queue := range []string{"dead", "live"} {
			submitMany(t, e, engine.Task{Handler: "works", Queue: queue}, 1)
			_, err := c.Queues.Pause(ctx, queue)
			require.NoError(t, err)
		}
		submitMany(t, e, engine.Task{Handler: "works", Queue: "live"}, 2_000_000)

		_, err = c.Queues.Resume(ctx, "live")
		require.NoError(t, err)
		time.Sleep(2 * time.Second)
		alone := rateOf(&ran, 10*time.Second)
		began := time.Now()
		a, err := c.Actions.Start(ctx, sendoff.Bulk{Action: "retry", Filter: map[string][]string{"state": {"failed"}, "queue": {"dead"}}, Rate: "max", Reason: "how fast it is"})
		require.NoError(t, err)
		from := ran.Load()
		for !a.Ended() {
			time.Sleep(100 * time.Millisecond)
			a, err = c.Actions.Get(ctx, a.ID)
			require.NoError(t, err)
		}
		took := time.Since(began)
		beside := float64(ran.Load()-from) / took.Seconds()
		t.Logf("%d retried in %s, %.0f/s; others run at %.0f/s beside it, %.0f/s without it: %.0f %%", a.Done, took.Round(time.Second), float64(a.Done)/took.Seconds(), beside, alone, 100*beside/alone)
		require.EqualValues(t, dead, a.Done)
		require.Less(t, ran.Load(), int64(dead+2_000_000), "there was always something to run beside it")
	})
}

// submitMany stores n tasks that are alike, from two callers.
func submitMany(t *testing.T, e *engine.Engine, one engine.Task, n int) {
	t.Helper()
	var g errgroup.Group
	g.SetLimit(2)
	for at := 0; at < n; at += 1000 {
		g.Go(func() error {
			tasks := make([]engine.Task, min(1000, n-at))
			for i := range tasks {
				tasks[i] = one
			}
			_, err := e.SubmitMany(t.Context(), tasks, true)
			return err
		})
	}
	require.NoError(t, g.Wait())
}

// rateOf is how much is counted in a second, over a time.
func rateOf(n *atomic.Int64, over time.Duration) float64 {
	from, began := n.Load(), time.Now()
	time.Sleep(over)
	return float64(n.Load()-from) / time.Since(began).Seconds()
}
