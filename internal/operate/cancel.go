package operate

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Cancel ends a task and stops its attempt; with a function go the calls that
// were made for it. A function that has something to undo does that first, for at
// most task.UndoTime, and its calls end with it. It may be repeated: nothing happens
// while a function does that. store.ErrNotFound, store.ErrFinal.
func (ts *Tasks) Cancel(ctx context.Context, id string) (Task, error) {
	return ts.step(ctx, id, func(id task.ID) error {
		switch err := ts.undo(ctx, id); {
		case errors.Is(err, store.ErrCanceling):
			return nil
		case errors.Is(err, store.ErrNothingToUndo), errors.Is(err, store.ErrFinal):
			return ts.end(ctx, id)
		default:
			return err
		}
	})
}

// CancelNow is Cancel, and nothing of what there is to undo is undone, but what was
// called undoes its own.
func (ts *Tasks) CancelNow(ctx context.Context, id string) (Task, error) {
	return ts.step(ctx, id, func(id task.ID) error { return ts.end(ctx, id) })
}

// end cancels a task with the calls that were made for it.
func (ts *Tasks) end(ctx context.Context, id task.ID) error {
	if err := ts.cancel(ctx, id, store.WithCalls); err != nil {
		return err
	}
	defer ts.cfg.Left(id)
	_, err := ts.cancelBelow(ctx, id, func(row *store.Row) bool { return row.Parent != id || row.Flags&store.FlagParent != 0 })
	return err
}

// cancelStale cancels the calls that a function made before it was restarted.
func (ts *Tasks) cancelStale(ctx context.Context, id task.ID) error {
	defer ts.cfg.Left(id)
	r, err := ts.cfg.Store.Resume(ctx, id, 0, 1, 0)
	if err != nil {
		return err
	}
	_, err = ts.cancelBelow(ctx, id, func(row *store.Row) bool {
		return row.Parent != id || row.Flags&store.FlagParent != 0 && row.Epoch < r.Epoch
	})
	return err
}

// WorkOff does what a step has left to do, perhaps once more. ErrTooManyCalls when
// that is not possible.
func (ts *Tasks) WorkOff(ctx context.Context, t store.Todo) error {
	if t.Kind != store.CancelCalls {
		return fmt.Errorf("a newer version has to do it: todo of kind %d", t.Kind)
	}
	done, err := ts.cancelBelow(ctx, t.Task, func(row *store.Row) bool { return row.Parent != t.Task || t.Matches(row) })
	if err == nil && !done {
		err = errors.New("calls are still being made")
	}
	return err
}

// ErrTooManyCalls says that some of the calls below a task were not looked at.
var ErrTooManyCalls = fmt.Errorf("its tree has more than %d calls: those beyond were not looked at", MaxTree)

// cancelBelow cancels the calls below a task that match, callers before their
// calls, so that none is resumed by the end of what it called. Those below a call
// that does not match are left alone. A call that is just being made is found in
// another pass.
func (ts *Tasks) cancelBelow(ctx context.Context, top task.ID, match func(*store.Row) bool) (done bool, err error) {
	for range 5 {
		rows, err := ts.cfg.Store.Rows(ctx, []task.ID{top})
		if err != nil || len(rows) == 0 || rows[0].Kind != task.Function {
			return true, err
		}
		calls, truncated, err := ts.below(ctx, &rows[0])
		if err != nil {
			return false, err
		}
		open := unfinished(calls, top, match)
		if len(open) == 0 && truncated {
			return false, fmt.Errorf("task %s: %w", top, ErrTooManyCalls)
		}
		if len(open) == 0 {
			return true, nil
		}
		for _, generation := range open {
			if err := ts.cancelAll(ctx, generation); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

// unfinished picks the calls that are to be canceled, by how far they are below the
// top. It gets callers before their calls.
func unfinished(calls []store.Row, top task.ID, match func(*store.Row) bool) (generations [][]task.ID) {
	depth := map[task.ID]int{top: 0}
	for i := range calls {
		row := &calls[i]
		detached := row.Flags&store.FlagParent == 0 && !row.State.Final()
		above, family := depth[row.Parent]
		if !family || detached || !match(row) {
			continue
		}
		if row.State.Final() || row.Flags&store.FlagUndo == 0 { // the calls of one that undoes end with it
			depth[row.ID] = above + 1
		}
		if row.State.Final() || row.Flags&store.FlagCanceling != 0 {
			continue
		}
		for len(generations) <= above {
			generations = append(generations, nil)
		}
		generations[above] = append(generations[above], row.ID)
	}
	return generations
}

func (ts *Tasks) cancelAll(ctx context.Context, ids []task.ID) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(64)
	for _, id := range ids {
		g.Go(func() error {
			err := ts.undo(ctx, id)
			if errors.Is(err, store.ErrNothingToUndo) {
				err = ts.cancel(ctx, id, store.Alone) // what it called is canceled here as well
			}
			if errors.Is(err, store.ErrFinal) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrCanceling) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("cancel %s: %w", id, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// undo has a function that is canceled undo what it did. store.ErrNothingToUndo when
// it can be canceled at once, store.ErrCanceling when it does that already.
func (ts *Tasks) undo(ctx context.Context, id task.ID) error {
	woken, err := ts.cfg.Store.Undo(ctx, id, task.UndoTime.Microseconds())
	ts.wake(woken)
	return err
}

// cancel ends one task.
func (ts *Tasks) cancel(ctx context.Context, id task.ID, reach store.Reach) error {
	woken, err := ts.cfg.Store.Cancel(ctx, id, reach)
	if err != nil {
		return err
	}
	ts.wake(woken)
	ts.cfg.Stopped(id)
	ts.Ended(id)
	return nil
}
