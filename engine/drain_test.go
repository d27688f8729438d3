package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// A node is told by another one: it finishes what it runs, and others do the rest.
func TestANodeIsDrainedFromAnotherOne(t *testing.T) {
	hold, begun := make(chan struct{}), make(chan int, 100)
	all := nodesWith(t, 2, engine.Config{Heartbeat: time.Minute, Lease: time.Hour, LocalSlots: 1}, func(node int, e *engine.Engine) {
		e.HandleFunc("h", func(ctx context.Context, c *engine.Call) error {
			begun <- node
			if string(c.Payload) == `"long"` {
				select {
				case <-hold:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})
	})
	long, err := all[1].Submit(t.Context(), engine.Task{Handler: "h", Payload: "long"})
	require.NoError(t, err)
	drained := <-begun // whoever was first
	other := 1 - drained
	var id string
	there := doorOf(t, all[other])
	list, err := there.Nodes.List(t.Context())
	require.NoError(t, err)
	for _, n := range list {
		if n.Name == []string{"node-0", "node-1"}[drained] {
			id = n.ID
		}
	}
	n, err := there.Nodes.Drain(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, []any{id, true}, []any{n.ID, n.Draining}, "at once, whether it has heard of it or not")
	require.Eventually(t, func() bool { return engine.Draining(all[drained]) }, 10*time.Second, 5*time.Millisecond, "a hint tells it")

	close(hold)
	done, err := there.Wait(t.Context(), long.ID)
	require.NoError(t, err)
	require.Equal(t, sendoff.StateSucceeded, done.State, "what runs is finished")
	for range 20 { // the drained node still accepts
		r, err := all[drained].Submit(t.Context(), engine.Task{Handler: "h"})
		require.NoError(t, err)
		_, err = there.Wait(t.Context(), r.ID)
		require.NoError(t, err)
		require.Equal(t, other, <-begun)
	}
	require.NoError(t, all[drained].Ready(t.Context()))
	_, err = there.Nodes.Drain(t.Context(), "019ac0de-1d2e-7000-8000-0123456789ab")
	require.True(t, sendoff.IsNotFound(err), err)
}

// A node that works alone can be told as well, and says what its tasks wait for.
func TestANodeDrainsItself(t *testing.T) {
	b := open(t, engine.Config{Heartbeat: time.Minute})
	b.HandleFunc("h", func(context.Context, *engine.Call) error { return nil })
	b.run(t)
	defer b.stop()
	b.wait(t, b.submit(t, "h"))
	list, err := b.Nodes(t.Context())
	require.NoError(t, err)
	n, err := b.Drain(t.Context(), list[0].ID)
	require.NoError(t, err)
	require.True(t, n.Draining)
	require.Eventually(t, func() bool { return engine.Draining(b.Engine) }, 10*time.Second, time.Millisecond)
	id := b.submit(t, "h")
	w, err := b.Tasks().WaitingFor(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, task.WaitNoNode, w.Cause)
	require.Equal(t, "no node that is alive has the handler \"h\", but for such as are draining", w.Text)

	n, err = b.Undrain(t.Context(), list[0].ID)
	require.NoError(t, err)
	require.False(t, n.Draining)
	b.wait(t, id)
	require.False(t, engine.Draining(b.Engine))
	_, err = b.Undrain(t.Context(), "019ac0de-1d2e-7000-8000-0123456789ab")
	require.ErrorIs(t, err, store.ErrNotFound)
}
