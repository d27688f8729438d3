package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
)

const laneColumns = ` a.id, q.ns, q.id, q.name, a.pool, q.paused, q.forgotten_at > 0 from sendoff.lane a join sendoff.queue q on q.id = a.queue `

func readLane(r *wireRow) store.Lane {
	l := store.Lane{ID: r.i4(), Namespace: r.i4(), QueueID: r.i4(), Queue: r.text()}
	l.OfPool(r.text())
	l.Paused, l.Forgotten = r.bool(), r.bool()
	return l
}

// EnsureLane finds or makes a lane; see store.Catalog.
func (s *Store) EnsureLane(ctx context.Context, namespace int32, queue, pool string, maxQueues int) (store.Lane, error) {
	var lane store.Lane
	find := query(`select` + laneColumns + `where q.ns = $1 and q.name = $2 and a.pool = $3 and q.forgotten_at = 0`).
		i4(namespace).text(queue).text(pool).rows(func(r *wireRow) { lane = readLane(r) })
	if err := s.read(ctx, find); err != nil || lane.ID != 0 {
		return lane, translate(err)
	}
	err := s.change(ctx, func(ctx context.Context, c *session) error {
		lane = store.Lane{}
		var queueID, queues int32
		err := c.begin(ctx, query(`select pg_advisory_xact_lock($1)`).i8(lockCatalog),
			query(`select count(*)::int4, coalesce(max(id) filter (where name = $2), 0) from sendoff.queue where ns = $1 and forgotten_at = 0`).
				i4(namespace).text(queue).rows(func(r *wireRow) { queues, queueID = r.i4(), r.i4() }))
		if err != nil {
			return err
		}
		var stmts []*stmt
		if queueID == 0 {
			if int(queues) >= maxQueues {
				return store.ErrTooManyQueues
			}
			stmts = append(stmts, query(`
insert into sendoff.queue (id, ns, name, created_at) select coalesce(max(id), 0) + 1, $1, $2, $3 from sendoff.queue
on conflict (ns, name) do update set forgotten_at = 0, settings = null, created_at = excluded.created_at`).
				i4(namespace).text(queue).i8(s.clock.now()))
		}
		stmts = append(stmts, query(`
insert into sendoff.lane (id, queue, pool)
select (select coalesce(max(id), 0) + 1 from sendoff.lane), q.id, $3 from sendoff.queue q where q.ns = $1 and q.name = $2
on conflict (queue, pool) do nothing`).i4(namespace).text(queue).text(pool))
		stmts = append(append(stmts, dropForgotten(s.clock.now()-store.ForgetAfter)...), find)
		return c.commit(ctx, stmts...)
	})
	if err != nil {
		return store.Lane{}, fmt.Errorf("make queue %q: %w", queue, translate(err))
	}
	return lane, nil
}

// dropForgotten deletes what no task refers to any more, and no node knows.
func dropForgotten(before int64) []*stmt {
	return []*stmt{
		query(`
delete from sendoff.lane a using sendoff.queue q where q.id = a.queue and q.forgotten_at between 1 and $1
and not exists (select 1 from sendoff.task t where t.lane = a.id)`).i8(before),
		query(`
delete from sendoff.queue q where q.forgotten_at between 1 and $1 and not exists (select 1 from sendoff.lane a where a.queue = q.id)`).i8(before),
	}
}

var busySQL = words.SQL(`
with a as (select id from sendoff.lane where queue = $1)
select exists (select 1 from sendoff.ready r join a on a.id = r.lane) or exists (select 1 from sendoff.timer w join a on a.id = w.lane)
 or exists (select 1 from sendoff.task t join a on a.id = t.lane where t.state = :running and t.id in (select unnest(ids) from sendoff.claim))`)

// Forget takes a queue off the list; see store.Catalog. One statement looks at
// all work lists: a task is always on one of them.
func (s *Store) Forget(ctx context.Context, queue int32) error {
	err := s.change(ctx, func(ctx context.Context, c *session) error {
		var known, busy bool
		err := c.begin(ctx, query(`select pg_advisory_xact_lock($1)`).i8(lockCatalog), query(noJIT),
			query(`select exists (select 1 from sendoff.queue where id = $1 and forgotten_at = 0)`).i4(queue).rows(func(r *wireRow) { known = r.bool() }),
			query(busySQL).i4(queue).rows(func(r *wireRow) { busy = r.bool() }))
		switch {
		case err != nil:
			return err
		case !known:
			return store.ErrNotFound
		case busy:
			return store.ErrQueueNotEmpty
		}
		return c.commit(ctx, query(`update sendoff.queue set forgotten_at = $2, paused = false, settings = null where id = $1`).i4(queue).i8(s.clock.now()))
	})
	return translate(err)
}

// Lanes lists all lanes; see store.Catalog.
func (s *Store) Lanes(ctx context.Context) ([]store.Lane, error) {
	var lanes []store.Lane
	err := s.read(ctx, query(`select`+laneColumns+`order by a.id`).rows(func(r *wireRow) { lanes = append(lanes, readLane(r)) }))
	if err != nil {
		return nil, fmt.Errorf("list lanes: %w", err)
	}
	return lanes, nil
}

