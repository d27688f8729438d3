package engine_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/task"
)

// TestNodesKeepLimitsOrderAndDependenciesTogether submits to one node what all carry out.
func TestNodesKeepLimitsOrderAndDependenciesTogether(t *testing.T) {
	var running, most, order atomic.Int64
	ran := make(chan string, 100)
	es := nodes(t, 2, func(_ int, e *engine.Engine) {
		e.HandleFunc("limited", func(context.Context, *engine.Call) error {
			n := running.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(5 * time.Millisecond)
			running.Add(-1)
			return nil
		})
		e.HandleFunc("ordered", func(_ context.Context, c *engine.Call) error {
			if want := fmt.Sprint("o", order.Add(1)-1); c.ID != want {
				t.Errorf("%s runs in place of %s", c.ID, want)
			}
			return nil
		})
		e.HandleFunc("last", func(_ context.Context, c *engine.Call) error { ran <- c.ID; return nil })
	})
	var tasks []engine.Task
	last := engine.Task{Handler: "last", ID: "last"}
	for n := range 30 {
		limited := engine.Task{Handler: "limited", ID: fmt.Sprint("l", n), Limits: []task.Limit{{Key: "k", Concurrency: 3}}}
		ordered := engine.Task{Handler: "ordered", ID: fmt.Sprint("o", n), OrderKey: "order"}
		tasks = append(tasks, limited, ordered)
		last.DependsOn = append(last.DependsOn, limited.ID, ordered.ID)
	}
	results, err := es[0].SubmitMany(t.Context(), append([]engine.Task{last}, tasks...), true)
	require.NoError(t, err)
	require.Len(t, results, 61)
	w, err := es[1].Tasks().WaitingFor(t.Context(), "last")
	require.NoError(t, err)
	require.Equal(t, task.WaitDependencies, w.Cause)
	select {
	case <-ran:
	case <-time.After(time.Minute):
		t.Fatal("the task that depends on all does not run")
	}
	require.EqualValues(t, 30, order.Load())
	require.LessOrEqual(t, most.Load(), int64(3))

	dropped, err := es[1].SubmitMany(t.Context(), []engine.Task{
		{Handler: "last", ID: "d1", Delay: time.Hour, OnDuplicate: task.Serial, DuplicateKey: "d"}, {Handler: "nobody", ID: "d2", OnDuplicate: task.Discard, DuplicateKey: "d"},
		{Handler: "nobody", ID: "d3", OnDuplicate: task.Discard, DuplicateKey: "d"},
	}, true)
	require.NoError(t, err)
	require.Equal(t, []engine.Status{engine.Created, engine.Created, engine.Dropped}, []engine.Status{dropped[0].Status, dropped[1].Status, dropped[2].Status})
	_, err = es[0].Limits().Set(t.Context(), task.Limit{Key: "k", Rate: task.Rate{N: 10, Per: time.Minute}}, true)
	require.NoError(t, err)
	l, err := es[1].Limits().Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, engine.Limit{Limit: task.Limit{Key: "k", Rate: task.Rate{N: 10, Per: time.Minute}, Burst: 1}, Paused: true, Configured: true}, l)
	require.NoError(t, es[0].Limits().Delete(t.Context(), "k"))
}
