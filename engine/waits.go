package engine

import (
	"context"
	"time"

	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/task"
)

// Waiting is what a task waits for: the first thing that has to happen. A field that
// does not belong to its Cause is zero.
type Waiting struct {
	Cause      task.WaitCause
	Text       string      // for people, in a line
	Since      time.Time   // when it began to wait for that
	Until      time.Time   // when that ends by itself, or is looked at again
	Ahead      int         // of WaitLine: ready tasks of its queue that are before it, counted up to 10,000
	AheadExact bool        // of WaitLine: Ahead is all of them
	Limit      *LimitUse   // of WaitLimit, WaitOrder, WaitDuplicate: what it waits for
	Holders    []string    // of those: the task that entered last, while it is there
	Tasks      []WaitedFor // that have to end first, oldest first; at most 20 of them
	Signals    []string    // that a function waits for, as far as its SDK tells
	Nodes      []string    // of WaitNoNode: names of the nodes that are alive
	Actions    []string    // what can be done about it: ids of operations of the HTTP API
}

// LimitUse is how much of what tasks share is taken.
type LimitUse struct {
	Key     string // of the limit, the order or the duplicates; "" for duplicates by target and payload
	Used    int
	Allowed int // 0 = any number
}

// WaitedFor is a task that another one waits for.
type WaitedFor struct {
	ID    string // that it goes by
	State task.State
}

// WaitingFor tells what a task waits for; nil when it runs or has ended.
// store.ErrNotFound.
func (t *Tasks) WaitingFor(ctx context.Context, id string) (*Waiting, error) {
	found, err := t.tasks.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	w, err := t.waits.For(ctx, &found)
	if err != nil || w == nil {
		return nil, err
	}
	return waitingOf(w), nil
}

func waitingOf(w *operate.Waiting) *Waiting {
	v := &Waiting{Cause: w.Cause, Text: w.Text, Since: timeOf(w.Since), Until: timeOf(w.Until), Signals: w.Signals, Nodes: w.Nodes}
	if w.Ahead != nil {
		v.Ahead, v.AheadExact = w.Ahead.N, w.Ahead.Exact
	}
	v.Holders = w.Holders
	if l := w.Limit; l != nil {
		v.Limit = &LimitUse{Key: l.Key, Used: int(l.Used), Allowed: int(l.Allowed)}
	}
	for _, t := range w.Tasks {
		v.Tasks = append(v.Tasks, WaitedFor(t))
	}
	for _, help := range w.Help {
		v.Actions = append(v.Actions, string(help))
	}
	return v
}

// Dependency is a task that another one depends on.
type Dependency struct {
	ID      string     // that it goes by
	State   task.State // 0 = it is stored no more
	Reason  task.Reason
	Counts  task.End // how it has ended, for the one that depends on it
	Attempt *Attempt // its last attempt that has ended, with what came back; nil = none has
}

// DependencyPage is a part of the dependencies of a task.
type DependencyPage struct {
	Items []Dependency
	Next  string // cursor of the next page; "" at the end
}

// Dependencies returns a page of the tasks that a task depends on: limit at most, 0 = 50,
// 100 the most. cursor is the Next of the page before. store.ErrNotFound, ErrBadCursor.
func (t *Tasks) Dependencies(ctx context.Context, id, cursor string, limit int) (DependencyPage, error) {
	page, err := t.waits.Dependencies(ctx, id, cursor, limit)
	out := DependencyPage{Next: page.Next}
	for _, d := range page.Items {
		v := Dependency{ID: d.ID, State: d.State, Reason: d.Reason, Counts: d.Counts}
		if d.Answer != nil {
			a := attemptOf(d.Answer)
			v.Attempt = &a
		}
		out.Items = append(out.Items, v)
	}
	return out, err
}

// RetryFollowers is Retry, and those that were canceled because the task did not succeed
// wait for it again. store.ErrNotFound, store.ErrNotFinal, store.ErrKeyHeld.
func (t *Tasks) RetryFollowers(ctx context.Context, id string) (TaskInfo, error) {
	return shown(t.tasks.RetryFollowers(ctx, id))
}

// RunBeyond is RunNow for a task that waits for room as well: it counts beyond what its
// limits allow. store.ErrNotFound, store.ErrRunning, store.ErrFinal, store.ErrUnmet.
func (t *Tasks) RunBeyond(ctx context.Context, id string) (TaskInfo, error) {
	return shown(t.tasks.RunBeyond(ctx, id))
}
