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
	Tasks      []WaitedFor // that have to end first, oldest first; at most 20 of them
	Signals    []string    // that a function waits for, as far as its SDK tells
	Nodes      []string    // of WaitNoNode: names of the nodes that are alive
	Actions    []string    // what can be done about it: ids of operations of the HTTP API
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
	for _, t := range w.Tasks {
		v.Tasks = append(v.Tasks, WaitedFor(t))
	}
	for _, help := range w.Help {
		v.Actions = append(v.Actions, string(help))
	}
	return v
}
