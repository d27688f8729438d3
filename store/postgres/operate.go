package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

var cancelWaitingSQL = words.SQL(`
with v as materialized (select * from unnest($1, $2, $3, $4, $5) as v(id, lane, prio, at, state)),
r as (delete from sendoff.ready r using v where v.state = :ready and r.lane = v.lane and r.prio = v.prio and r.pos = v.at and r.id = v.id returning r.id),
m as (delete from sendoff.timer m using v where v.state in :timed and m.at = v.at and m.id = v.id returning m.id, v.state),
n as (update sendoff.need n set waits = false from v where v.state = :blocked and n.task = any(array[v.id]) and n.waits returning n.task as id),
w as materialized (select id, :ready::int2 as state from r union all select id, state from m union all select id, :blocked::int2 from n)
update sendoff.task t set state = :canceled, reason = $7, finished_at = $6
from w
where t.id = any(array[w.id]) and t.state = w.state and ($8 or t.flags & :flag_deps = 0) returning t.id, t.flags, t.run`)

// cancelWaiting cancels tasks that wait in ready or timer, unless somebody was
// faster: the entry in the work list goes first, as a claim does it. Unless deps is set,
// those that others depend on by now are left.
func cancelWaiting(victims []victim, now int64, why task.Reason, deps bool, each func(id task.ID, flags, run int32)) *stmt {
	n := len(victims)
	q := query(cancelWaitingSQL).
		ids(n, func(i int) task.ID { return victims[i].id }).
		i4s(n, func(i int) int32 { return victims[i].lane }).
		i2s(n, func(i int) int16 { return victims[i].readyPriority() }).
		i8s(n, func(i int) int64 { return victims[i].at }).
		i2s(n, func(i int) int16 { return int16(victims[i].state) }).
		i8(now).i2(int16(why)).bool(deps)
	if each != nil {
		q.rows(func(r *wireRow) { each(r.id(), r.i4(), r.i4()) })
	}
	return q
}

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
			if row := &rows[0]; row.State == task.Running && store.ManyAttempts(row.Token) {
				s.leaveOut(ctx, []task.ID{id})
			}
			return nil
		}
	}
	return fmt.Errorf("%s: %w", verb, errRace)
}

func standingOf(row *store.Row) victim {
	return victim{row.ID, &standing{kind: row.Kind, lane: row.Lane, prio: row.Priority, crashes: row.Crashes, at: row.At, state: row.State}}
}

var cancelRunningSQL = words.SQL(`
with u as (
 update sendoff.task set state = :canceled, reason = $4, finished_at = $3, token = token + 1,
  last_outcome = $7, last_code = 0, last_error = $5, last_cause = null
 where id = $1 and state = :running and token = $2 and ($6 or flags & :flag_deps = 0) returning id, run, node, last_started, at),
m as (delete from sendoff.timer m using u where m.at = u.at and m.id = u.id), -- of one whose app was to tell how it ends
a as (insert into sendoff.attempt (task, token, started_at, finished_at, run, number, code, outcome, truncated, node, error)
 select id, $2, last_started, $3, run, $8, 0, $7, false, node, $5 from u)
select true from u`)

// cancelRunning ends a task with its attempt. Unless deps is set, one that others depend
// on by now is left.
func cancelRunning(row *store.Row, why task.Reason, now int64, deps bool) *stmt {
	cut := store.CanceledTransition(row, why)
	return query(cancelRunningSQL).
		id(row.ID).i8(row.Token).i8(now).i2(int16(cut.Decision.Reason)).text(cut.Error).bool(deps).i2(int16(cut.Outcome)).i4(cut.Number())
}

