package schedule

import (
	"context"
	"errors"
	"time"

	"github.com/sendoff-dev/sendoff/internal/plan"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Planner makes the tasks of schedules.
type Planner interface {
	// Plan prepares a task of a schedule. What is wrong with the task is a task.Invalid, or
	// another error of accept, or ErrElsewhere; what else it returns is of the database.
	Plan(ctx context.Context, of store.ScheduleName, d *plan.Definition, r *plan.Rules) (store.NewTask, error)

	// Planned is told of tasks that are stored.
	Planned(tasks []store.NewTask, inserted []store.Inserted, woken []store.Woken)
}

// ErrElsewhere is of a task that only other nodes can make: for plan.OnTime it is left to them.
var ErrElsewhere = errors.New("this node cannot make it")

// FireMeter counts what became of schedules.
type FireMeter interface {
	Fired(outcome string, late time.Duration)
}

const (
	fireBatch  = 500                 // schedules, and about as many tasks, in one transaction
	keepFires  = 1000                // of each schedule
	firesAge   = 30 * 24 * time.Hour // that are kept
	trimPage   = 100
	lockedPace = 100 * time.Millisecond
)

// Planned says that a schedule was changed, so that it is not found only by the next look.
func (s *Scheduler) Planned() {
	select {
	case s.planned <- struct{}{}:
	default:
	}
}

// fire sleeps until the nearest schedule is due, at most one sweep long.
func (s *Scheduler) fire(ctx context.Context) error {
	next := int64(0) // look at once
	for {
		wait := min(time.Duration(next-s.cfg.Store.Now())*time.Microsecond, s.jittered())
		select {
		case <-ctx.Done():
			return nil
		case <-s.planned:
		case <-time.After(wait):
		}
		var err error
		if next, err = s.fireDue(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Log.Warn("firing schedules failed, it is tried again", "err", err)
		}
	}
}

// fireDue fires what is due, and returns when to look again. What another node has locked,
// or alone can make, is left to that one, and does not keep the others from being found.
func (s *Scheduler) fireDue(ctx context.Context) (int64, error) {
	soon := s.cfg.Store.Now() + time.Hour.Microseconds()
	passed := map[store.ScheduleName]bool{}
	for ctx.Err() == nil {
		due, next, err := s.cfg.Store.DueSchedules(ctx, fireBatch+len(passed))
		if err != nil {
			return soon, err
		}
		var firings []store.Firing
		tasks := 0
		for i := range due {
			if passed[due[i].ScheduleName] || tasks >= fireBatch {
				continue
			}
			f, err := s.firing(ctx, &due[i])
			if errors.Is(err, ErrElsewhere) {
				passed[due[i].ScheduleName] = true
				continue
			}
			if err != nil {
				return soon, err
			}
			firings, tasks = append(firings, f), tasks+len(f.Times)
		}
		if len(firings) == 0 {
			if len(passed) > 0 {
				return s.cfg.Store.Now() + lockedPace.Microseconds(), nil
			}
			if next == 0 {
				next = soon
			}
			return next, nil
		}
		if err := s.volley(ctx, firings, passed); err != nil {
			return soon, err
		}
	}
	return soon, nil
}

// volley carries firings out, and notes those of which nothing came.
func (s *Scheduler) volley(ctx context.Context, firings []store.Firing, passed map[store.ScheduleName]bool) error {
	fired, woken, err := s.cfg.Store.Fire(ctx, firings)
	if err != nil {
		return err
	}
	var tasks []store.NewTask
	var inserted []store.Inserted
	now := s.cfg.Store.Now()
	for i, f := range fired {
		if f.Changed {
			passed[firings[i].Schedule.ScheduleName] = true
			continue
		}
		s.cfg.Fired(firings[i].Schedule.ScheduleName)
		for n, in := range f.Tasks {
			one := &firings[i].Times[n]
			outcome := store.FireSkipped
			switch {
			case one.Missed:
				outcome = store.FireMissed
			case in.Status == store.Created:
				outcome = store.FireDone
			}
			s.cfg.Fires.Fired(outcome.String(), time.Duration(now-one.Due)*time.Microsecond)
			if one.Task != nil {
				tasks, inserted = append(tasks, *one.Task), append(inserted, in)
			}
		}
	}
	s.cfg.Planner.Planned(tasks, inserted, woken)
	return nil
}

// firing is what is to be done about a schedule that is due. One whose task cannot be
// accepted is skipped with the reason, and stays. The error is of the database.
func (s *Scheduler) firing(ctx context.Context, due *store.Schedule) (store.Firing, error) {
	f := store.Firing{Schedule: *due}
	now := s.cfg.Store.Now()
	d, err := plan.Decode(due.Spec)
	var rules *plan.Rules
	if err == nil {
		rules, err = d.Rules(due.Name)
	}
	if err != nil { // a newer version has stored it, which a node of that version reads
		f.NextAt = now + time.Hour.Microseconds()
		f.Times = []store.FireTime{{Due: due.NextAt, Reason: err.Error()}}
		return f, nil
	}
	times := rules.Due(due.NextAt, now)
	f.NextAt = times.Next
	for _, m := range times.Missed {
		f.Times = append(f.Times, store.FireTime{Due: m.Due, Missed: true, Reason: m.Reason})
	}
	for _, at := range times.Fire {
		one := store.FireTime{Due: at}
		t, err := s.cfg.Planner.Plan(ctx, due.ScheduleName, &d, rules)
		switch _, invalid := errors.AsType[task.Invalid](err); {
		case err == nil:
			one.Task = &t
		case errors.Is(err, ErrElsewhere) && now-due.NextAt < plan.OnTime.Microseconds():
			return f, err
		case invalid, errors.Is(err, store.ErrOldNode), errors.Is(err, store.ErrTooManyQueues):
			one.Reason = err.Error()
		default:
			return f, err
		}
		f.Times = append(f.Times, one)
	}
	return f, nil
}

// trim deletes old fires, a page of schedules at a time.
func (s *Scheduler) trim(ctx context.Context) error {
	var after store.ScheduleName
	pace := func() time.Duration {
		if after.Name == "" {
			return time.Minute
		}
		return 50 * time.Millisecond
	}
	return s.every(ctx, pace, func() bool {
		last, err := s.cfg.Store.TrimFires(ctx, after, trimPage, keepFires, s.cfg.Store.Now()-firesAge.Microseconds())
		if err != nil && ctx.Err() == nil {
			s.cfg.Log.Warn("deleting old fires failed", "err", err)
		}
		after = last
		return false
	})
}
