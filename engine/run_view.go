package engine

import (
	"context"

	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/task"
)

// Task is a task as an Operator shows it.
type Task = operate.Task

// Rows reads tasks again by their ids, in no order; those that are gone are left
// out. It is for a view that follows many tasks: an Operator reads one by one.
func (e *Engine) Rows(ctx context.Context, ids []task.ID) ([]Task, error) {
	rows, err := e.store.Rows(ctx, ids)
	if err != nil {
		return nil, err
	}
	tasks := make([]Task, len(rows))
	for i := range rows {
		spec, err := task.DecodeSpec(rows[i].Spec)
		if err != nil {
			spec = &task.Spec{Kind: rows[i].Kind}
		}
		tasks[i] = Task{Row: rows[i], Spec: spec, Queue: e.catalog.ByID(rows[i].Lane).Queue}
	}
	return tasks, nil
}
