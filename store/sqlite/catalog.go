package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

const selectLane = `select l.id, q.ns, q.id, q.name, l.pool, q.paused, q.forgotten_at > 0 from lane l join queue q on q.id = l.queue `

func scanLane(row interface{ Scan(...any) error }, l *store.Lane) error {
	var pool string
	err := row.Scan(&l.ID, &l.Namespace, &l.QueueID, &l.Queue, &pool, &l.Paused, &l.Forgotten)
	l.OfPool(pool)
	return err
}

const laneByName = selectLane + `where q.ns = ? and q.name = ? and l.pool = ?`

// EnsureLane implements store.Catalog.
func (s *Store) EnsureLane(ctx context.Context, ns int32, queue, pool string, maxQueues int) (store.Lane, error) {
	var l store.Lane
	err := scanLane(s.read.QueryRowContext(ctx, laneByName+` and q.forgotten_at = 0`, ns, queue, pool), &l)
	if !errors.Is(err, sql.ErrNoRows) {
		return l, s.translate(err)
	}
	err = s.do(store.WithoutAudit(ctx), rankOther, 1, func(w *writer) (err error) {
		l, err = w.ensureLane(ns, queue, pool, maxQueues)
		return err
	})
	if err != nil {
		return store.Lane{}, err
	}
	return l, nil
}

func (w *writer) ensureLane(ns int32, queue, pool string, maxQueues int) (l store.Lane, err error) {
	var known, count int
	err = w.one(`select count(*), coalesce(sum(name = ?), 0) from queue where ns = ? and forgotten_at = 0`, []any{queue, ns}, &count, &known)
	if err != nil {
		return l, err
	}
	if known == 0 && count >= maxQueues {
		return l, store.ErrTooManyQueues
	}
	err = w.exec(`insert into queue (ns, name, created_at) values (?, ?, ?)
		on conflict do update set forgotten_at = 0, settings = null, created_at = excluded.created_at where forgotten_at > 0`, ns, queue, w.now)
	if err != nil {
		return l, err
	}
	if err := w.exec(`insert into lane (queue, pool) select id, ? from queue where ns = ? and name = ? on conflict do nothing`, pool, ns, queue); err != nil {
		return l, err
	}
	if err := dropForgotten(w); err != nil {
		return l, err
	}
	err = w.query(func(r *sql.Rows) error { return scanLane(r, &l) }, laneByName, ns, queue, pool)
	return l, err
}

// dropForgotten deletes what no task refers to any more, and no node knows.
func dropForgotten(w *writer) error {
	before := w.now - store.ForgetAfter
	err := w.exec(`delete from lane where queue in (select id from queue where forgotten_at between 1 and ?)
		and not exists (select 1 from task where task.lane = lane.id)`, before)
	if err != nil {
		return err
	}
	return w.exec(`delete from queue where forgotten_at between 1 and ? and not exists (select 1 from lane where lane.queue = queue.id)`, before)
}

var anyRunning = words.SQL(`select exists (select 1 from task where id in (select unhex(value) from json_each(?)) and state = :running
	and lane in (select id from lane where queue = ?))`)

// Forget implements store.Catalog.
func (s *Store) Forget(ctx context.Context, queue int32) error {
	return s.do(ctx, rankOther, 1, func(w *writer) error {
		var waiting bool
		const lanes = `(select id from lane where queue = ?)`
		err := w.one(`select exists (select 1 from ready where lane in `+lanes+`) or exists (select 1 from timer where lane in `+lanes+`)
			or exists (select 1 from line where lane in `+lanes+`)`, []any{queue, queue, queue}, &waiting)
		if err != nil {
			return err
		}
		var ids []task.ID
		err = w.query(func(r *sql.Rows) error {
			c, err := scanClaimEntry(r)
			ids = append(ids, c.Tasks...)
			return err
		}, `select id, node, at, ids, 0 from claim`)
		if err != nil {
			return err
		}
		var running bool
		err = w.one(anyRunning, []any{hexList(ids), queue}, &running)
		switch {
		case err != nil:
			return err
		case waiting || running:
			return store.ErrQueueNotEmpty
		}
		n, err := w.changed(`update queue set forgotten_at = ?, paused = 0, settings = null where id = ? and forgotten_at = 0`, w.now, queue)
		return orNotFound(err, n)
	})
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
	}, `select id, ns, name, paused, settings, created_at from queue where forgotten_at = 0 order by name`)
}

