package operate

import (
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Task is a task as it is shown.
type Task struct {
	store.Row
	Spec  *task.Spec
	Queue string

	EarlierRun bool // in a tree: its caller made it before it was begun again
}

// PublicID is the id the task goes by outside.
func (t *Task) PublicID() string { return t.Spec.PublicID(t.ID) }

// Attempts is how many attempts of this run were spent or are under way.
func (t *Task) Attempts() int32 {
	if t.State == task.Running || t.State == task.Succeeded {
		return t.Failures + 1
	}
	return t.Failures
}

func view(row store.Row, lanes Lanes) Task {
	spec, err := task.DecodeSpec(row.Spec)
	if err != nil {
		spec = &task.Spec{Kind: row.Kind}
	}
	if row.Flags&store.FlagCanceling != 0 && !row.State.Final() {
		row.Reason = task.Canceling
	}
	return Task{Row: row, Spec: spec, Queue: lanes.ByID(row.Lane).Queue}
}
