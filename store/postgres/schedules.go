package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

const scheduleColumns = ` s.ns, s.name, s.rev, s.paused, s.spec, s.declared, s.edited, s.next_at, s.last_due, s.last_fired, s.last_outcome, s.last_task, s.created_at, s.updated_at `

const (
	scheduleSQL = `select` + scheduleColumns + `from sendoff.schedule s where s.ns = $1 and s.name = $2`

	lockScheduleSQL = scheduleSQL + ` for update`

	listSchedulesSQL = `select` + scheduleColumns + `from sendoff.schedule s where s.ns = $1 and s.name > $2 order by s.ns, s.name limit $3`

	dueSchedulesSQL = `select` + scheduleColumns + `from sendoff.schedule s where s.next_at > 0 order by s.next_at, s.ns, s.name limit $1`

	// What another node has locked it fires, or edits: that is no reason to wait, which would
	// have all schedules wait for a node that is stopped.
	lockDueSQL = `select` + scheduleColumns + `from unnest($1, $2) as n(ns, name) join sendoff.schedule s on s.ns = n.ns and s.name = n.name for update of s skip locked`

	// The lock of a name is that of its row; of two that make one, the first is there.
	makeScheduleSQL = `
insert into sendoff.schedule (ns, name, rev, paused, spec, declared, edited, next_at, last_due, last_fired, last_outcome, last_task, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, 0, null, $9, $10) on conflict (ns, name) do nothing returning rev`

	changeScheduleSQL = `
update sendoff.schedule set rev = $3, paused = $4, spec = $5, declared = $6, edited = $7, next_at = $8, created_at = $9, updated_at = $10 where ns = $1 and name = $2`

	lastFiredSQL = `
update sendoff.schedule s set next_at = u.next_at, last_due = u.due, last_fired = u.fired, last_outcome = u.outcome, last_task = u.task
from unnest($1, $2, $3, $4, $5, $6, $7) as u(ns, name, next_at, due, fired, outcome, task) where s.ns = u.ns and s.name = u.name`

	putFiresSQL = `
insert into sendoff.fire (ns, schedule, due, task, fired_at, outcome, reason)
select ns, schedule, due, task, fired_at, outcome, coalesce(reason, '') from unnest($1, $2, $3, $4, $5, $6, $7) as f(ns, schedule, due, task, fired_at, outcome, reason)
on conflict do nothing`

	dropScheduleSQL = `delete from sendoff.schedule s where s.ns = $1 and s.name = $2 returning s.rev`
	dropFiresSQL    = `delete from sendoff.fire f where f.ns = $1 and f.schedule = $2`

	firesSQL = `
select f.due, f.fired_at, f.outcome, f.reason, f.task from sendoff.fire f
where f.ns = $1 and f.schedule = $2 and (f.due, f.task) < ($3, $4) order by f.ns desc, f.schedule desc, f.due desc, f.task desc limit $5`

	trimFiresSQL = `
with page as materialized (select s.ns, s.name from sendoff.schedule s where (s.ns, s.name) > ($1, $2) order by s.ns, s.name limit $3),
 gone as (delete from sendoff.fire f using page p where f.ns = p.ns and f.schedule = p.name and f.due < greatest($5, coalesce(
 (select x.due from sendoff.fire x where x.ns = p.ns and x.schedule = p.name order by x.ns desc, x.schedule desc, x.due desc limit 1 offset $4), 0)))
select ns, name from page`
)

func readSchedule(r *wireRow) (s store.Schedule) {
	s.Namespace, s.Name, s.Rev, s.Paused = r.i4(), r.text(), r.i8(), r.bool()
	s.Spec, s.Declared, s.Edited, s.NextAt = r.bytes(), r.bytes(), r.bool(), r.i8()
	s.LastDue, s.LastFired, s.Last, s.LastTask = r.i8(), r.i8(), store.FireOutcome(r.i2()), r.id()
	s.CreatedAt, s.UpdatedAt = r.i8(), r.i8()
	return s
}

// Schedule returns a schedule; see store.Schedules.
func (s *Store) Schedule(ctx context.Context, ns int32, name string) (store.Schedule, error) {
	var out store.Schedule
	err := s.read(ctx, query(pins), query(scheduleSQL).i4(ns).text(name).rows(func(r *wireRow) { out = readSchedule(r) }))
	switch {
	case err != nil:
		return store.Schedule{}, fmt.Errorf("read schedule %q: %w", name, translate(err))
	case out.Rev == 0:
		return store.Schedule{}, store.ErrNotFound
	}
	return out, nil
}

// ListSchedules lists schedules by name; see store.Schedules.
func (s *Store) ListSchedules(ctx context.Context, ns int32, after string, limit int) ([]store.Schedule, error) {
	var all []store.Schedule
	err := s.read(ctx, query(pins), query(listSchedulesSQL).i4(ns).text(after).i8(int64(limit)).rows(func(r *wireRow) { all = append(all, readSchedule(r)) }))
	if err != nil {
		return nil, fmt.Errorf("list schedules: %w", translate(err))
	}
	return all, nil
}

