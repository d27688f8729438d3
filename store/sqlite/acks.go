package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

var (
	detachTask = words.SQL(`update task set reason = :reason_acknowledgement, node = null, at = ? where id = ?`)
	attachTask = words.SQL(`update task set reason = :reason_none, node = ?, at = ? where id = ?`)
	overdue    = words.SQL(`select r.id, t.token from timer r join task t on t.id = r.id where r.at <= ? and r.kind = :running order by r.at, r.id limit ?`)
)

// Detach implements store.Acks.
func (s *Store) Detach(ctx context.Context, h store.Held, within int64) (int64, error) {
	return s.until(ctx, func(w *writer) (int64, error) {
		row, err := w.runningAs(h)
		if err != nil || row.Detached() {
			return row.At, err
		}
		at := w.now + within
		return at, errors.Join(w.exec(detachTask, at, h.ID[:]), w.pushTimer(at, h.ID, row.Lane, task.Running))
	})
}

// Extend implements store.Acks.
func (s *Store) Extend(ctx context.Context, h store.Held, within int64) (int64, error) {
	return s.until(ctx, func(w *writer) (int64, error) {
		row, err := w.detached(h)
		if err != nil {
			return 0, err
		}
		at := w.now + within
		return at, errors.Join(w.unlist(&row), w.exec(detachTask, at, h.ID[:]), w.pushTimer(at, h.ID, row.Lane, task.Running))
	})
}

// until changes an attempt, and returns when its time is over.
func (s *Store) until(ctx context.Context, change func(*writer) (int64, error)) (int64, error) {
	var until int64
	err := s.do(ctx, rankSettle, 1, func(w *writer) (err error) {
		until, err = change(w)
		return err
	})
	if err != nil {
		return 0, err
	}
	return until, nil
}

// Attach implements store.Acks.
func (s *Store) Attach(ctx context.Context, a store.Attach) (store.Row, error) {
	var row store.Row
	err := s.do(ctx, rankSettle, 1, func(w *writer) (err error) {
		row, err = w.attach(&a)
		return err
	})
	if err != nil {
		return store.Row{}, err
	}
	return row, nil
}

func (w *writer) attach(a *store.Attach) (store.Row, error) {
	row, err := w.detached(a.Held)
	if err == nil && a.Overdue && row.At > w.now {
		err = store.ErrLeaseLost
	}
	if err != nil {
		return row, err
	}
	if alive, err := w.alive(a.Node); err != nil || !alive {
		return row, errors.Join(err, store.ErrNodeLost)
	}
	err = errors.Join(
		w.unlist(&row),
		w.exec(attachTask, a.Node[:], w.now, a.ID[:]),
		w.exec(`insert into claim (id, node, at, ids) values (?,?,?,?)`, a.Claim[:], a.Node[:], w.now, a.ID[:]))
	row.Reason, row.Node, row.At = task.NoReason, a.Node, w.now
	return row, err
}

// runningAs returns the row of a task that runs with a token.
func (w *writer) runningAs(h store.Held) (store.Row, error) {
	row, err := w.row(h.ID)
	if errors.Is(err, store.ErrNotFound) || err == nil && (row.State != task.Running || row.Token != h.Token) {
		return row, store.ErrLeaseLost
	}
	return row, err
}

// detached is runningAs for a task that no node has.
func (w *writer) detached(h store.Held) (store.Row, error) {
	row, err := w.runningAs(h)
	if err == nil && !row.Detached() {
		err = store.ErrLeaseLost
	}
	return row, err
}

// Overdue implements store.Acks.
func (s *Store) Overdue(ctx context.Context, limit int) ([]store.Held, error) {
	return readAll(ctx, s, func(r *sql.Rows) (h store.Held, err error) {
		var id []byte
		err = r.Scan(&id, &h.Token)
		copy(h.ID[:], id)
		return h, err
	}, overdue, s.clock(), limit)
}
