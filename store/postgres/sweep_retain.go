package postgres

import (
	"context"
	"fmt"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// Retain deletes ended tasks; see store.Sweeper.
func (s *Store) Retain(ctx context.Context, keep store.Keep, cursor task.ID, limit int) (kept store.Retained, err error) {
	err = s.change(ctx, func(ctx context.Context, c *session) error {
		kept = store.Retained{}
		now := s.clock.now()
		var ended []task.ID
		var ends []int64
		seen := 0
		page := query(retainSQL).
			id(cursor).i8(int64(limit)).
			rows(func(r *wireRow) {
				row := store.Row{ID: r.id(), Lane: r.i4(), State: task.State(r.i2()), Reason: task.Reason(r.i2()), FinishedAt: r.i8(), ExpiresAt: r.i8(), Flags: r.i4(), Spec: r.bytes()}
				kept.Next = row.ID
				seen++
				switch {
				case keep.Over(&row, now):
					ended, ends = append(ended, row.ID), append(ends, row.FinishedAt)
				case row.Overdue(now):
					kept.Overdue = append(kept.Overdue, row.ID)
				}
			})
		keys := query(`
delete from sendoff.key where ctid = any(array(
 select ctid from sendoff.key k where until > 0 and until <= $1
  and (not while_open or not exists (select from sendoff.task t where t.id = k.task))
 order by until, hash limit $2 for update skip locked))`).i8(now).i8(int64(limit))
		if err := c.begin(ctx, query(pins), page); err != nil {
			return err
		}
		if seen < limit {
			kept.Next = task.ID{}
		}
		if len(ended) > 0 {
			var err error
			gone := query(eraseEndedSQL).idList(ended).i8s(len(ends), func(i int) int64 { return ends[i] })
			if kept.Deleted, err = erase(ctx, c, now, gone); err != nil {
				return err
			}
		}
		gates := query(forgetGatesSQL).i8(now).i8(int64(limit))
		return c.commit(ctx, keys, gates) // after the tasks: those of their keys that went with them do not count
	})
	if err != nil {
		return store.Retained{}, fmt.Errorf("delete ended tasks: %w", err)
	}
	return kept, nil
}

// Expire ends tasks that wait for others; see store.Sweeper.
func (s *Store) Expire(ctx context.Context, ids []task.ID) (ended int, woken []store.Woken, err error) {
	woken, err = s.gateChange(ctx, func(f *gateFloor) error {
		ended = 0
		if err := f.lockGatesOf(ids); err != nil {
			return err
		}
		for _, id := range ids {
			row, err := f.rowWithEntry(id)
			if err != nil {
				return err
			}
			if row == nil || !row.Overdue(f.now) {
				continue
			}
			ended++
			if err := f.end(row, task.Failed, task.Expired, store.Alone); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, nil, fmt.Errorf("end expired tasks: %w", err)
	}
	return ended, woken, nil
}

const gatesOfSQL = `select t.gates from unnest($1) as s(id) join sendoff.task t on t.id = any(array[s.id])`

// lockGatesOf locks the gates of tasks in their order, before any of the tasks is locked.
func (f *gateFloor) lockGatesOf(ids []task.ID) error {
	return f.holdAsked(query(gatesOfSQL).idList(ids))
}

const forgetGatesSQL = `
delete from sendoff.gate g where g.id = any(array(
 select id from sendoff.gate where inside = 0 and waiting = 0 and not configured and next <= $1 order by next, id limit $2 for update skip locked))`

var (
	retainSQL = words.SQL(`
select id, lane, state, reason, finished_at, expires_at, flags, case when flags & :flag_retention <> 0 then spec end
from sendoff.task where id > $1 order by id limit $2`)
	eraseOneSQL   = eraseSQL(`and t.state = $2 and t.run = $3 and (t.state in :final or (t.flags # $4::int4) & :flag_deps = 0)`)
	eraseEndedSQL = eraseSQL(`and t.state in :final and exists (select from unnest($1, $2) as e(id, at) where e.id = t.id and e.at = t.finished_at)`)
)

// eraseSQL deletes tasks that a condition on t, with parameters from $2 on, still
// holds for, and everything that is theirs but for entries in ready and timer.
func eraseSQL(guard string) string {
	return words.SQL(`
with t as (delete from sendoff.task t where t.id = any($1) ` + guard + ` returning t.id, t.lane, t.state, t.finished_at, t.flags, t.keys),
a as (delete from sendoff.attempt a using t where a.task = t.id),
b as (delete from sendoff.body b using t where b.task = t.id and t.flags & (:flag_body | :flag_waits | :flag_progress) <> 0),
w as (delete from sendoff.wait w using t where t.flags & :flag_waits <> 0 and w.task = t.id),
i as (delete from sendoff.inbox i using t where t.flags & :flag_waits <> 0 and i.task = t.id),
j as (delete from sendoff.journal j using t where t.flags & :flag_waits <> 0 and j.task = t.id),
p as (delete from sendoff.dep d using (select l.ctid from t cross join lateral (
  select e.ctid from sendoff.dep e where (e.down, e.up) > (t.id, ` + noID + `) and e.down <= t.id order by e.down, e.up) l
 where t.flags & :flag_need <> 0) x where d.ctid = x.ctid),
n as (delete from sendoff.need n using t where t.flags & :flag_need <> 0 and n.task = t.id),
d as (delete from sendoff.dead d using t where t.state = :failed and d.lane = t.lane and d.at = t.finished_at and d.id = t.id)
select id, keys from t`)
}

// eraseOne deletes a task as it was read, and its keys.
func eraseOne(ctx context.Context, c *session, now int64, row *store.Row, state task.State, flags int32) (int, error) {
	return erase(ctx, c, now, query(eraseOneSQL).idList([]task.ID{row.ID}).i8(int64(state)).i8(int64(row.Run)).i8(int64(flags)))
}

// erase deletes tasks by one of the statements above, and their keys.
func erase(ctx context.Context, c *session, now int64, q *stmt) (int, error) {
	gone := 0
	var names []store.KeyName
	var owners []task.ID
	q.rows(func(r *wireRow) {
		gone++
		id := r.id()
		for _, name := range store.DecodeKeyNames(r.bytes()) {
			names = append(names, name.KeyName)
			owners = append(owners, id)
		}
	})
	if err := c.do(ctx, q); err != nil {
		return 0, err
	}
	if len(names) == 0 {
		return gone, nil
	}
	n := len(names)
	return gone, c.do(ctx, query(`
delete from sendoff.key k using unnest($1, $2, $3, $4) as n(ns, kind, hash, task)
where k.ns = n.ns and k.kind = n.kind and k.hash = n.hash and k.task = n.task and k.until <= $5`).
		i4s(n, func(i int) int32 { return names[i].Namespace }).
		i2s(n, func(i int) int16 { return int16(names[i].Kind) }).
		blobs(n, func(i int) []byte { return names[i].Hash[:] }).
		ids(n, func(i int) task.ID { return owners[i] }).i8(now))
}
