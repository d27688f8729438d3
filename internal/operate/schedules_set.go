package operate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/plan"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task/cron"
)

// previewed is how many times a dry run shows.
const previewed = 5

// check checks a definition with its task, and brings it into its stored form, beside a
// GraphFault as well.
func (s *Schedules) check(ctx context.Context, name string, d *plan.Definition) (*plan.Rules, []byte, error) {
	rules, err := d.Rules(name)
	if err != nil {
		return nil, nil, err
	}
	fault := s.cfg.Planner.Check(ctx, store.ScheduleName{Namespace: space(ctx), Name: name}, d, rules)
	if fault != nil && !ofGraph(fault) {
		return nil, nil, fault
	}
	spec, err := d.Encode()
	return rules, spec, cmp.Or(err, fault)
}

func ofGraph(err error) bool {
	_, is := errors.AsType[GraphFault](err)
	return is
}

// Set makes a schedule, or changes the one of that name, and tells whether it is new. When
// the times stay the same, so does when it is due next. task.Invalid, store.OverQuota.
func (s *Schedules) Set(ctx context.Context, name string, d plan.Definition) (one Schedule, made bool, err error) {
	rules, spec, err := s.check(ctx, name, &d)
	if err != nil {
		return Schedule{}, false, err
	}
	one, err = s.change(ctx, name, func(had *Schedule) (*store.Schedule, []store.Fire, error) {
		made = had == nil
		if made {
			if err := s.room(ctx); err != nil {
				return nil, nil, err
			}
		}
		if !made && same(had.Spec, &d) {
			return nil, nil, nil
		}
		next, fires := s.replaced(ctx, name, had, &d, rules, spec)
		next.Edited = next.Declared != nil && !same(next.Declared, &d)
		return next, fires, nil
	})
	return one, made, err
}

// room says that the namespace of whoever asks may have no further schedule:
// store.OverQuota. The program itself may.
func (s *Schedules) room(ctx context.Context) error {
	if s.cfg.Most == nil || auth.From(ctx) == nil {
		return nil
	}
	most := s.cfg.Most(space(ctx))
	for n, after := int64(0), ""; most > 0; {
		page, err := s.cfg.Store.ListSchedules(ctx, space(ctx), after, maxPage)
		if err != nil {
			return err
		}
		switch n += int64(len(page)); {
		case n >= most:
			return store.OverQuota{What: "schedules", Allow: strconv.FormatInt(most, 10)}
		case len(page) < maxPage:
			return nil
		}
		after = page[len(page)-1].Name
	}
	return nil
}

// replaced is a schedule with another definition; had is nil for a new one.
func (s *Schedules) replaced(ctx context.Context, name string, had *Schedule, d *plan.Definition, rules *plan.Rules, spec []byte) (*store.Schedule, []store.Fire) {
	now := s.cfg.Store.Now()
	next := &store.Schedule{ScheduleName: store.ScheduleName{Namespace: space(ctx), Name: name}, Spec: spec}
	if had == nil {
		next.NextAt = rules.Next(now)
		return next, nil
	}
	*next = had.Schedule
	next.Spec = spec
	if had.Paused || had.SameTimes(d) {
		return next, nil
	}
	next.NextAt = rules.Next(now)
	return next, s.unfired(had, now, "it was changed before it was fired")
}

// DryRun is Set that stores nothing: the schedule as it would be, and its next times.
func (s *Schedules) DryRun(ctx context.Context, name string, d plan.Definition) (Schedule, []cron.Fire, error) {
	rules, spec, err := s.check(ctx, name, &d)
	if err != nil {
		return Schedule{}, nil, err
	}
	one, err := s.Get(ctx, name)
	var had *Schedule
	switch {
	case err == nil:
		had = &one
	case !errors.Is(err, store.ErrNotFound):
		return Schedule{}, nil, err
	default:
		if err := s.room(ctx); err != nil {
			return Schedule{}, nil, err
		}
	}
	next, _ := s.replaced(ctx, name, had, &d, rules, spec)
	next.Edited = next.Declared != nil && !same(next.Declared, &d)
	return Schedule{d, *next}, rules.Preview(s.cfg.Store.Now(), previewed), nil
}

// Reset has a declared schedule be as its file says. store.ErrNotFound, ErrNotDeclared.
func (s *Schedules) Reset(ctx context.Context, name string) (Schedule, error) {
	return s.change(ctx, name, func(had *Schedule) (*store.Schedule, []store.Fire, error) {
		switch {
		case had == nil:
			return nil, nil, store.ErrNotFound
		case had.Declared == nil:
			return nil, nil, ErrNotDeclared
		case !had.Edited:
			return nil, nil, nil
		}
		d, err := plan.Decode(had.Declared)
		if err != nil {
			return nil, nil, err
		}
		rules, spec, err := s.check(ctx, name, &d)
		if err != nil {
			return nil, nil, err
		}
		next, fires := s.replaced(ctx, name, had, &d, rules, spec)
		next.Edited = false
		return next, fires, nil
	})
}

// Declare brings the schedules that a file declares in line with it: those are made, or
// changed unless somebody has edited them, and those that it does not declare any more are
// deleted unless somebody has. One that was made otherwise and is declared from now on
// counts as edited. task.Invalid names the schedule.
func (s *Schedules) Declare(ctx context.Context, declared map[string]plan.Definition) error {
	for name, d := range declared {
		if err := s.declare(ctx, name, d); err != nil {
			return fmt.Errorf("schedule %q: %w", name, err)
		}
	}
	for cursor := ""; ; {
		page, err := s.List(ctx, cursor, maxPage)
		if err != nil {
			return err
		}
		for i := range page.Items {
			if _, still := declared[page.Items[i].Name]; still || !page.Items[i].IsDeclared() {
				continue
			}
			if err := s.undeclare(ctx, &page.Items[i]); err != nil {
				return err
			}
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}

func (s *Schedules) declare(ctx context.Context, name string, d plan.Definition) error {
	rules, spec, err := s.check(ctx, name, &d)
	if err != nil && !ofGraph(err) { // a graph may be kept later, or changed: a server starts without it
		return err
	}
	_, err = s.change(ctx, name, func(had *Schedule) (*store.Schedule, []store.Fire, error) {
		if had != nil && same(had.Declared, &d) {
			return nil, nil, nil
		}
		if had != nil && (had.Edited || had.Declared == nil) {
			next := had.Schedule
			next.Declared, next.Edited = spec, !same(had.Spec, &d)
			return &next, nil, nil
		}
		next, fires := s.replaced(ctx, name, had, &d, rules, spec)
		next.Declared, next.Edited = spec, false
		return next, fires, nil
	})
	return err
}

// undeclare deletes a schedule that is declared no longer, or leaves it to who has edited it.
func (s *Schedules) undeclare(ctx context.Context, one *Schedule) error {
	if !one.Edited {
		err := s.Delete(ctx, one.Name)
		if errors.Is(err, store.ErrNotFound) {
			return nil // another node was faster
		}
		return err
	}
	_, err := s.change(ctx, one.Name, func(had *Schedule) (*store.Schedule, []store.Fire, error) {
		if had == nil || had.Declared == nil {
			return nil, nil, nil
		}
		next := had.Schedule
		next.Declared, next.Edited = nil, false
		return &next, nil, nil
	})
	return err
}
