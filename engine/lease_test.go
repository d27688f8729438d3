package engine_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/exec"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// bury has everybody believe that the engine's node is dead, the oldest one.
func (b *bundle) bury(t *testing.T) {
	nodes, err := b.db.Nodes(t.Context())
	require.NoError(t, err)
	require.NoError(t, b.db.Leave(t.Context(), nodes[0].ID))
}

// TestANodeThatLostItsLeaseDropsItsAttempts: they are told so with the first
// heartbeat that fails, and not when it is found out task by task (I5).
func TestANodeThatLostItsLeaseDropsItsAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Without the role schedule nobody takes the task back: the lease alone tells.
		b := open(t, engine.Config{Roles: []engine.Role{engine.Accept, engine.Execute}})
		stopped := make(chan error, 10)
		b.HandleFunc("h", func(ctx context.Context, c *engine.Call) error {
			if c.Token > 1 {
				return nil
			}
			<-ctx.Done()
			stopped <- context.Cause(ctx)
			return ctx.Err()
		})
		b.run(t)
		defer b.stop()
		id := b.submit(t, "h")
		synctest.Wait()
		b.bury(t)
		require.ErrorIs(t, receive(t, stopped, "an attempt ends with the lease of its node"), exec.ErrLeaseLost)
		require.Equal(t, "succeeded , 1 attempts", b.wait(t, id), "the node has joined anew and works")
	})
}

// TestALateSuccessDoesNotCount: an attempt that goes on after its node was given
// up, and then succeeds, ends nothing. The attempt that took its place does.
func TestALateSuccessDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, engine.Config{})
		first, second := make(chan struct{}), make(chan struct{})
		begun := make(chan string, 2)
		b.HandleFunc("h", func(context.Context, *engine.Call) error {
			begun <- "here"
			<-first // whatever it is told
			return nil
		})
		b.run(t)
		defer b.stop()
		id := b.submit(t, "h")
		require.Equal(t, "here", <-begun)

		other, err := engine.New(b.db, engine.Config{})
		require.NoError(t, err)
		other.HandleFunc("h", func(context.Context, *engine.Call) error {
			begun <- "there"
			<-second
			return sendoff.Permanent(errors.New("the second attempt decides"))
		})
		defer run(t, other)()
		synctest.Wait()
		b.bury(t)
		require.Equal(t, "there", <-begun)
		close(first)
		synctest.Wait()
		got, err := b.Tasks().Get(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, task.Running, got.State, "a success without the token of the task was settled")
		close(second)
		require.Contains(t, b.wait(t, id), "failed rejected")
	})
}

// run runs an engine until stop is called.
func run(t *testing.T, e *engine.Engine) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- e.Run(ctx) }()
	return func() { cancel(); require.NoError(t, <-over) }
}

// TestAnAttemptThatDoesNotCountIsStopped: a node asks now and then which of its
// attempts still count, since a hint may be lost.
func TestAnAttemptThatDoesNotCountIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, engine.Config{})
		stopped := make(chan error, 1)
		b.HandleFunc("h", func(ctx context.Context, _ *engine.Call) error {
			select {
			case <-ctx.Done():
				stopped <- context.Cause(ctx)
			case <-time.After(50 * time.Second):
				stopped <- errors.New("nobody stopped it")
			}
			return ctx.Err()
		})
		b.run(t)
		defer b.stop()
		id, err := task.ParseID(b.submit(t, "h"))
		require.NoError(t, err)
		synctest.Wait()
		_, err = b.db.Cancel(t.Context(), id, store.Alone) // as another node does it, whose hint is lost
		require.NoError(t, err)
		require.ErrorIs(t, <-stopped, exec.ErrCanceled)
	})
}

// TestOwnClaimsAreNotTakenBack: the rescue knows what is in the hands of its own
// node, however long an attempt takes.
func TestOwnClaimsAreNotTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, engine.Config{})
		begun := make(chan int64, 10)
		b.HandleFunc("h", func(_ context.Context, c *engine.Call) error {
			begun <- c.Token
			time.Sleep(50 * time.Second)
			return nil
		})
		b.run(t)
		defer b.stop()
		require.Equal(t, "succeeded , 1 attempts", b.wait(t, b.submit(t, "h")))
		require.EqualValues(t, 1, <-begun)
		require.Empty(t, begun, "an attempt was made beside the one under way")
	})
}