// Cancel ends a task; see store.Operator.
func (s *Store) Cancel(ctx context.Context, id task.ID, reach store.Reach) (woken []store.Woken, err error) {
	err = s.operate(ctx, "cancel", id, func(ctx context.Context, row *store.Row) error {
		if row.Flags&store.FlagGate != 0 {
			woken, err = s.cancelGated(ctx, row, reach)
			return err
		}
		if err := row.CanCancel(); err != nil || row.State == task.Canceled {
			return err
		}
		changed, text, deps := false, "", row.Flags&store.FlagDeps != 0
		q := cancelWaiting([]victim{standingOf(row)}, s.clock.now(), task.Requested, deps, func(task.ID, int32, int32) { changed = true })
		if row.State == task.Running {
			text = store.CanceledError
			q = cancelRunning(row, task.Requested, s.clock.now(), deps).rows(func(*wireRow) { changed = true })
		}
		// Never in a statement of its own: its entry must not be gone when others have come
		// to depend on the task and it is left.
		return s.alone(ctx, []task.ID{id, row.Parent}, func() []*stmt { changed = false; return []*stmt{q} }, func(f *family) error {
			woken = nil
			f.leaveCalls(f.members[id], row.Token, reach)
			f.ended(f.members[id], task.Canceled, task.Requested, text, nil, &woken)
			if deps {
				f.roots = append(f.roots, endOf(id, row.Run, row.Flags, task.EndedBadly, &woken))
			}
			return raced(nil, &changed)
		})
	})
	return woken, err
}

// hasFamily tells whether the end of a task concerns more than the task.
func hasFamily(row *store.Row) bool {
	return row.Flags&(store.FlagParent|store.FlagWaits|store.FlagDeps) != 0
}

func raced(err error, changed *bool) error {
	if err == nil && !*changed {
		return errRace
	}
	return err
}

// RunNow makes a task ready that has a timer; see store.Operator.
func (s *Store) RunNow(ctx context.Context, id task.ID) ([]store.Woken, error) {
	var woken []store.Woken
	err := s.operate(ctx, "run now", id, func(ctx context.Context, row *store.Row) error {
		if err := row.CanRunNow(); err != nil || row.State == task.Ready {
			return err
		}
		if row.Flags&store.FlagGate != 0 {
			var err error
			woken, err = s.runGated(ctx, row, false)
			return err
		}
		span := s.clock.take(1)
		woken = nil
		one := []entering{{id: id, was: row.State, timer: row.At, pos: span.first, Entry: store.Enter(row.Entrant(), task.NoReason)}}
		changed := false
		err := s.act(ctx, &changed, query(pins), enterTimed(one, func(w store.Woken) { changed, woken = true, []store.Woken{w} }))
		if err != nil {
			s.clock.untake(span)
		}
		return err
	})
	return woken, err
}

var (
	unlistReadySQL = words.SQL(`delete from sendoff.ready where $1 = :ready and lane = $2 and prio = $3 and pos = $4 and id = $5 returning true`)
	unlistNeedSQL  = words.SQL(`update sendoff.need n set waits = false where $1 = :blocked and n.task = $2 and n.waits returning true`)
	unlistTimerSQL = words.SQL(`delete from sendoff.timer where $1 in :timed and at = $2 and id = $3 returning true`)
)

// Delete erases a task; see store.Operator.
func (s *Store) Delete(ctx context.Context, id task.ID) (woken []store.Woken, err error) {
	err = s.operate(ctx, "delete", id, func(ctx context.Context, row *store.Row) error {
		if err := row.CanDelete(); err != nil {
			return err
		}
		if row.Flags&store.FlagGate != 0 && !row.State.Final() {
			woken, err = s.deleteGated(ctx, row)
			return err
		}
		return s.change(ctx, func(ctx context.Context, c *session) error {
			woken = nil
			listed := row.State.Final()
			found := func(*wireRow) { listed = true }
			f := newFamily(s.clock, s.clock.now())
			stmts := []*stmt{query(pins)}
			if hasFamily(row) {
				stmts = append(stmts, f.lock(nil, []task.ID{id, row.Parent})...)
			}
			stmts = append(stmts,
				query(unlistReadySQL).
					i2(int16(row.State)).i4(row.Lane).i2(task.ReadyPriority(row.Kind, row.Priority, row.Crashes)).i8(row.At).id(id).rows(found),
				query(unlistTimerSQL).
					i2(int16(row.State)).i8(row.At).id(id).rows(found),
				query(unlistNeedSQL).i2(int16(row.State)).id(id).rows(found))
			if hasFamily(row) {
				// What is made beside the task under a lock of it is there when this
				// statement is over, and erased by the next one.
				stmts = append(stmts, query(`select from sendoff.task where id = $1 for update`).id(id), f.look([]task.ID{id, row.Parent}))
			}
			if err := c.begin(ctx, stmts...); err != nil {
				return err
			}
			if !listed {
				return errRace
			}
			if !row.State.Final() && row.Flags&store.FlagParent != 0 {
				f.tell(f.members[id], task.Canceled, task.Requested, "", nil, &woken)
			}
			if !row.State.Final() && row.Flags&store.FlagDeps != 0 {
				f.roots = append(f.roots, endOf(id, row.Run, row.Flags, task.EndedBadly, &woken))
			}
			writes, err := s.rest(ctx, c, f)
			if err != nil {
				return err
			}
			gone, err := eraseOne(ctx, c, s.clock.now(), row, row.State, row.Flags)
			if err == nil && gone == 0 {
				return errRace
			}
			if err != nil {
				return err
			}
			return c.commit(ctx, writes...)
		})
	})
	return woken, err
}

