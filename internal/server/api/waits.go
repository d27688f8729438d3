package api

import (
	"context"

	"github.com/sendoff-dev/sendoff/internal/operate"
)

// Waits tells what tasks wait for.
type Waits interface {
	For(ctx context.Context, t *operate.Task) (*operate.Waiting, error)
	Dependencies(ctx context.Context, id, cursor string, limit int) (operate.DependencyPage, error)
}

// Waiting is what a task waits for, in an answer.
type Waiting struct {
	Cause      string      `json:"cause" enum:"due,paused,no_node,line,queue_limit,limit,order,duplicate,dependencies,endpoint,mismatch,calls,timer,signal" doc:"The first thing that has to happen."`
	Text       string      `json:"text" doc:"For people, in one line; its words may change."`
	Since      string      `json:"since,omitempty" doc:"When it began to wait for that."`
	Until      string      `json:"until,omitempty" doc:"When that ends by itself, or is looked at again."`
	Ahead      *int        `json:"ahead,omitempty" doc:"Of line: ready tasks of its queue that are before it; of limit, order and duplicate: tasks that are before it in line there. Counted up to 10,000."`
	AheadExact *bool       `json:"ahead_exact,omitempty" doc:"False when there are more than ahead says."`
	Limit      *LimitUse   `json:"limit,omitempty" doc:"Of queue_limit, limit, order and duplicate: what it waits for."`
	Holders    []string    `json:"holders,omitempty" doc:"Of queue_limit: tasks that run. Of limit, order and duplicate: tasks that have a place, as far as they are among the 500 latest of their state. Up to 20."`
	Tasks      []WaitedFor `json:"tasks,omitempty" doc:"Tasks that have to end first, oldest first; at most 20 of them."`
	Signals    []string    `json:"signals,omitempty" doc:"Names of the signals that a function waits for, as far as its SDK tells."`
	Nodes      []string    `json:"nodes,omitempty" doc:"Of no_node: names of the nodes that are alive."`
	Actions    []string    `json:"actions" doc:"What can be done about it: ids of operations."`
}

// LimitUse is how much of what tasks share is taken.
type LimitUse struct {
	Key     string `json:"key,omitempty" doc:"Of the limit, the order or the duplicates; absent for duplicates by target and payload."`
	Used    int32  `json:"used"`
	Allowed int32  `json:"allowed,omitempty" doc:"Absent when there may be any number, as under a rate alone."`
}

// WaitedFor is a task that another one waits for.
type WaitedFor struct {
	ID    string `json:"id"`
	State string `json:"state"`
}

func waitingView(w *operate.Waiting) *Waiting {
	if w == nil {
		return nil
	}
	v := &Waiting{
		Cause: string(w.Cause), Text: w.Text, Since: timeText(w.Since), Until: timeText(w.Until), Signals: w.Signals, Nodes: w.Nodes,
		Actions: make([]string, len(w.Help)),
	}
	if w.Ahead != nil {
		v.Ahead, v.AheadExact = &w.Ahead.N, &w.Ahead.Exact
	}
	v.Holders = w.Holders
	if w.Limit != nil {
		v.Limit = &LimitUse{Key: w.Limit.Key, Used: w.Limit.Used, Allowed: w.Limit.Allowed}
	}
	for _, t := range w.Tasks {
		v.Tasks = append(v.Tasks, WaitedFor{ID: t.ID, State: t.State.String()})
	}
	for i, help := range w.Help {
		v.Actions[i] = string(help)
	}
	return v
}
