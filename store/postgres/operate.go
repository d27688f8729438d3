package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// cancelWaiting cancels tasks that wait in ready or timer, unless somebody was
// faster: the entry in the work list goes first, as a claim does it.
func cancelWaiting(victims []victim, now int64, why task.Reason, each func(task.ID)) *stmt {
	n := len(victims)
	q := query(`
with v as materialized (select * from unnest($1, $2, $3, $4, $5) as v(id, lane, prio, at, state)),
r as (delete from sendoff.ready r using v where v.state = 1 and r.lane = v.lane and r.prio = v.prio and r.pos = v.at and r.id = v.id returning r.id),
m as (delete from sendoff.timer m using v where v.state = 3 and m.at = v.at and m.id = v.id returning m.id)
update sendoff.task t set state = 8, reason = $7, finished_at = $6
from (select id, 1 as state from r union all select id, 3 from m) w
where t.id = w.id and t.state = w.state returning t.id`).
		ids(n, func(i int) task.ID { return victims[i].id }).
		i4s(n, func(i int) int32 { return victims[i].lane }).
		i2s(n, func(i int) int16 { return victims[i].readyPriority() }).
		i8s(n, func(i int) int64 { return victims[i].at }).
		i2s(n, func(i int) int16 { return int16(victims[i].state) }).
		i8(now).i2(int16(why))
	if each != nil {
		q.rows(func(r *wireRow) { each(r.id()) })
	}
	return q
}

// errRace says that a task changed between looking at it and changing it.
var errRace = errors.New("the task changes all the time")

// operate looks at a task and lets step change what it saw. step returns
// errRace when the task was not like that any more, and is then called again.
func (s *Store) operate(ctx context.Context, verb string, id task.ID, step func(context.Context, *store.Row) error) error {
	for range maxTries {
		rows, err := s.Rows(ctx, []task.ID{id})
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", verb, err)
		case len(rows) == 0:
			return store.ErrNotFound
		}
		if err := step(ctx, &rows[0]); !errors.Is(err, errRace) {
			if err != nil {
				return fmt.Errorf("%s: %w", verb, err)
			}
			return nil
		}
	}
	return fmt.Errorf("%s: %w", verb, errRace)
}

func standingOf(row *store.Row) victim {
	return victim{row.ID, &standing{lane: row.Lane, prio: row.Priority, crashes: row.Crashes, at: row.At, state: row.State}}
}

// Cancel ends a task; see store.Operator.
func (s *Store) Cancel(ctx context.Context, id task.ID) error {
	return s.operate(ctx, "cancel", id, func(ctx context.Context, row *store.Row) error {
		changed := false
		q := cancelWaiting([]victim{standingOf(row)}, s.clock.now(), task.Requested, func(task.ID) { changed = true })
		switch {
		case row.State == task.Canceled:
			return nil
		case row.State.Final():
			return store.ErrFinal
		case row.State != task.Ready && row.State != task.Scheduled:
			q = query(`
with u as (
 update sendoff.task set state = 8, reason = $5, finished_at = $4, token = token + case $2 when 2 then 1 else 0 end,
  last_outcome = case $2 when 2 then $6 else last_outcome end, last_code = case $2 when 2 then 0 else last_code end,
  last_error = case $2 when 2 then $7 else last_error end
 where id = $1 and state = $2 and token = $3 returning id, run, failures, node, last_started),
a as (insert into sendoff.attempt (task, token, started_at, finished_at, run, number, code, outcome, truncated, node, error)
 select id, $3, last_started, $4, run, failures + 1, 0, $6, false, node, $7 from u where $2 = 2)
select true from u`).
				id(id).i2(int16(row.State)).i8(row.Token).i8(s.clock.now()).i2(int16(task.Requested)).
				i2(int16(task.Cancel)).text(store.CanceledError).
				rows(func(*wireRow) { changed = true })
		}
		return raced(s.write(ctx, query(pins), q), &changed)
	})
}

func raced(err error, changed *bool) error {
	if err == nil && !*changed {
		return errRace
	}
	return err
}

// Retry starts a new run; see store.Operator.
func (s *Store) Retry(ctx context.Context, id task.ID) ([]store.Woken, error) {
	var woken []store.Woken
	err := s.operate(ctx, "retry", id, func(ctx context.Context, row *store.Row) error {
		if !row.State.Final() {
			return store.ErrNotFinal
		}
		changed := false
		span := s.clock.take(1)
		err := raced(s.write(ctx, query(pins), query(`
with u as (
 update sendoff.task set state = 1, reason = $6, at = $5, run = run + 1, failures = 0, crashes = 0, expires_at = 0, first_started = 0, finished_at = 0
 where id = $1 and state = $2 and run = $3 and finished_at = $4 returning id, lane, prio),
d as (delete from sendoff.dead d using u where $2 = 7 and d.lane = u.lane and d.at = $4 and d.id = u.id),
r as (insert into sendoff.ready (pos, lane, prio, id) select $5, lane, prio, id from u)
select from u`).
			id(id).i2(int16(row.State)).i4(row.Run).i8(row.FinishedAt).i8(span.first).i2(int16(task.Retried)).
			rows(func(*wireRow) { changed = true })), &changed)
		if err != nil {
			s.clock.untake(span)
			return err
		}
		woken = []store.Woken{{Lane: row.Lane, Priority: row.Priority, Position: span.first}}
		return nil
	})
	return woken, err
}

