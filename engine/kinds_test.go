package engine_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// insert stores a task for a handler as change has it.
func (b *bundle) insert(t *testing.T, handler string, change func(*store.NewTask)) string {
	n, err := engine.AcceptorOf(b.Engine).Prepare(t.Context(), &accept.Submission{Spec: task.Spec{Handler: handler}})
	require.NoError(t, err)
	change(&n)
	_, woken, err := b.db.Insert(t.Context(), []store.NewTask{n}, true)
	require.NoError(t, err)
	engine.Wake(b.Engine, woken)
	return n.ID.String()
}

func TestATaskOfAKindThatIsNotKnownFailsAndSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, engine.Config{})
		b.HandleFunc("h", func(context.Context, *engine.Call) error { return nil })
		b.run(t)
		id := b.insert(t, "h", func(n *store.NewTask) { n.Kind, n.MaxAttempts = 99, 2 })
		require.Equal(t, "failed exhausted, 2 attempts", b.wait(t, id))
		got, err := b.Tasks().Get(t.Context(), id)
		require.NoError(t, err)
		require.Contains(t, got.LastError, "cannot carry out tasks of kind kind(99)")
		b.stop()
	})
}

func TestTheKindOfATaskDecidesWhatCarriesItOutNotItsLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, engine.Config{})
		b.HandleFunc("h", func(context.Context, *engine.Call) error { return nil })
		b.run(t)
		lane, err := b.db.EnsureLane(t.Context(), store.DefaultNamespace, "q", task.AnyPool, 10)
		require.NoError(t, err)
		id := b.insert(t, "h", func(n *store.NewTask) { n.Lane = lane.ID })
		require.Equal(t, "succeeded , 1 attempts", b.wait(t, id))
		b.stop()
	})
}
