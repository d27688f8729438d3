package storetest

import (
	"cmp"
	"context"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func (o *Oracle) Detach(_ context.Context, h store.Held, within int64) (int64, error) {
	row := o.tasks[h.ID]
	switch {
	case row == nil || row.State != task.Running || row.Token != h.Token:
		return 0, store.ErrLeaseLost
	case !row.Detached():
		row.Node = task.ID{}
		o.later(row, task.Running, task.Acknowledging, o.Clock()+within)
	}
	return row.At, nil
}

func (o *Oracle) Extend(_ context.Context, h store.Held, within int64) (int64, error) {
	row := o.tasks[h.ID]
	if row == nil || !row.Detached() || row.Token != h.Token {
		return 0, store.ErrLeaseLost
	}
	o.later(row, task.Running, task.Acknowledging, o.Clock()+within)
	return row.At, nil
}

func (o *Oracle) Attach(_ context.Context, a store.Attach) (store.Row, error) {
	row := o.tasks[a.ID]
	switch {
	case row == nil || !row.Detached() || row.Token != a.Token || a.Overdue && row.At > o.Clock():
		return store.Row{}, store.ErrLeaseLost
	case !o.alive(a.Node):
		return store.Row{}, store.ErrNodeLost
	}
	delete(o.timers, a.ID)
	row.Reason, row.Node, row.At = task.NoReason, a.Node, o.Clock()
	o.claims[a.Claim] = store.ClaimEntry{ID: a.Claim, Node: a.Node, At: o.Clock(), Tasks: []task.ID{a.ID}}
	return *row, nil
}

func (o *Oracle) Overdue(_ context.Context, limit int) ([]store.Held, error) {
	var held []store.Held
	for _, e := range sortedTimers(o.timers) {
		if row := o.tasks[e.ID]; row.Detached() && row.At <= o.Clock() {
			held = append(held, store.Held{ID: row.ID, Token: row.Token})
		}
	}
	return held[:min(len(held), limit)], nil
}

// started are the claims, and what runs in none of them, each as a claim of its own.
func (o *Oracle) started() []store.ClaimEntry {
	claims := o.sortedClaims()
	for _, row := range o.tasks {
		if row.Detached() {
			claims = append(claims, store.ClaimEntry{At: row.LastStarted, Tasks: []task.ID{row.ID}})
		}
	}
	slices.SortStableFunc(claims, func(a, b store.ClaimEntry) int { return cmp.Compare(a.At, b.At) })
	return claims
}

// waitingTimers are those that are no deadlines of what runs.
func (o *Oracle) waitingTimers() []store.TimerEntry {
	return slices.DeleteFunc(sortedTimers(o.timers), func(e store.TimerEntry) bool { return o.tasks[e.ID].Detached() })
}
