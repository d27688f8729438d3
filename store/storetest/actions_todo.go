package storetest

import (
	"slices"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/store"
)

// workOff takes what is due and finishes some of it, and some of what was taken
// before.
func (m *machine) workOff(t *rapid.T) {
	m.takeTodos(rapid.IntRange(1, 3).Draw(t, "limit"))
	var done []store.Todo
	m.todos = slices.DeleteFunc(m.todos, func(todo store.Todo) bool {
		finish := rapid.Bool().Draw(t, "finish")
		if finish && todo.Kind == store.OpenGate {
			m.open(store.Hash(todo.Task))
		} else if finish {
			done = append(done, todo)
		}
		return finish
	})
	m.finishTodos(done)
}

func (m *machine) takeTodos(limit int) []store.Todo {
	got, err := m.real.TakeTodos(ctx, limit, second)
	require.NoError(m.rt, err)
	want, _ := m.oracle.TakeTodos(ctx, limit, second)
	slices.SortFunc(got, byName)
	slices.SortFunc(want, byName)
	m.same("todos", got, want)
	m.todos = append(m.todos, got...)
	m.saw("todo:" + map[bool]string{true: "taken", false: "none"}[len(got) > 0])
	return got
}

func (m *machine) finishTodos(done []store.Todo) {
	before := len(m.oracle.todos)
	require.NoError(m.rt, m.real.FinishTodos(ctx, done))
	_ = m.oracle.FinishTodos(ctx, done)
	if len(m.oracle.todos) < before {
		m.saw("todo:finished")
	}
}