// Queues lists all queues; see store.Catalog.
func (s *Store) Queues(ctx context.Context) ([]store.Queue, error) {
	var queues []store.Queue
	err := s.read(ctx, query(`select id, ns, name, paused, settings, created_at from sendoff.queue where forgotten_at = 0 order by name collate "C", id`).
		rows(func(r *wireRow) {
			queues = append(queues, store.Queue{
				ID: r.i4(), Namespace: r.i4(), Name: r.text(), Paused: r.bool(), Settings: r.bytes(), CreatedAt: r.i8(),
			})
		}))
	if err != nil {
		return nil, fmt.Errorf("list queues: %w", err)
	}
	return queues, nil
}

var resumedSQL = words.SQL(`
select a.id, p.prio::int2, x.pos from sendoff.lane a cross join generate_series(0, :suspect_priority) as p(prio)
cross join lateral (select pos from sendoff.ready r where r.lane = a.id and r.prio = p.prio::int2 order by pos limit 1) x
where a.queue = $1`)

// SetPaused pauses or resumes a queue; see store.Catalog. A claim looks at the
// flag after it took the shared lock, so when the lock was free of claims once
// after the flag was committed, no claim is left that has not seen it.
func (s *Store) SetPaused(ctx context.Context, queue int32, paused bool) ([]store.Woken, error) {
	found := false
	err := s.act(ctx, &found, query(`update sendoff.queue set paused = $2 where id = $1 and forgotten_at = 0 returning true`).i4(queue).bool(paused).
		rows(func(r *wireRow) { found = r.bool() }))
	if errors.Is(err, errRace) {
		return nil, store.ErrNotFound
	}
	var woken []store.Woken
	switch {
	case err != nil:
	case paused:
		err = s.write(ctx, query(`select pg_advisory_xact_lock($1)`).i8(lockClaims))
	default:
		err = s.read(ctx, query(pins), query(resumedSQL).i4(queue).
			rows(func(r *wireRow) { woken = append(woken, store.Woken{Lane: r.i4(), Priority: r.i2(), Position: r.i8()}) }))
	}
	if err != nil {
		return nil, fmt.Errorf("pause or resume a queue: %w", err)
	}
	return woken, nil
}

var resumedNamespaceSQL = words.SQL(`
select a.id, p.prio::int2, x.pos from sendoff.queue q join sendoff.lane a on a.queue = q.id cross join generate_series(0, :suspect_priority) as p(prio)
cross join lateral (select pos from sendoff.ready r where r.lane = a.id and r.prio = p.prio::int2 order by pos limit 1) x
where q.ns = $1 and not q.paused`)

// PauseNamespace pauses or resumes all queues of a namespace; see store.Catalog, and
// SetPaused for the lock.
func (s *Store) PauseNamespace(ctx context.Context, namespace int32, paused bool) ([]store.Woken, error) {
	found := false
	err := s.act(ctx, &found, query(`
update sendoff.namespace set paused_at = case when not $2 then 0 when paused_at > 0 then paused_at else $3 end where id = $1 returning true`).
		i4(namespace).bool(paused).i8(s.clock.now()).rows(func(r *wireRow) { found = r.bool() }))
	if errors.Is(err, errRace) {
		return nil, store.ErrNotFound
	}
	var woken []store.Woken
	switch {
	case err != nil:
	case paused:
		err = s.write(ctx, query(`select pg_advisory_xact_lock($1)`).i8(lockClaims))
	default:
		err = s.read(ctx, query(pins), query(resumedNamespaceSQL).i4(namespace).
			rows(func(r *wireRow) { woken = append(woken, store.Woken{Lane: r.i4(), Priority: r.i2(), Position: r.i8()}) }))
	}
	if err != nil {
		return nil, fmt.Errorf("pause or resume a namespace: %w", err)
	}
	return woken, nil
}

// PausedNamespaces lists the namespaces that are paused; see store.Catalog.
func (s *Store) PausedNamespaces(ctx context.Context) (map[int32]int64, error) {
	out := map[int32]int64{}
	err := s.read(ctx, query(`select id, paused_at from sendoff.namespace where paused_at > 0`).
		rows(func(r *wireRow) { out[r.i4()] = r.i8() }))
	if err != nil {
		return nil, fmt.Errorf("list paused namespaces: %w", err)
	}
	return out, nil
}

// SetSettings replaces the settings of a queue; see store.Catalog.
func (s *Store) SetSettings(ctx context.Context, queue int32, was, settings []byte) error {
	err := s.change(ctx, func(ctx context.Context, c *session) error {
		known, done := false, false
		err := c.begin(ctx,
			query(`select true from sendoff.queue where id = $1 and forgotten_at = 0 for update`).i4(queue).rows(func(*wireRow) { known = true }),
			query(`update sendoff.queue set settings = $3 where id = $1 and forgotten_at = 0 and settings is not distinct from $2 returning true`).
				i4(queue).null(was).null(settings).rows(func(*wireRow) { done = true }))
		switch {
		case err != nil:
			return err
		case !known:
			return store.ErrNotFound
		case !done:
			return store.ErrChanged
		}
		return c.commit(ctx)
	})
	if err != nil {
		return fmt.Errorf("change the settings of a queue: %w", translate(err))
	}
	return nil
}