// The first tasks in line, with what is to be locked for them. They come in any
// order: the planner may go through the tasks first.
var (
	purgeReadySQL = words.SQL(`
select t.id, t.lane, t.prio, t.crashes, t.at, t.state, t.kind, t.flags, t.parent
from (select r.id, r.pos from unnest($1) as a(lane)
 cross join lateral (select r.id, r.pos from sendoff.ready r where r.lane = a.lane order by r.lane, r.prio, r.pos limit $2) r limit $2) r
join sendoff.task t on t.id = any(array[r.id]) and t.state = :ready and t.at = r.pos`)
	purgeTimersSQL = words.SQL(`
select t.id, t.lane, t.prio, t.crashes, t.at, t.state, t.kind, t.flags, t.parent
from (select m.id, m.at from sendoff.timer m where m.lane = any($1) and m.kind <> :running order by m.at, m.id limit $2) m
join sendoff.task t on t.id = any(array[m.id]) and t.state in :timed and t.at = m.at`)
	purgeNeedsSQL = words.SQL(`
select t.id, t.lane, t.prio, t.crashes, t.at, t.state, t.kind, t.flags, t.parent
from (select n.task as id from sendoff.need n where n.waits and n.lane = any($1) limit $2) n
join sendoff.task t on t.id = any(array[n.id]) and t.state = :blocked`)
	purgeLinesSQL = words.SQL(`
select t.id, t.lane, t.prio, t.crashes, 0::int8, t.state, t.kind, t.flags, t.parent
from (select distinct l.task as id from sendoff.line l where l.lane = any($1) order by l.task limit $2) l
join sendoff.task t on t.id = any(array[l.id]) and t.state = :blocked`)
)

// Purge cancels waiting tasks of lanes; see store.Operator. Those in ready and
// those with timers are two transactions, because the end of one of the former
// can make one of the latter ready.
func (s *Store) Purge(ctx context.Context, lanes []int32, limit int) (int, []store.Woken, error) {
	lanes = slices.Compact(slices.Sorted(slices.Values(lanes)))
	purged := 0
	var woken []store.Woken
	for _, source := range []string{purgeReadySQL, purgeTimersSQL, purgeNeedsSQL, purgeLinesSQL} {
		n, w, err := s.purge(ctx, source, lanes, limit-purged)
		for try := 1; errors.Is(err, errRace) && try < maxTries; try++ { // claims were faster with all of them
			n, w, err = s.purge(ctx, source, lanes, limit-purged)
		}
		purged += n
		for _, w := range w {
			woken = store.Collect(woken, w)
		}
		if err != nil {
			return purged, woken, fmt.Errorf("purge: %w", err)
		}
	}
	return purged, woken, nil
}