// SetPaused implements store.Catalog.
func (s *Store) SetPaused(ctx context.Context, queue int32, paused bool) ([]store.Woken, error) {
	var k woken
	err := s.do(ctx, rankOther, 1, func(w *writer) error {
		k = woken{}
		n, err := w.changed(`update queue set paused = ? where id = ? and forgotten_at = 0`, paused, queue)
		if err != nil || n == 0 || paused {
			return orNotFound(err, n)
		}
		return w.resumed(&k, `select r.lane, r.prio, min(r.pos) from ready r join lane l on l.id = r.lane where l.queue = ? group by r.lane, r.prio`, queue)
	})
	if err != nil {
		return nil, err
	}
	return k.list, nil
}

// resumed adds what waits in lanes that are resumed: lane, priority and first position.
func (w *writer) resumed(k *woken, query string, arg any) error {
	return w.query(func(r *sql.Rows) error {
		var wk store.Woken
		if err := r.Scan(&wk.Lane, &wk.Priority, &wk.Position); err != nil {
			return err
		}
		k.add(wk.Lane, wk.Priority, wk.Position)
		return nil
	}, query, arg)
}

// PauseNamespace implements store.Catalog.
func (s *Store) PauseNamespace(ctx context.Context, namespace int32, paused bool) ([]store.Woken, error) {
	var k woken
	err := s.do(ctx, rankOther, 1, func(w *writer) error {
		k = woken{}
		n, err := w.changed(`update namespace set paused_at = iif(?1, iif(paused_at > 0, paused_at, ?2), 0) where id = ?3`, paused, w.now, namespace)
		if err != nil || n == 0 || paused {
			return orNotFound(err, n)
		}
		return w.resumed(&k, `select r.lane, r.prio, min(r.pos) from ready r join lane l on l.id = r.lane join queue q on q.id = l.queue
			where q.ns = ? and not q.paused group by r.lane, r.prio`, namespace)
	})
	if err != nil {
		return nil, err
	}
	return k.list, nil
}

// PausedNamespaces implements store.Catalog.
func (s *Store) PausedNamespaces(ctx context.Context) (map[int32]int64, error) {
	type paused struct {
		id int32
		at int64
	}
	rows, err := readAll(ctx, s, func(r *sql.Rows) (n paused, err error) {
		err = r.Scan(&n.id, &n.at)
		return n, err
	}, `select id, paused_at from namespace where paused_at > 0`)
	if err != nil {
		return nil, err
	}
	out := map[int32]int64{}
	for _, n := range rows {
		out[n.id] = n.at
	}
	return out, nil
}

// SetSettings implements store.Catalog.
func (s *Store) SetSettings(ctx context.Context, queue int32, was, settings []byte) error {
	return s.do(ctx, rankOther, 1, func(w *writer) error {
		var known int
		if err := w.one(`select count(*) from queue where id = ? and forgotten_at = 0`, []any{queue}, &known); err != nil || known == 0 {
			return orNotFound(err, int64(known))
		}
		n, err := w.changed(`update queue set settings = ? where id = ? and settings is ?`, settings, queue, was)
		if err == nil && n == 0 {
			return store.ErrChanged
		}
		return err
	})
}

func orNotFound(err error, n int64) error {
	if err == nil && n == 0 {
		return store.ErrNotFound
	}
	return err
}
