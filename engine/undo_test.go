package engine_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/postgres"
	"github.com/sendoff-dev/sendoff/store/sqlite"
	"github.com/sendoff-dev/sendoff/task"
)

// onBothFloors gives a test a database of each kind.
func onBothFloors(t *testing.T, check func(*testing.T, store.Store)) {
	t.Run("sqlite", func(t *testing.T) {
		db, err := sqlite.Open(t.Context(), t.TempDir()+"/f.db", sqlite.Options{})
		require.NoError(t, err)
		t.Cleanup(func() { _ = db.Close() })
		check(t, db)
	})
	t.Run("postgres", func(t *testing.T) {
		db, err := postgres.Open(t.Context(), testkit.Postgres(t), postgres.Options{})
		require.NoError(t, err)
		t.Cleanup(func() { _ = db.Close() })
		check(t, db)
	})
}

// booking is a function that has something to undo and waits; undoing it waits for
// open, unless that is nil.
type booking struct {
	undone atomic.Int32
	begun  chan struct{} // an undoing began
	open   chan struct{}
}

func (b *booking) undo(ctx context.Context) error {
	if b.open != nil {
		b.begun <- struct{}{}
		select {
		case <-b.open:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	b.undone.Add(1)
	return nil
}

func (b *booking) of(name string, then func(context.Context) error) *sendoff.Function[int, int] {
	return sendoff.Func(name, func(ctx context.Context, _ int) (out int, err error) {
		undo := sendoff.NewSaga(ctx)
		defer undo.RollbackOnError(&err)
		undo.Add("cancel it", b.undo)
		if _, err := sendoff.Step(ctx, "book it", func(context.Context) (int, error) { return 1, nil }); err != nil {
			return 0, err
		}
		return 1, then(ctx)
	})
}

func waitForNothing(ctx context.Context) error { _, err := never.Recv(ctx); return err }

func TestACanceledFunctionUndoesFirst(t *testing.T) {
	onBothFloors(t, func(t *testing.T, db store.Store) {
		b := booking{begun: make(chan struct{}, 1), open: make(chan struct{})}
		f := b.of("booking", waitForNothing)
		caller := sendoff.Func("caller", func(ctx context.Context, n int) (int, error) { return f.Await(ctx, n) })
		_, client := functionEngineOver(t, db, engine.Config{}, f, caller)
		id := submitFunction(t, client, "caller", 0)
		tree := untilTree(t, client, id, 2)
		before := time.Now()
		got, err := client.Tasks.Cancel(t.Context(), tree[1].ID)
		require.NoError(t, err)
		require.Equal(t, "canceling", got.Reason, "it is %s", got.State)
		require.WithinDuration(t, before.Add(5*time.Minute), got.ExpiresAt, time.Minute)
		<-b.begun
		tree = untilTree(t, client, id, 2)
		require.Equal(t, "canceling", tree[1].Reason, "who looks at the tree sees what it does")
		require.Equal(t, sendoff.StateSuspended, tree[0].State, "its caller waits for the end")
		close(b.open)

		end := untilState(t, client, tree[1].ID, sendoff.StateCanceled)
		require.Equal(t, "requested", end.Reason)
		require.Equal(t, "the call was canceled", end.LastError)
		require.EqualValues(t, 1, b.undone.Load())
		failed := untilState(t, client, id, sendoff.StateFailed)
		require.Contains(t, failed.Error.Message, "the call was canceled")

		_, err = client.Tasks.Retry(t.Context(), tree[1].ID)
		require.NoError(t, err)
		again := untilState(t, client, tree[1].ID, sendoff.StateSuspended)
		require.Empty(t, again.Reason, "it runs again, and nobody cancels it")
		require.True(t, again.ExpiresAt.IsZero())
	})
}

func TestUndoingIsEndedByACancelNow(t *testing.T) {
	onBothFloors(t, func(t *testing.T, db store.Store) {
		b := booking{begun: make(chan struct{}, 1), open: make(chan struct{})}
		_, client := functionEngineOver(t, db, engine.Config{}, b.of("booking", waitForNothing))
		id := submitFunction(t, client, "booking", 0)
		untilState(t, client, id, sendoff.StateSuspended)
		_, err := client.Tasks.Cancel(t.Context(), id)
		require.NoError(t, err)
		<-b.begun
		got, err := client.Tasks.Cancel(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, "canceling", got.Reason, "a cancel may be repeated")
		got, err = client.Tasks.CancelNow(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, sendoff.StateCanceled, got.State)
		require.Zero(t, b.undone.Load())
	})
}

func TestAFunctionThatRunsIsToldAtTheEndOfItsStep(t *testing.T) {
	onBothFloors(t, func(t *testing.T, db store.Store) {
		var b booking
		pays, paid := make(chan struct{}), make(chan struct{})
		f := b.of("booking", func(ctx context.Context) error {
			_, err := sendoff.Step(ctx, "pay", func(ctx context.Context) (int, error) {
				close(pays)
				<-paid
				return 1, ctx.Err()
			})
			if err != nil {
				return err
			}
			return waitForNothing(ctx)
		})
		_, client := functionEngineOver(t, db, engine.Config{}, f)
		id := submitFunction(t, client, "booking", 0)
		<-pays
		got, err := client.Tasks.Cancel(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, []string{"running", "canceling"}, []string{string(got.State), got.Reason})
		close(paid)
		untilState(t, client, id, sendoff.StateCanceled)
		require.EqualValues(t, 1, b.undone.Load())
		steps, err := client.Tasks.Steps(t.Context(), id, sendoff.StepFilter{})
		require.NoError(t, err)
		var names []string
		for _, s := range steps.Items {
			names = append(names, s.Name+" "+string(s.State))
		}
		require.Equal(t, []string{"book it succeeded", "pay succeeded", "cancel it succeeded"}, names)
	})
}

// An attempt that goes on beyond the time for undoing is ended.
func TestUndoingEndsWithItsTime(t *testing.T) {
	onBothFloors(t, func(t *testing.T, db store.Store) {
		b := booking{begun: make(chan struct{}, 1), open: make(chan struct{})}
		_, client := functionEngineOver(t, db, engine.Config{}, b.of("booking", waitForNothing))
		id := submitFunction(t, client, "booking", 0)
		untilState(t, client, id, sendoff.StateSuspended)
		parsed, err := task.ParseID(id)
		require.NoError(t, err)
		_, err = db.Undo(t.Context(), parsed, time.Second.Microseconds())
		require.NoError(t, err)
		end := untilState(t, client, id, sendoff.StateCanceled)
		require.Equal(t, "requested", end.Reason)
		require.Equal(t, "the call was canceled; there was no time left to undo what it did", end.LastError)
		require.Zero(t, b.undone.Load())
	})
}

// What is canceled with the function above it undoes what it did, too: at its cancel,
// and when one of a group fails.
func TestTheSagasBelowUndo(t *testing.T) {
	onBothFloors(t, func(t *testing.T, db store.Store) {
		var one, two booking
		first, second := one.of("first", waitForNothing), two.of("second", waitForNothing)
		fails := sendoff.Func("fails", func(ctx context.Context, _ int) (int, error) {
			_, err := approve.Recv(ctx)
			return 0, sendoff.Permanent(err)
		})
		group := sendoff.Func("group", func(ctx context.Context, _ int) (int, error) {
			_, err := sendoff.All(ctx, first.Start(ctx, 0), second.Start(ctx, 0), fails.Start(ctx, 0))
			return 0, err
		})
		_, client := functionEngineOver(t, db, engine.Config{}, first, second, fails, group)
		id := submitFunction(t, client, "group", 0)
		tree := untilTree(t, client, id, 4)
		got, err := client.Tasks.Cancel(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, sendoff.StateCanceled, got.State, "it has nothing to undo itself")
		for _, call := range tree[1:] {
			require.Equal(t, "requested", untilState(t, client, call.ID, sendoff.StateCanceled).Reason)
		}
		require.EqualValues(t, 2, one.undone.Load()+two.undone.Load())

		id = submitFunction(t, client, "group", 0)
		tree = untilTree(t, client, id, 4)
		for _, call := range tree[1:] {
			if call.Function == "fails" {
				_, err = client.Tasks.Cancel(t.Context(), call.ID)
				require.NoError(t, err)
			}
		}
		untilState(t, client, id, sendoff.StateFailed)
		for _, call := range tree[1:] {
			untilState(t, client, call.ID, sendoff.StateCanceled)
		}
		require.EqualValues(t, 4, one.undone.Load()+two.undone.Load())
	})
}

// untilTree waits until all of a tree wait.
func untilTree(t *testing.T, c *sendoff.Client, id string, size int) (tree []sendoff.Task) {
	t.Helper()
	require.Eventually(t, func() bool {
		tree, _ = c.Tasks.Tree(t.Context(), id)
		for _, call := range tree {
			if call.State != sendoff.StateSuspended && call.Reason != "canceling" {
				return false
			}
		}
		return len(tree) == size
	}, 20*time.Second, 10*time.Millisecond)
	return tree
}