// inLine orders the tasks of one work list: by lane and priority in ready, by time
// among the timers.
func inLine(a, b victim) int {
	order := cmp.Or(cmp.Compare(a.at, b.at), bytes.Compare(a.id[:], b.id[:]))
	if a.state != task.Ready {
		return order
	}
	return cmp.Or(cmp.Compare(a.lane, b.lane), cmp.Compare(a.readyPriority(), b.readyPriority()), order)
}

// waiting is what a purge found.
type waiting struct {
	victims []victim
	related []task.ID // whose waits are to be locked
	gated   bool      // one of them has gates
}

// look finds the first tasks in line.
func (w *waiting) look(source string, lanes []int32, limit int) *stmt {
	return query(source).i4s(len(lanes), func(i int) int32 { return lanes[i] }).i8(int64(limit)).rows(func(r *wireRow) {
		v, row := readVictim(r)
		w.gated = w.gated || row.Flags&store.FlagGate != 0
		if hasFamily(&row) {
			w.related = append(w.related, row.ID, row.Parent)
		}
		w.victims = append(w.victims, v)
	})
}

// inOrder are the victims as they stand in line; those that wait for others by their ids.
func (w *waiting) inOrder(source string) []victim {
	if source == purgeNeedsSQL {
		slices.SortFunc(w.victims, func(a, b victim) int { return bytes.Compare(a.id[:], b.id[:]) })
	} else {
		slices.SortFunc(w.victims, inLine)
	}
	return w.victims
}

// purgeAll cancels waiting tasks, of which some are related to others, and commits.
func (s *Store) purgeAll(ctx context.Context, c *session, victims []victim, related []task.ID) (purged int, woken []store.Woken, err error) {
	f := newFamily(s.clock, s.clock.now())
	gone := map[task.ID]bool{}
	deps := map[task.ID]root{} // of those that others depend on
	stmts := f.lock(nil, related)
	if len(related) > 0 {
		stmts = append(stmts, f.look(related)) // as they were: one of them may be the parent of another
	}
	stmts = append(stmts, cancelWaiting(victims, f.now, task.Requested, true, func(id task.ID, flags, run int32) {
		if gone[id] = true; flags&store.FlagDeps != 0 {
			deps[id] = endOf(id, run, flags, task.EndedBadly, &woken)
		}
	}))
	if err := c.do(ctx, stmts...); err != nil {
		return 0, nil, err
	}
	if len(gone) == 0 {
		return 0, nil, errRace
	}
	ends := make([]end, len(victims))
	for i, v := range victims {
		if m := f.members[v.id]; gone[v.id] && m != nil {
			ends[i].tell = func() { f.ended(m, task.Canceled, task.Requested, "", nil, &woken) }
		}
		ends[i].root = deps[v.id]
	}
	followers, err := s.newFollowing(f.now).tellEnds(ctx, c, ends)
	if err != nil {
		return 0, nil, err
	}
	c.audit.SetCount(len(gone))
	return len(gone), woken, c.commit(ctx, append(f.statements(), followers...)...)
}

func (s *Store) purge(ctx context.Context, source string, lanes []int32, limit int) (purged int, woken []store.Woken, err error) {
	if limit <= 0 {
		return 0, nil, nil
	}
	ctx, _ = store.AuditPart(ctx)
	err = s.change(ctx, func(ctx context.Context, c *session) error {
		purged, woken = 0, nil
		var line waiting
		if err := c.begin(ctx, query(pins), line.look(source, lanes, limit)); err != nil || len(line.victims) == 0 {
			return err
		}
		victims, related := line.inOrder(source), line.related
		if line.gated {
			purged, woken, err = s.purgeGated(ctx, c, victims)
			return err
		}
		purged, woken, err = s.purgeAll(ctx, c, victims, related)
		return err
	})
	if err != nil {
		return 0, nil, err
	}
	return purged, woken, nil
}

func readVictim(r *wireRow) (victim, store.Row) {
	v := victim{r.id(), &standing{lane: r.i4(), prio: r.i2(), crashes: r.i4(), at: r.i8(), state: task.State(r.i2())}}
	v.kind = task.Kind(r.i2())
	return v, store.Row{ID: v.id, Kind: v.kind, Flags: r.i4(), Parent: r.id()}
}
