package storetest

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// actions is what store.Actions keeps.
type actions struct {
	actions map[task.ID]store.Action
	items   map[task.ID][]store.ActionItem
}

func newActions() actions {
	return actions{map[task.ID]store.Action{}, map[task.ID][]store.ActionItem{}}
}

// PutAction implements store.Actions.
func (o *Oracle) PutAction(_ context.Context, a store.Action) error {
	a.CreatedAt = o.Clock()
	o.actions.actions[a.ID] = a
	return nil
}

// Action implements store.Actions.
func (o *Oracle) Action(_ context.Context, id task.ID) (store.Action, error) {
	if a, ok := o.actions.actions[id]; ok {
		return a, nil
	}
	return store.Action{}, store.ErrNotFound
}

// ListActions implements store.Actions.
func (o *Oracle) ListActions(_ context.Context, ns int32, before task.ID, limit int) (list []store.Action, _ error) {
	for _, a := range o.actions.actions {
		if a.Namespace == ns && (before.IsZero() || bytes.Compare(a.ID[:], before[:]) < 0) {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b store.Action) int { return bytes.Compare(b.ID[:], a.ID[:]) })
	return list[:min(limit, len(list))], nil
}

// SteerAction implements store.Actions.
func (o *Oracle) SteerAction(_ context.Context, ns int32, id task.ID, to store.ActionState) error {
	a, ok := o.actions.actions[id]
	switch {
	case !ok || a.Namespace != ns:
		return store.ErrNotFound
	case !a.State.CanBecome(to):
		return store.ErrActionState
	}
	a.State, a.Until = to, 0
	if to == store.ActionAborted {
		a.FinishedAt = o.Clock()
	}
	o.actions.actions[id] = a
	return nil
}

// TakeActions implements store.Actions.
func (o *Oracle) TakeActions(_ context.Context, lease int64, limit int) ([]store.Action, error) {
	due := slices.SortedFunc(maps.Values(o.actions.actions), func(a, b store.Action) int {
		return cmp.Or(cmp.Compare(a.Until, b.Until), bytes.Compare(a.ID[:], b.ID[:]))
	})
	due = slices.DeleteFunc(due, func(a store.Action) bool { return !a.State.Open() || a.Until > o.Clock() })
	due = due[:min(limit, len(due))]
	for i := range due {
		due[i].Fence++
		due[i].Until = o.Clock() + lease
		o.actions.actions[due[i].ID] = due[i]
	}
	return due, nil
}

// StepAction implements store.Actions.
func (o *Oracle) StepAction(ctx context.Context, s store.ActionStep) (woken []store.Woken, _ error) {
	a, ok := o.actions.actions[s.ID]
	if !ok || a.Fence != s.Fence || !a.State.Open() {
		return nil, store.ErrNotYours
	}
	errs := make([]error, len(s.Tasks))
	for i := range s.Tasks {
		var w []store.Woken
		w, errs[i] = o.actOn(ctx, s.Verb, &s.Tasks[i], s.Change(i))
		for _, w := range w {
			woken = store.Collect(woken, w)
		}
	}
	r := s.Report(errs)
	a.State, a.Progress, a.Until = r.State, r.Progress, o.Clock()+s.Lease
	if !r.State.Open() {
		a.FinishedAt = o.Clock()
	}
	a.Items += int64(len(r.Items))
	o.actions.items[a.ID] = append(o.actions.items[a.ID], r.Items...)
	o.actions.actions[a.ID] = a
	return woken, nil
}

func (o *Oracle) actOn(ctx context.Context, v store.Verb, seen *store.Row, c *store.Change) ([]store.Woken, error) {
	row := o.tasks[seen.ID]
	switch {
	case row == nil:
		return nil, store.ErrNotFound
	case !row.SameLife(seen):
		return nil, store.ErrChanged
	}
	if err := v.Can(row); err != nil {
		return nil, err
	}
	return v.Do(ctx, o, seen.ID, c)
}

// ActionItems implements store.Actions.
func (o *Oracle) ActionItems(_ context.Context, id task.ID, after int64, limit int) (list []store.ActionItem, _ error) {
	for _, item := range o.actions.items[id] {
		if item.Seq > after && len(list) < limit {
			list = append(list, item)
		}
	}
	return list, nil
}

// DropActions implements store.Actions.
func (o *Oracle) DropActions(_ context.Context, before int64, limit int) (n int, _ error) {
	for _, a := range slices.SortedFunc(maps.Values(o.actions.actions), func(a, b store.Action) int { return bytes.Compare(a.ID[:], b.ID[:]) }) {
		if a.FinishedAt > 0 && a.FinishedAt < before && n < limit {
			delete(o.actions.actions, a.ID)
			delete(o.actions.items, a.ID)
			n++
		}
	}
	return n, nil
}
