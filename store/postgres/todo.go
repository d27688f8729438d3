package postgres

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// leave has a todo written with the rest.
func (f *family) leave(t *store.Todo) {
	if t != nil {
		f.left = append(f.left, t)
	}
}

// leaveCalls leaves the calls of a function to be canceled. token is that of the task
// before the step.
func (f *family) leaveCalls(m *member, token int64, reach store.Reach) {
	if reach == store.WithCalls && m != nil && m.has {
		f.leave(&store.Todo{Kind: store.CancelCalls, Task: m.id, Token: token, At: f.now, Epoch: m.wait.Epoch})
	}
}

const leaveSQL = `
insert into sendoff.todo (task, kind, token, at, detail) select * from unnest($1, $2, $3, $4, $5)
on conflict (task, kind, token) do update set at = excluded.at, detail = excluded.detail`

// todos write what is left to be done, in place of what had the same name.
func (f *family) todos() []*stmt { return leaveTodos(f.left) }

func leaveTodos(left []*store.Todo) []*stmt {
	n := len(left)
	if n == 0 {
		return nil
	}
	return []*stmt{bindTodos(query(leaveSQL), left).
		i8s(n, func(i int) int64 { return left[i].At }).
		blobs(n, func(i int) []byte { return left[i].Detail() })}
}

// bindTodos binds the names.
func bindTodos(q *stmt, list []*store.Todo) *stmt {
	n := len(list)
	return q.ids(n, func(i int) task.ID { return list[i].Task }).
		i2s(n, func(i int) int16 { return int16(list[i].Kind) }).
		i8s(n, func(i int) int64 { return list[i].Token })
}

const todoColumns = ` task, kind, token, at, detail `

func readTodo(r *wireRow) store.Todo {
	t := store.Todo{Task: r.id(), Kind: store.TodoKind(r.i2()), Token: r.i8(), At: r.i8()}
	if err := t.SetDetail(r.bytes()); err != nil && r.err == nil {
		r.err = err
	}
	return t
}

// takeTodosSQL puts off the first ones by their physical place, which one ordered
// index scan finds.
const takeTodosSQL = `
with l as materialized (
 select ctid from sendoff.todo where at <= $1 order by at, task, kind, token limit $2 for update skip locked)
update sendoff.todo d set at = $1 + $3 from l where d.ctid = l.ctid returning d.task, d.kind, d.token, d.at, d.detail`

func takeTodos(now int64, limit int, putOff int64, each func(store.Todo)) *stmt {
	return query(takeTodosSQL).i8(now).i8(int64(limit)).i8(putOff).rows(func(r *wireRow) { each(readTodo(r)) })
}

// TakeTodos takes what is due; see store.Todos.
func (s *Store) TakeTodos(ctx context.Context, limit int, putOff int64) ([]store.Todo, error) {
	var due []store.Todo
	err := s.change(ctx, func(ctx context.Context, c *session) error {
		due = nil
		return c.do(ctx, query(pins), takeTodos(s.clock.now(), limit, putOff, func(t store.Todo) { due = append(due, t) }))
	})
	if err != nil {
		return nil, fmt.Errorf("take todos: %w", err)
	}
	slices.SortFunc(due, byName)
	return due, nil
}

func byName(a, b store.Todo) int {
	return cmp.Or(bytes.Compare(a.Task[:], b.Task[:]), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Token, b.Token))
}

const finishTodosSQL = `
with l as materialized (
 select d.ctid from unnest($1, $2, $3, $4) as s(task, kind, token, detail) cross join lateral (
  select ctid from sendoff.todo t where t.task = s.task and t.kind = s.kind and t.token = s.token and t.detail = s.detail for update) as d)
delete from sendoff.todo d using l where d.ctid = l.ctid`

// FinishTodos deletes what was worked off; see store.Todos.
func (s *Store) FinishTodos(ctx context.Context, done []store.Todo) error {
	if err := s.write(ctx, query(pins), finishTodos(done)); err != nil {
		return fmt.Errorf("finish todos: %w", err)
	}
	return nil
}

func finishTodos(done []store.Todo) *stmt {
	list := make([]*store.Todo, len(done))
	for i := range done {
		list[i] = &done[i]
	}
	slices.SortFunc(list, func(a, b *store.Todo) int { return byName(*a, *b) }) // the order of locks
	return bindTodos(query(finishTodosSQL), list).blobs(len(list), func(i int) []byte { return list[i].Detail() })
}
