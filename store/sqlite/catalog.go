package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/sendoff-dev/sendoff/store"
)

const selectLane = `select l.id, q.ns, q.id, q.name, l.pool, q.paused from lane l join queue q on q.id = l.queue `

func scanLane(row interface{ Scan(...any) error }, l *store.Lane) error {
	return row.Scan(&l.ID, &l.Namespace, &l.QueueID, &l.Queue, &l.Pool, &l.Paused)
}

// EnsureLane implements store.Catalog.
func (s *Store) EnsureLane(ctx context.Context, ns int32, queue, pool string, maxQueues int) (store.Lane, error) {
	const byName = selectLane + `where q.ns = ? and q.name = ? and l.pool = ?`
	var l store.Lane
	err := scanLane(s.read.QueryRowContext(ctx, byName, ns, queue, pool), &l)
	if !errors.Is(err, sql.ErrNoRows) {
		return l, s.translate(err)
	}
	err = s.do(ctx, rankOther, 1, func(w *writer) error {
		var known, count int
		err := w.one(`select count(*), coalesce(sum(name = ?), 0) from queue where ns = ?`, []any{queue, ns}, &count, &known)
		if err != nil {
			return err
		}
		if known == 0 && count >= maxQueues {
			return store.ErrTooManyQueues
		}
		if err := w.exec(`insert into queue (ns, name, created_at) values (?, ?, ?) on conflict do nothing`, ns, queue, w.now); err != nil {
			return err
		}
		if err := w.exec(`insert into lane (queue, pool) select id, ? from queue where ns = ? and name = ? on conflict do nothing`, pool, ns, queue); err != nil {
			return err
		}
		return w.query(func(r *sql.Rows) error { return scanLane(r, &l) }, byName, ns, queue, pool)
	})
	return l, err
}

// one reads a single row.
func (w *writer) one(query string, args []any, dest ...any) error {
	s, err := w.stmt(query)
	if err != nil {
		return err
	}
	return s.QueryRowContext(background, args...).Scan(dest...)
}

// Lanes implements store.Catalog.
func (s *Store) Lanes(ctx context.Context) ([]store.Lane, error) {
	return readAll(ctx, s, scanLaneRow, selectLane+`order by l.id`)
}

func scanLaneRow(r *sql.Rows) (l store.Lane, err error) { return l, scanLane(r, &l) }

// Queues implements store.Catalog.
func (s *Store) Queues(ctx context.Context) ([]store.Queue, error) {
	return readAll(ctx, s, func(r *sql.Rows) (q store.Queue, err error) {
		return q, r.Scan(&q.ID, &q.Namespace, &q.Name, &q.Paused, &q.Settings, &q.CreatedAt)
	}, `select id, ns, name, paused, settings, created_at from queue order by name`)
}

// SetPaused implements store.Catalog.
func (s *Store) SetPaused(ctx context.Context, queue int32, paused bool) ([]store.Woken, error) {
	var k woken
	err := s.do(ctx, rankOther, 1, func(w *writer) error {
		k = woken{}
		n, err := w.changed(`update queue set paused = ? where id = ?`, paused, queue)
		if err != nil || n == 0 || paused {
			return orNotFound(err, n)
		}
		return w.query(func(r *sql.Rows) error {
			var wk store.Woken
			if err := r.Scan(&wk.Lane, &wk.Priority, &wk.Position); err != nil {
				return err
			}
			k.add(wk.Lane, wk.Priority, wk.Position)
			return nil
		}, `select r.lane, r.prio, min(r.pos) from ready r join lane l on l.id = r.lane where l.queue = ? group by 1, 2`, queue)
	})
	return k.list, err
}

func orNotFound(err error, n int64) error {
	if err == nil && n == 0 {
		return store.ErrNotFound
	}
	return err
}

func readAll[T any](ctx context.Context, s *Store, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, s.translate(err)
	}
	var out []T
	err = each(rows, func(r *sql.Rows) error {
		v, err := scan(r)
		out = append(out, v)
		return err
	})
	return out, s.translate(err)
}
