package postgres

import (
	"context"
	"fmt"

	"github.com/sendoff-dev/sendoff/store"
)

// DueSchedules lists what is due; see store.Firer.
func (s *Store) DueSchedules(ctx context.Context, limit int) ([]store.Schedule, int64, error) {
	var all []store.Schedule
	err := s.read(ctx, query(pins), query(dueSchedulesSQL).i8(int64(limit)+1).rows(func(r *wireRow) { all = append(all, readSchedule(r)) }))
	if err != nil {
		return nil, 0, fmt.Errorf("look for due schedules: %w", translate(err))
	}
	due, next := store.SplitDue(all, limit, s.clock.now())
	return due, next, nil
}

// Fire makes the tasks of schedules; see store.Firer. When a value is to blame for a
// failure it is found by halving, so that it fails alone.
func (s *Store) Fire(ctx context.Context, firings []store.Firing) ([]store.Fired, []store.Woken, error) {
	if len(firings) == 0 {
		return nil, nil, nil
	}
	v := &volley{s: s, firings: firings, out: make([]store.Fired, len(firings))}
	err := s.change(ctx, v.fire)
	switch {
	case err == nil:
		return v.out, v.op.woken, nil
	case !isDataError(err):
		return nil, nil, fmt.Errorf("fire schedules: %w", translate(err))
	case len(firings) > 1:
		half := len(firings) / 2
		first, woken, err := s.Fire(ctx, firings[:half])
		if err != nil {
			return nil, nil, err
		}
		second, more, err := s.Fire(ctx, firings[half:])
		for _, w := range more {
			woken = store.Collect(woken, w)
		}
		return append(first, second...), woken, err
	case len(v.op.tasks) == 0:
		return nil, nil, fmt.Errorf("fire schedules: %w", translate(err))
	}
	return s.Fire(ctx, []store.Firing{unstorable(&firings[0])})
}

// unstorable is a firing without its tasks, of which the database cannot store one.
func unstorable(f *store.Firing) store.Firing {
	without := *f
	without.Times = make([]store.FireTime, len(f.Times))
	for i, t := range f.Times {
		if t.Task != nil {
			t.Task, t.Reason = nil, "the database cannot store a value of the task"
		}
		without.Times[i] = t
	}
	return without
}

// volley fires schedules in one transaction.
type volley struct {
	s       *Store
	firings []store.Firing
	out     []store.Fired
	op      *insertOp
}

func (v *volley) fire(ctx context.Context, c *session) error {
	now := v.s.clock.now()
	there := map[store.ScheduleName]*store.Schedule{}
	if err := c.open(ctx, query(pins), v.lock().rows(func(r *wireRow) { one := readSchedule(r); there[one.ScheduleName] = &one })); err != nil {
		return err
	}
	v.op = &insertOp{}
	for i := range v.firings {
		f := &v.firings[i]
		if s := there[f.Schedule.ScheduleName]; f.Stands(s) {
			v.op.tasks = append(v.op.tasks, f.Tasks()...)
		} else {
			delete(there, f.Schedule.ScheduleName)
		}
	}
	v.op.out = make([]store.Inserted, len(v.op.tasks))
	p := newPlan(now)
	if err := p.lookAround(&gateFloor{s: v.s, ctx: ctx, c: c, now: now}, []*insertOp{v.op}, c.do); err != nil {
		return err
	}
	p.resolve(v.op, false)
	writes, span, err := v.s.carryOut(ctx, c, p)
	if err == nil {
		err = c.commit(ctx, append(writes, v.record(there, now)...)...)
	}
	if err != nil {
		v.s.clock.untake(span)
	}
	return err
}

// lock locks the schedules that are to be fired. For one that somebody fires by hand it waits.
func (v *volley) lock() *stmt {
	if len(v.firings) == 1 && v.firings[0].ByHand {
		return query(lockScheduleSQL).i4(v.firings[0].Schedule.Namespace).text(v.firings[0].Schedule.Name)
	}
	return query(lockDueSQL).
		i4s(len(v.firings), func(i int) int32 { return v.firings[i].Schedule.Namespace }).
		rawTexts(len(v.firings), func(i int) string { return v.firings[i].Schedule.Name })
}

// record works out what became of each firing.
func (v *volley) record(there map[store.ScheduleName]*store.Schedule, now int64) []*stmt {
	var of []store.Schedule
	var fires [][]store.Fire
	made := v.op.out
	for i := range v.firings {
		f := &v.firings[i]
		s := there[f.Schedule.ScheduleName]
		if s == nil {
			v.out[i] = store.Fired{Changed: true}
			continue
		}
		n := len(f.Tasks())
		done, fired := f.Done(s, made[:n], now)
		made, v.out[i] = made[n:], fired
		of, fires = append(of, *s), append(fires, done)
	}
	return recordFires(of, fires)
}
