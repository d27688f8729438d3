package operate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// MaxTree is how many tasks of a tree are looked at.
const MaxTree = 100_000

// Tree is a task with the calls that were made for it.
type Tree struct {
	Tasks     []Task // the task itself first, callers before their calls
	Truncated bool   // the tree has more than MaxTree tasks
}

// Tree returns a task and all calls below it. store.ErrNotFound, ErrBusy.
func (o *Operator) Tree(ctx context.Context, id string) (Tree, error) {
	top, err := o.Get(ctx, id)
	if err != nil {
		return Tree{}, err
	}
	done, err := o.heavy(ctx)
	if err != nil {
		return Tree{}, err
	}
	defer done()
	rows, truncated, err := o.below(ctx, &top.Row)
	if err != nil {
		return Tree{}, err
	}
	tree := Tree{Tasks: []Task{top}, Truncated: truncated}
	for _, row := range rows {
		tree.Tasks = append(tree.Tasks, o.view(row))
	}
	return tree, o.markEarlier(ctx, tree.Tasks)
}

// maxBegunAgain is how many functions of a tree are asked where they stand.
const maxBegunAgain = 100

// markEarlier marks the calls of earlier runs. A function that was begun again makes
// its calls in a later epoch; the store knows it of one that has made none yet.
func (o *Operator) markEarlier(ctx context.Context, tasks []Task) error {
	epochs, asked := map[task.ID]int32{}, 0
	for i := range tasks {
		t := &tasks[i]
		if t.Kind != task.Function || t.Run == 1 {
			continue
		}
		epochs[t.ID] = 0
		if t.State.Final() || asked == maxBegunAgain {
			continue
		}
		asked++
		r, err := o.cfg.Store.Resume(ctx, t.ID, 0, 1, 0)
		if err != nil {
			return err
		}
		epochs[t.ID] = r.Epoch
	}
	if len(epochs) == 0 {
		return nil
	}
	for i := range tasks {
		if epoch, again := epochs[tasks[i].Parent]; again {
			epochs[tasks[i].Parent] = max(epoch, tasks[i].Epoch)
		}
	}
	for i := range tasks {
		epoch, again := epochs[tasks[i].Parent]
		tasks[i].EarlierRun = again && tasks[i].Epoch < epoch
	}
	return nil
}

// below lists the calls that were made for a task, callers before their calls. A
// call is younger than its caller, but for what the clocks of nodes differ.
func (o *Operator) below(ctx context.Context, top *store.Row) (rows []store.Row, truncated bool, err error) {
	root := top.Root
	if root.IsZero() {
		root = top.ID
	}
	calls := map[task.ID][]store.Row{}
	const page = 1000
	after := task.FloorID(time.UnixMicro(top.CreatedAt).Add(-clockSkew))
	for seen := 0; ; seen += page {
		all, err := o.cfg.Store.Tree(ctx, root, after, page)
		if err != nil {
			return nil, false, err
		}
		for _, row := range all {
			calls[row.Parent] = append(calls[row.Parent], row)
		}
		if truncated = len(all) == page && seen >= MaxTree; len(all) < page || truncated {
			break
		}
		after = all[page-1].ID
	}
	rows = calls[top.ID]
	for i := 0; i < len(rows); i++ {
		rows = append(rows, calls[rows[i].ID]...)
	}
	return rows, truncated, nil
}

// clockSkew is how far the clocks of nodes, which make the ids, may be apart.
const clockSkew = time.Minute

// Restart begins a function again from its input, whatever its state, and
// cancels the calls that were made for it. store.ErrNotFound,
// store.ErrNotFunction.
func (o *Operator) Restart(ctx context.Context, id string) (Task, error) {
	return o.step(ctx, id, func(id task.ID) error {
		woken, err := o.cfg.Store.Restart(ctx, id)
		if err != nil {
			return err
		}
		o.cfg.Stopped(id)
		o.wake(woken)
		return o.CancelStale(ctx, id)
	})
}

// Signal gives a message to a function that has not ended. task.Invalid for its
// name, store.ErrNotFound, store.ErrFinal, store.ErrNotFunction.
func (o *Operator) Signal(ctx context.Context, id, name string, value []byte) error {
	var bad task.Invalid
	bad.CheckName("name", name, task.MaxSignalName)
	if err := bad.Err(); err != nil {
		return err
	}
	found, err := o.Resolve(ctx, id)
	if err != nil {
		return err
	}
	woken, err := o.cfg.Store.Signal(ctx, found, name, value)
	o.wake(woken)
	o.Told(found)
	return named(id, err)
}

// CancelCalls cancels calls of a function with all that was called for them:
// those with the given correlations, or all.
func (o *Operator) CancelCalls(ctx context.Context, parent task.ID, correlations []uint64, all bool) error {
	wanted := map[uint64]bool{}
	for _, c := range correlations {
		wanted[c] = true
	}
	return o.cancelBelow(ctx, parent, func(row *store.Row) bool {
		return row.Parent != parent || row.Flags&store.FlagParent != 0 && (all || wanted[row.Correlation])
	})
}

// CancelStale cancels the calls that a function made before it was restarted.
func (o *Operator) CancelStale(ctx context.Context, parent task.ID) error {
	r, err := o.cfg.Store.Resume(ctx, parent, 0, 1, 0)
	if err != nil {
		return err
	}
	return o.cancelBelow(ctx, parent, func(row *store.Row) bool {
		return row.Parent != parent || row.Flags&store.FlagParent != 0 && row.Epoch < r.Epoch
	})
}

// cancelBelow cancels the calls below a task that match, callers before their
// calls, so that none is resumed by the end of what it called. Those below a call
// that does not match are left alone. A call that is just being made is found in
// another pass.
func (o *Operator) cancelBelow(ctx context.Context, top task.ID, match func(*store.Row) bool) error {
	for range 5 {
		rows, err := o.cfg.Store.Rows(ctx, []task.ID{top})
		if err != nil || len(rows) == 0 || rows[0].Kind != task.Function {
			return err
		}
		calls, truncated, err := o.below(ctx, &rows[0])
		if err != nil {
			return err
		}
		open := unfinished(calls, top, match)
		if len(open) == 0 && truncated {
			return fmt.Errorf("the tree of %s has more than %d calls: those beyond were not looked at", top, MaxTree)
		}
		if len(open) == 0 {
			return nil
		}
		for _, generation := range open {
			if err := o.cancelAll(ctx, generation); err != nil {
				return err
			}
		}
	}
	return nil
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

func (o *Operator) cancelAll(ctx context.Context, ids []task.ID) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(64)
	for _, id := range ids {
		g.Go(func() error {
			err := o.undo(ctx, id)
			if errors.Is(err, store.ErrNothingToUndo) {
				err = o.cancel(ctx, id)
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
func (o *Operator) undo(ctx context.Context, id task.ID) error {
	woken, err := o.cfg.Store.Undo(ctx, id, task.UndoTime.Microseconds())
	o.wake(woken)
	return err
}

// cancel ends one task.
func (o *Operator) cancel(ctx context.Context, id task.ID) error {
	woken, err := o.cfg.Store.Cancel(ctx, id)
	if err != nil {
		return err
	}
	o.wake(woken)
	o.cfg.Stopped(id)
	o.Ended(id)
	return nil
}