// PutSchedule makes or changes a schedule; see store.Schedules.
func (s *Store) PutSchedule(ctx context.Context, next store.Schedule, was *store.Schedule, fires []store.Fire) (store.Schedule, error) {
	var put store.Schedule
	err := s.change(ctx, func(ctx context.Context, c *session) error {
		var had *store.Schedule
		err := c.begin(ctx, query(pins), query(lockScheduleSQL).i4(next.Namespace).text(next.Name).rows(func(r *wireRow) { one := readSchedule(r); had = &one }))
		if err != nil {
			return err
		}
		if (had == nil) != (was == nil) || had != nil && !had.SameAs(was) {
			return store.ErrChanged
		}
		put = next.Follow(had, s.clock.now())
		put.RecordLast(fires)
		sql, done := changeScheduleSQL, had != nil
		if had == nil {
			sql = makeScheduleSQL
		}
		stmts := []*stmt{query(sql).i4(put.Namespace).text(put.Name).i8(put.Rev).bool(put.Paused).bytes(put.Spec).null(put.Declared).bool(put.Edited).
			i8(put.NextAt).i8(put.CreatedAt).i8(put.UpdatedAt).rows(func(*wireRow) { done = true })}
		if err := c.do(ctx, append(stmts, recordFires([]store.Schedule{put}, [][]store.Fire{fires})...)...); err != nil {
			return err
		}
		if !done {
			return store.ErrChanged
		}
		return c.commit(ctx)
	})
	if err != nil {
		return store.Schedule{}, fmt.Errorf("keep schedule %q: %w", next.Name, translate(err))
	}
	return put, nil
}

// recordFires writes what was fired of schedules, if anything was, and how that leaves them.
func recordFires(of []store.Schedule, fires [][]store.Fire) []*stmt {
	type row struct {
		store.ScheduleName
		store.Fire
	}
	var rows []row
	for i := range of {
		for _, f := range fires[i] {
			rows = append(rows, row{of[i].ScheduleName, f})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	n, m := len(of), len(rows)
	return []*stmt{
		query(lastFiredSQL).
			i4s(n, func(i int) int32 { return of[i].Namespace }).
			rawTexts(n, func(i int) string { return of[i].Name }).
			i8s(n, func(i int) int64 { return of[i].NextAt }).
			i8s(n, func(i int) int64 { return of[i].LastDue }).
			i8s(n, func(i int) int64 { return of[i].LastFired }).
			i2s(n, func(i int) int16 { return int16(of[i].Last) }).
			ids(n, func(i int) task.ID { return of[i].LastTask }),
		query(putFiresSQL).
			i4s(m, func(i int) int32 { return rows[i].Namespace }).
			rawTexts(m, func(i int) string { return rows[i].Name }).
			i8s(m, func(i int) int64 { return rows[i].Due }).
			nodes(m, func(i int) task.ID { return rows[i].Task }).
			i8s(m, func(i int) int64 { return rows[i].FiredAt }).
			i2s(m, func(i int) int16 { return int16(rows[i].Outcome) }).
			texts(m, func(i int) string { return rows[i].Reason }),
	}
}

// DeleteSchedule forgets a schedule; see store.Schedules.
func (s *Store) DeleteSchedule(ctx context.Context, ns int32, name string) error {
	var found bool
	err := s.act(ctx, &found, query(pins), query(dropScheduleSQL).i4(ns).text(name).rows(func(*wireRow) { found = true }),
		query(dropFiresSQL).i4(ns).text(name))
	switch {
	case errors.Is(err, errRace):
		return store.ErrNotFound
	case err != nil:
		return fmt.Errorf("delete schedule %q: %w", name, translate(err))
	}
	return nil
}

// Fires lists what became of the times of a schedule; see store.Schedules.
func (s *Store) Fires(ctx context.Context, ns int32, name string, before store.Fire, limit int) ([]store.Fire, error) {
	if before.Due == 0 {
		before.Due = math.MaxInt64
	}
	var all []store.Fire
	err := s.read(ctx, query(pins), query(firesSQL).i4(ns).text(name).i8(before.Due).id(before.Task).i8(int64(limit)).rows(func(r *wireRow) {
		all = append(all, store.Fire{Due: r.i8(), FiredAt: r.i8(), Outcome: store.FireOutcome(r.i2()), Reason: r.text(), Task: r.id()})
	}))
	if err != nil {
		return nil, fmt.Errorf("list fires of schedule %q: %w", name, translate(err))
	}
	return all, nil
}

// TrimFires deletes old fires; see store.Firer.
func (s *Store) TrimFires(ctx context.Context, after store.ScheduleName, limit, keep int, before int64) (store.ScheduleName, error) {
	var last store.ScheduleName
	seen := 0
	err := s.change(ctx, func(ctx context.Context, c *session) error {
		seen = 0
		return c.do(ctx, query(pins), query(trimFiresSQL).i4(after.Namespace).text(after.Name).i8(int64(limit)).i8(int64(keep-1)).i8(before).
			rows(func(r *wireRow) { last, seen = store.ScheduleName{Namespace: r.i4(), Name: r.text()}, seen+1 }))
	})
	if err != nil {
		return store.ScheduleName{}, fmt.Errorf("trim fires: %w", translate(err))
	}
	if seen < limit {
		return store.ScheduleName{}, nil
	}
	return last, nil
}
