package sqlite

import (
	"context"
	"database/sql"

	"github.com/sendoff-dev/sendoff/store"
)

// leave writes what is left to be done, in place of what had the same name.
func (w *writer) leave(t *store.Todo) error {
	if t == nil {
		return nil
	}
	return w.exec(`insert into todo (task, kind, token, at, detail) values (?,?,?,?,?)
		on conflict (task, kind, token) do update set at = excluded.at, detail = excluded.detail`,
		t.Task[:], int64(t.Kind), t.Token, t.At, t.Detail())
}

// leaveCalls leaves the calls of a function to be canceled.
func (w *writer) leaveCalls(row *store.Row) error {
	if row.Flags&store.FlagWaits == 0 {
		return nil
	}
	v, err := w.wait(row.ID)
	if err != nil || v == nil {
		return err
	}
	return w.leave(&store.Todo{Kind: store.CancelCalls, Task: row.ID, Token: row.Token, At: w.now, Epoch: v.Epoch})
}

// leaveOf leaves what a transition asks for.
func (w *writer) leaveOf(t *store.Transition) error {
	if e := t.Effects; e == nil || !e.Abandon && len(e.Cancel) == 0 {
		return nil
	}
	v, err := w.wait(t.ID)
	if err != nil {
		return err
	}
	var epoch int32
	if v != nil {
		epoch = v.Epoch
	}
	return w.leave(t.Todo(v != nil, epoch, w.now))
}

const selectTodo = `select task, kind, token, at, detail from todo `

func scanTodo(r *sql.Rows) (t store.Todo, err error) {
	var id, detail []byte
	if err = r.Scan(&id, &t.Kind, &t.Token, &t.At, &detail); err != nil {
		return t, err
	}
	copy(t.Task[:], id)
	return t, t.SetDetail(detail)
}

// TakeTodos implements store.Todos. It asks without the writer first.
func (s *Store) TakeTodos(ctx context.Context, limit int, putOff int64) ([]store.Todo, error) {
	var next int64
	err := s.read.QueryRowContext(ctx, `select coalesce(min(at), 0) from todo`).Scan(&next)
	if err != nil || next == 0 || next > s.clock() {
		return nil, s.translate(err)
	}
	var due []store.Todo
	err = s.do(ctx, rankOther, limit, func(w *writer) error {
		due = nil
		err := w.query(func(r *sql.Rows) error {
			t, err := scanTodo(r)
			due = append(due, t)
			return err
		}, selectTodo+`where at <= ? order by at, task, kind, token limit +?`, w.now, limit)
		for i := range due {
			if err == nil {
				t := &due[i]
				t.At = w.now + putOff
				err = w.exec(`update todo set at = ? where task = ? and kind = ? and token = ?`, t.At, t.Task[:], int64(t.Kind), t.Token)
			}
		}
		return err
	})
	if err != nil {
		return nil, err // the writer may be at it still, when ctx ended
	}
	return due, nil
}

// FinishTodos implements store.Todos.
func (s *Store) FinishTodos(ctx context.Context, done []store.Todo) error {
	return s.do(ctx, rankOther, len(done), func(w *writer) error {
		for i := range done {
			t := &done[i]
			err := w.exec(`delete from todo where task = ? and kind = ? and token = ? and detail = ?`, t.Task[:], int64(t.Kind), t.Token, t.Detail())
			if err != nil {
				return err
			}
		}
		return nil
	})
}
