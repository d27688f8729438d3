package operate

import (
	"context"
	"time"

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
func (f *Functions) Tree(ctx context.Context, id string) (Tree, error) {
	top, err := f.tasks.Get(ctx, id)
	if err != nil {
		return Tree{}, err
	}
	done, err := f.tasks.heavy.begin(ctx)
	if err != nil {
		return Tree{}, err
	}
	defer done()
	rows, truncated, err := f.tasks.below(ctx, &top.Row)
	if err != nil {
		return Tree{}, err
	}
	tree := Tree{Tasks: []Task{top}, Truncated: truncated}
	for _, row := range rows {
		tree.Tasks = append(tree.Tasks, view(row, f.tasks.cfg.Lanes))
	}
	return tree, f.markEarlier(ctx, tree.Tasks)
}

// maxBegunAgain is how many functions of a tree are asked where they stand.
const maxBegunAgain = 100

// markEarlier marks the calls of earlier runs. A function that was begun again makes
// its calls in a later epoch; the store knows it of one that has made none yet.
func (f *Functions) markEarlier(ctx context.Context, tasks []Task) error {
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
		r, err := f.store.Resume(ctx, t.ID, 0, 1, 0)
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
func (ts *Tasks) below(ctx context.Context, top *store.Row) (rows []store.Row, truncated bool, err error) {
	root := top.Root
	if root.IsZero() {
		root = top.ID
	}
	calls := map[task.ID][]store.Row{}
	const page = 1000
	after := task.FloorID(time.UnixMicro(top.CreatedAt).Add(-clockSkew))
	for seen := 0; ; seen += page {
		all, err := ts.cfg.Store.Tree(ctx, root, after, page)
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
