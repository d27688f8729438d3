package storetest

import (
	"context"

	"github.com/sendoff-dev/sendoff/store"
)

// GateCounts implements store.Gauges.
func (o *Oracle) GateCounts() store.GateCounts { return o.counts }

// Backlog implements store.Gauges.
func (o *Oracle) Backlog(context.Context) (store.Backlog, error) {
	b := store.Backlog{InLine: int64(len(o.lines)), Leavers: int64(len(o.leavers)), Todos: int64(len(o.todos))}
	for _, l := range o.leavers {
		if row := o.tasks[l.Task]; row != nil && row.FinishedAt != 0 {
			b.FirstLeaver = earlier(b.FirstLeaver, row.FinishedAt)
		}
	}
	for _, t := range o.todos {
		b.FirstTodo = earlier(b.FirstTodo, t.At)
	}
	return b, nil
}

func earlier(first, at int64) int64 {
	if first == 0 {
		return at
	}
	return min(first, at)
}
