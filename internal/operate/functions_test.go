package operate

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/journal"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func function(name string) task.Spec { return task.Spec{Kind: task.Function, Function: name} }

// family is a function with calls of two generations, and one that nobody waits for.
func (r *rig) family(t *testing.T) map[string]string {
	f := map[string]string{"top": r.insert(t, "q", function("top"))}
	f["call"] = r.insert(t, "q", function("call"), below(t, f["top"], true))
	f["detached"] = r.insert(t, "q", function("detached"), below(t, f["top"], false))
	f["grandchild"] = r.insert(t, "q", function("grandchild"), func(n *store.NewTask) { n.Root = parsed(t, f["top"]) }, below(t, f["call"], true))
	return f
}

func TestATreeHasCallersBeforeTheirCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		f := r.family(t)
		tree, err := r.functions.Tree(t.Context(), f["top"])
		require.NoError(t, err)
		require.False(t, tree.Truncated)
		var names []string
		for _, item := range tree.Tasks {
			names = append(names, item.Spec.Function)
		}
		require.Equal(t, []string{"top", "call", "detached", "grandchild"}, names)
		tree, err = r.functions.Tree(t.Context(), f["call"])
		require.NoError(t, err)
		require.Len(t, tree.Tasks, 2, "only what is below")
		_, err = r.functions.Tree(t.Context(), "nobody")
		require.ErrorIs(t, err, store.ErrNotFound)
	})
}

func TestACancelGoesDownTheTreeAndLeavesWhatNobodyWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		f := r.family(t)
		_, err := r.tasks.Cancel(t.Context(), f["top"])
		require.NoError(t, err)
		for name, want := range map[string]task.State{"top": task.Canceled, "call": task.Canceled, "grandchild": task.Canceled, "detached": task.Ready} {
			got, err := r.tasks.Get(t.Context(), f[name])
			require.NoError(t, err)
			require.Equal(t, want, got.State, name)
		}
		require.Equal(t, []task.ID{parsed(t, f["top"]), parsed(t, f["call"]), parsed(t, f["grandchild"])}, r.stopped, "callers before their calls")
		require.Contains(t, r.left, parsed(t, f["top"]), "what the request does not come to is done behind it")
	})
}

func TestARestartBeginsAnewAndCancelsWhatWasCalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		f := r.family(t)
		got, err := r.functions.Restart(t.Context(), f["top"])
		require.NoError(t, err)
		require.EqualValues(t, 2, got.Run)
		call, err := r.tasks.Get(t.Context(), f["call"])
		require.NoError(t, err)
		require.Equal(t, task.Canceled, call.State)
		tree, err := r.functions.Tree(t.Context(), f["top"])
		require.NoError(t, err)
		require.True(t, tree.Tasks[1].EarlierRun, "its result goes nowhere")
		_, err = r.functions.Restart(t.Context(), r.insert(t, "q", task.Spec{}))
		require.ErrorIs(t, err, store.ErrNotFunction)
	})
}

func TestASignalSaysWhomItCannotReach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ctx := t.Context()
		id := r.insert(t, "q", function("f"))
		require.NoError(t, r.functions.Signal(ctx, id, "go", nil))
		require.ErrorContains(t, r.functions.Signal(ctx, id, "", nil), "name")
		require.ErrorIs(t, r.functions.Signal(ctx, "nobody", "go", nil), store.ErrNotFound)
		require.ErrorIs(t, r.functions.Signal(ctx, r.insert(t, "q", task.Spec{}), "go", nil), store.ErrNotFunction)
		_, err := r.tasks.Cancel(ctx, id)
		require.NoError(t, err)
		require.ErrorIs(t, r.functions.Signal(ctx, id, "go", nil), store.ErrFinal)
	})
}

func TestAFunctionHearsWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		id := r.insert(t, "q", function("f"))
		c := r.claim(t, id)
		run := store.Held{ID: c.ID, Token: c.Token}
		began := time.Now()
		got, err := r.functions.Receive(t.Context(), run, 0, time.Minute)
		require.NoError(t, err)
		require.Empty(t, got.Messages)
		require.Equal(t, time.Minute, time.Since(began))

		for name, send := range map[string]func() error{
			"here":            func() error { return r.functions.Signal(t.Context(), id, "s", []byte("v")) },
			"by another node": func() error { _, err := r.Shared.Signal(t.Context(), c.ID, "s", []byte("v")); return err },
		} {
			sent := make(chan error, 1)
			go func() {
				time.Sleep(2500 * time.Millisecond)
				sent <- send()
			}()
			began, after := time.Now(), int64(0)
			if had, err := r.functions.Receive(t.Context(), run, 0, 0); err == nil && len(had.Messages) > 0 {
				after = had.Messages[len(had.Messages)-1].Seq
			}
			got, err := r.functions.Receive(t.Context(), run, after, time.Minute)
			require.NoError(t, err)
			require.NoError(t, <-sent)
			require.Len(t, got.Messages, 1)
			require.LessOrEqual(t, time.Since(began), 2500*time.Millisecond+receiveEvery, name)
		}
		_, err = r.tasks.CancelNow(t.Context(), id)
		require.NoError(t, err)
		_, err = r.functions.Receive(t.Context(), run, 1000, time.Minute)
		require.ErrorIs(t, err, store.ErrLeaseLost)
	})
}

func TestStepsAreThoseOfTheJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ctx := t.Context()
		id := r.insert(t, "q", function("f"))
		page, err := r.functions.Steps(ctx, id, StepQuery{})
		require.NoError(t, err)
		require.Contains(t, page.Note, "not started yet")
		_, err = r.functions.Steps(ctx, r.insert(t, "q", task.Spec{}), StepQuery{})
		require.ErrorIs(t, err, store.ErrNotFunction)

		c := r.claim(t, id)
		var w journal.Writer
		w.Add(&journal.Entry{Kind: journal.Header, Name: "f", Version: journal.Newest, Generation: 7})
		for n := range uint64(3) {
			w.Add(&journal.Entry{Kind: journal.Command, Op: journal.OpStep, Name: "step", Ordinal: n, Count: 1})
		}
		w.Add(&journal.Entry{Kind: journal.Done, Ordinal: 0})
		errs, err := r.Append(ctx, []store.Checkpoint{{ID: c.ID, Token: c.Token, Segment: task.Segment{Bytes: w.Take(w.Pending())}}})
		require.NoError(t, err)
		require.NoError(t, errs[0])
		var states []StepState
		q := StepQuery{Limit: 1, Newest: true}
		for {
			page, err = r.functions.Steps(ctx, id, q)
			require.NoError(t, err)
			require.Equal(t, map[StepState]int{StepSucceeded: 1, StepRunning: 2}, page.Counts)
			for _, s := range page.Items {
				states = append(states, s.State)
			}
			if q.Cursor = page.Next; page.Next == "" {
				break
			}
		}
		require.Equal(t, []StepState{StepRunning, StepRunning, StepSucceeded}, states)
		_, err = r.functions.Steps(ctx, id, StepQuery{Cursor: "x"})
		require.ErrorIs(t, err, ErrBadCursor)
		_, err = r.functions.Steps(ctx, id, StepQuery{Cursor: stepCursor(6, 1)})
		require.ErrorIs(t, err, ErrOtherJournal)
	})
}
