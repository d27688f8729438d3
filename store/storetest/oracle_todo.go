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

type todoName struct {
	task  task.ID
	kind  store.TodoKind
	token int64
}

func nameOf(t *store.Todo) todoName { return todoName{t.Task, t.Kind, t.Token} }

func (o *Oracle) leave(t *store.Todo) {
	if t != nil {
		o.todos[nameOf(t)] = *t
	}
}

// leaveCalls leaves the calls of a function to be canceled.
func (o *Oracle) leaveCalls(row *store.Row, reach store.Reach) {
	if w, waited := o.waits[row.ID]; waited && reach == store.WithCalls {
		o.leave(&store.Todo{Kind: store.CancelCalls, Task: row.ID, Token: row.Token, At: o.Clock(), Epoch: w.Epoch})
	}
}

func (o *Oracle) sortedTodos() []store.Todo {
	return slices.SortedFunc(maps.Values(o.todos), func(a, b store.Todo) int {
		return cmp.Or(cmpInt(a.At, b.At), byName(a, b))
	})
}

func byName(a, b store.Todo) int {
	return cmp.Or(bytes.Compare(a.Task[:], b.Task[:]), cmp.Compare(a.Kind, b.Kind), cmpInt(a.Token, b.Token))
}

// TakeTodos implements store.Todos.
func (o *Oracle) TakeTodos(_ context.Context, limit int, putOff int64) ([]store.Todo, error) {
	var due []store.Todo
	for _, t := range o.sortedTodos() {
		if t.At <= o.Clock() && len(due) < limit {
			t.At = o.Clock() + putOff
			o.leave(&t)
			due = append(due, t)
		}
	}
	return due, nil
}

// FinishTodos implements store.Todos.
func (o *Oracle) FinishTodos(_ context.Context, done []store.Todo) error {
	for i := range done {
		if t, there := o.todos[nameOf(&done[i])]; there && bytes.Equal(t.Detail(), done[i].Detail()) {
			delete(o.todos, nameOf(&t))
		}
	}
	return nil
}
