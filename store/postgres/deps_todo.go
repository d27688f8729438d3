package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Follow works off a page of a todo about followers; see store.Deps. What a page had woken
// before it failed is told with the error: it is ready by then, and nobody wakes it again.
func (s *Store) Follow(ctx context.Context, t store.Todo) (more bool, woken []store.Woken, err error) {
	if t.Kind == store.Revive {
		more, woken, err = s.revivePage(ctx, &t)
	} else {
		more, woken, err = s.releasePage(ctx, &t)
	}
	if err != nil {
		return false, woken, fmt.Errorf("tell followers of task %s: %w", t.Task, err)
	}
	return more, woken, nil
}

const (
	findTodoSQL = `select` + todoColumns + `from sendoff.todo where task = $1 and kind = $2 and token = $3`
	dropTodoSQL = `delete from sendoff.todo where task = $1 and kind = $2 and token = $3`

	// lockUpSQL keeps a task from running and ending again while its followers are told.
	lockUpSQL = `select state, reason from sendoff.task where id = $1 for share`
)

func named(q *stmt, t *store.Todo) *stmt { return q.id(t.Task).i2(int16(t.Kind)).i8(t.Token) }

func (s *Store) releasePage(ctx context.Context, name *store.Todo) (more bool, woken []store.Woken, err error) {
	err = s.change(ctx, func(ctx context.Context, c *session) error {
		more, woken = false, nil
		var t *store.Todo
		row, there := store.Row{}, false
		err := c.begin(ctx, query(pins),
			named(query(findTodoSQL+` for update`), name).rows(func(r *wireRow) { found := readTodo(r); t = &found }),
			query(lockUpSQL).id(name.Task).rows(func(r *wireRow) { row.State, row.Reason, there = task.State(r.i2()), task.Reason(r.i2()), true }))
		if err != nil || t == nil {
			return err
		}
		end, tells := t.Ended(&row, there)
		writes := []*stmt{named(query(dropTodoSQL), t)}
		if tells {
			t.End = end
			f := s.newFollowing(s.clock.now())
			told, err := f.tell(ctx, c, []root{{Todo: *t, woken: &woken}})
			if err != nil {
				return err
			}
			writes = append(writes, told...)
			more = slices.ContainsFunc(f.left, func(l *store.Todo) bool { return l.Task == t.Task && l.Token == t.Token })
		}
		return c.commit(ctx, writes...)
	})
	if err != nil {
		return false, nil, err
	}
	return more, woken, nil
}

// revivePage goes on in transactions of their own: each may be repeated, for who runs
// again already is not started once more.
func (s *Store) revivePage(ctx context.Context, name *store.Todo) (more bool, woken []store.Woken, err error) {
	var t *store.Todo
	err = s.read(ctx, query(pins), named(query(findTodoSQL), name).rows(func(r *wireRow) { found := readTodo(r); t = &found }))
	if err != nil || t == nil {
		return false, nil, err
	}
	page, err := s.Followers(ctx, t.Task, t.Cursor, store.FollowPage)
	for i := 0; i < len(page) && err == nil; i++ {
		t.Cursor = page[i].ID
		err = s.revive(ctx, t.Task, t.Cursor, &woken)
	}
	if err != nil {
		return false, woken, err
	}
	if more = len(page) == store.FollowPage; more {
		t.At = s.clock.now()
		return true, woken, s.write(ctx, leaveTodos([]*store.Todo{t})...)
	}
	return false, woken, s.write(ctx, named(query(dropTodoSQL), t))
}

// revive has a follower of a task that runs again wait for it, and begin anew when it was
// canceled because of it.
func (s *Store) revive(ctx context.Context, up, id task.ID, woken *[]store.Woken) error {
	err := s.operate(ctx, "retry", id, func(ctx context.Context, row *store.Row) error {
		if !row.Revives() {
			return s.waitAgain(ctx, up, row, woken)
		}
		again, err := s.retry(ctx, row, store.Alone, true)
		if errors.Is(err, store.ErrUnmet) || errors.Is(err, store.ErrKeyHeld) {
			return nil
		}
		for _, w := range again {
			*woken = store.Collect(*woken, w)
		}
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

const oneEdgeSQL = `select up, down, ended from sendoff.dep where up = $1 and down = $2`

// waitAgain has a task that waits for others count how one of them stands now.
func (s *Store) waitAgain(ctx context.Context, up task.ID, row *store.Row, woken *[]store.Woken) error {
	var now []store.Woken
	err := s.change(ctx, func(ctx context.Context, c *session) error {
		now = nil
		ended, there := task.NotEnded, false
		err := c.begin(ctx, query(pins), query(lockUpSQL).id(up).
			rows(func(r *wireRow) { ended, there = task.EndOf(task.State(r.i2()), task.Reason(r.i2())), true }))
		if err != nil || !there {
			return err
		}
		f := s.newFollowing(s.clock.now())
		if err := f.lock(ctx, c, query(oneEdgeSQL).id(up).id(row.ID)); err != nil {
			return err
		}
		for _, e := range f.edges[up] {
			if t := f.count(e, ended, &now); t != nil {
				f.leave(t)
			}
		}
		return c.commit(ctx, f.statements()...)
	})
	for _, w := range now {
		*woken = store.Collect(*woken, w)
	}
	return err
}