// RunNow makes a scheduled task ready; see store.Operator.
func (s *Store) RunNow(ctx context.Context, id task.ID) ([]store.Woken, error) {
	var woken []store.Woken
	err := s.operate(ctx, "run now", id, func(ctx context.Context, row *store.Row) error {
		switch {
		case row.State == task.Ready:
			return nil
		case row.State == task.Running:
			return store.ErrRunning
		case row.State.Final():
			return store.ErrFinal
		}
		changed := false
		span := s.clock.take(1)
		err := raced(s.write(ctx, query(pins), query(`
with m as (delete from sendoff.timer where $2 = 3 and at = $3 and id = $1 returning id),
u as (
 update sendoff.task set state = 1, reason = 0, at = $4
 where id = $1 and state = $2 and at = $3 and ($2 <> 3 or exists (select from m)) returning id, lane, prio, crashes),
r as (insert into sendoff.ready (pos, lane, prio, id) select $4, lane, case when crashes > 0 then 10::int2 else prio end, id from u)
select from u`).
			id(id).i2(int16(row.State)).i8(row.At).i8(span.first).
			rows(func(*wireRow) { changed = true })), &changed)
		if err != nil {
			s.clock.untake(span)
			return err
		}
		woken = []store.Woken{{Lane: row.Lane, Priority: task.ReadyPriority(row.Priority, row.Crashes), Position: span.first}}
		return nil
	})
	return woken, err
}

// Delete erases a task; see store.Operator.
func (s *Store) Delete(ctx context.Context, id task.ID) error {
	return s.operate(ctx, "delete", id, func(ctx context.Context, row *store.Row) error {
		if row.State == task.Running {
			return store.ErrRunning
		}
		return s.change(ctx, func(ctx context.Context, c *session) error {
			listed := row.State != task.Ready && row.State != task.Scheduled
			found := func(*wireRow) { listed = true }
			err := c.begin(ctx, query(pins),
				query(`delete from sendoff.ready where $1 = 1 and lane = $2 and prio = $3 and pos = $4 and id = $5 returning true`).
					i2(int16(row.State)).i4(row.Lane).i2(task.ReadyPriority(row.Priority, row.Crashes)).i8(row.At).id(id).rows(found),
				query(`delete from sendoff.timer where $1 = 3 and at = $2 and id = $3 returning true`).
					i2(int16(row.State)).i8(row.At).id(id).rows(found))
			if err != nil {
				return err
			}
			if !listed {
				return errRace
			}
			gone, err := erase(ctx, c, s.clock.now(), []task.ID{id}, `and t.state = $2 and t.run = $3`, int64(row.State), int64(row.Run))
			if err == nil && gone == 0 {
				return errRace
			}
			if err != nil {
				return err
			}
			return c.commit(ctx)
		})
	})
}

// Purge cancels waiting tasks of lanes; see store.Operator.
func (s *Store) Purge(ctx context.Context, lanes []int32, limit int) (int, error) {
	lanes = slices.Compact(slices.Sorted(slices.Values(lanes)))
	purged := 0
	err := s.change(ctx, func(ctx context.Context, c *session) error {
		purged = 0
		now := s.clock.now()
		bind := func(q *stmt) *stmt {
			return q.i4s(len(lanes), func(i int) int32 { return lanes[i] }).i8(int64(limit - purged)).i8(now).i2(int16(task.Requested))
		}
		err := c.begin(ctx, query(pins), bind(query(`
with l as materialized (
 select x.ctid from unnest($1) as a(lane)
 cross join lateral (select ctid from sendoff.ready r where r.lane = a.lane order by r.lane, r.prio, r.pos limit $2 for update skip locked) x limit $2),
r as (delete from sendoff.ready r using l where r.ctid = l.ctid returning r.id)
update sendoff.task t set state = 8, reason = $4, finished_at = $3 from r where t.id = r.id and t.state = 1 returning true`)).
			rows(func(*wireRow) { purged++ }))
		if err != nil {
			return err
		}
		return c.commit(ctx, bind(query(`
with l as materialized (
 select ctid from sendoff.timer m where m.lane = any($1) order by m.at, m.id limit $2 for update skip locked),
m as (delete from sendoff.timer m using l where m.ctid = l.ctid returning m.id)
update sendoff.task t set state = 8, reason = $4, finished_at = $3 from m where t.id = m.id and t.state = 3 returning true`)).
			rows(func(*wireRow) { purged++ }))
	})
	if err != nil {
		return 0, fmt.Errorf("purge: %w", err)
	}
	return purged, nil
}
