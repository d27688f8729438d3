package operate

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"

	"github.com/sendoff-dev/sendoff/internal/events"
	"github.com/sendoff-dev/sendoff/internal/need"
	"github.com/sendoff-dev/sendoff/internal/plan"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
	"github.com/sendoff-dev/sendoff/task/cron"
)

// SchedulesConfig is the Config of Schedules. All fields but Saw and Most are required.
type SchedulesConfig struct {
	Store interface {
		store.Schedules
		Fire(ctx context.Context, firings []store.Firing) ([]store.Fired, []store.Woken, error)
		Now() int64
	}
	Planner interface {
		// Check says what is wrong with the task of a definition. task.Invalid, GraphFault.
		Check(ctx context.Context, of store.ScheduleName, d *plan.Definition, r *plan.Rules) error
		Plan(ctx context.Context, of store.ScheduleName, d *plan.Definition, r *plan.Rules) (store.NewTask, error)
		Planned(tasks []store.NewTask, inserted []store.Inserted, woken []store.Woken)
	}
	Changed func() // a schedule was changed

	// Saw is told what happened to a schedule, by the types of events; nil = nobody is.
	Saw func(of store.ScheduleName, what string)

	// Most is how many schedules clients may make in a namespace, 0 = any number; nil = in all.
	Most func(namespace int32) int64
}

// Schedules looks at schedules and steers them. Safe for concurrent use.
type Schedules struct{ cfg SchedulesConfig }

// NewSchedules returns a Schedules.
func NewSchedules(cfg SchedulesConfig) *Schedules {
	need.Fields(cfg, "Store", "Planner", "Changed")
	if cfg.Saw == nil {
		cfg.Saw = func(store.ScheduleName, string) {}
	}
	return &Schedules{cfg}
}

// Schedule is a schedule as it is shown.
type Schedule struct {
	plan.Definition
	store.Schedule
}

// IsDeclared tells whether a file says something of it.
func (s *Schedule) IsDeclared() bool { return s.Declared != nil }

// SchedulePage is a part of the schedules.
type SchedulePage struct {
	Items []Schedule
	Next  string // empty at the end
}

// FirePage is a part of what became of a schedule's times, newest first.
type FirePage struct {
	Items []store.Fire
	Next  string // empty at the end
}

// ErrNotDeclared says that no file declares a schedule.
var ErrNotDeclared = errors.New("no configuration file declares it: there is nothing to go back to")

// GraphFault is what is wrong with a schedule only as long as the stored graph that it runs is
// as it is, or is not there.
type GraphFault struct{ task.Invalid }

// Unwrap is the faults.
func (f GraphFault) Unwrap() error { return f.Invalid }

// ErrDropped says that a task was not made by hand.
var ErrDropped = errors.New("no task was made")

func shownSchedule(s store.Schedule, err error) (Schedule, error) {
	if err != nil {
		return Schedule{}, err
	}
	d, err := plan.Decode(s.Spec)
	return Schedule{d, s}, err
}

func unknownSchedule(name string, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("schedule %q: %w", name, err)
	}
	return err
}

// Get returns a schedule. store.ErrNotFound.
func (s *Schedules) Get(ctx context.Context, name string) (Schedule, error) {
	one, err := shownSchedule(s.cfg.Store.Schedule(ctx, space(ctx), name))
	return one, unknownSchedule(name, err)
}

// List lists schedules by name, limit at most; 0 = 50. ErrBadCursor.
func (s *Schedules) List(ctx context.Context, cursor string, limit int) (SchedulePage, error) {
	after, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return SchedulePage{}, ErrBadCursor
	}
	if limit <= 0 {
		limit = 50
	}
	limit = min(limit, maxPage)
	all, err := s.cfg.Store.ListSchedules(ctx, space(ctx), string(after), limit+1)
	if err != nil {
		return SchedulePage{}, err
	}
	page := SchedulePage{}
	if len(all) > limit {
		all = all[:limit]
		page.Next = base64.RawURLEncoding.EncodeToString([]byte(all[limit-1].Name))
	}
	for _, one := range all {
		shown, err := shownSchedule(one, nil)
		if err != nil {
			return SchedulePage{}, err
		}
		page.Items = append(page.Items, shown)
	}
	return page, nil
}

// Delete forgets a schedule; the tasks that it made stay. store.ErrNotFound.
func (s *Schedules) Delete(ctx context.Context, name string) error {
	if one, err := s.Get(ctx, name); err == nil {
		tellChange(ctx, factsOfSchedule(&one.Schedule), nil)
	}
	err := s.cfg.Store.DeleteSchedule(ctx, space(ctx), name)
	if err == nil {
		s.cfg.Saw(store.ScheduleName{Namespace: space(ctx), Name: name}, events.Deleted)
	}
	return unknownSchedule(name, err)
}

// Preview is the next n times of a schedule that is stored.
func (s *Schedules) Preview(ctx context.Context, name string, n int) ([]cron.Fire, error) {
	one, err := s.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	rules, err := one.Rules(name)
	if err != nil {
		return nil, err
	}
	return rules.Preview(s.cfg.Store.Now(), n), nil
}

// Fires lists what became of the times of a schedule, newest first, limit at most; 0 = 50.
// store.ErrNotFound, ErrBadCursor.
func (s *Schedules) Fires(ctx context.Context, name, cursor string, limit int) (FirePage, error) {
	var before store.Fire
	if cursor != "" {
		b, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil || len(b) != 24 {
			return FirePage{}, ErrBadCursor
		}
		before.Due, before.Task = int64(binary.BigEndian.Uint64(b)), task.ID(b[8:])
	}
	if _, err := s.Get(ctx, name); err != nil {
		return FirePage{}, err
	}
	if limit <= 0 {
		limit = 50
	}
	limit = min(limit, maxPage)
	all, err := s.cfg.Store.Fires(ctx, space(ctx), name, before, limit+1)
	if err != nil || len(all) <= limit {
		return FirePage{Items: all}, err
	}
	last := all[limit-1]
	b := append(binary.BigEndian.AppendUint64(nil, uint64(last.Due)), last.Task[:]...)
	return FirePage{all[:limit], base64.RawURLEncoding.EncodeToString(b)}, nil
}

// Run makes a task of a schedule now, whether it is paused or not, and returns its id. When
// that is due next stays as it is. store.ErrNotFound, task.Invalid, ErrDropped.
func (s *Schedules) Run(ctx context.Context, name string) (task.ID, error) {
	one, err := s.Get(ctx, name)
	if err != nil {
		return task.ID{}, err
	}
	rules, err := one.Rules(name)
	if err != nil {
		return task.ID{}, err
	}
	t, err := s.cfg.Planner.Plan(ctx, one.ScheduleName, &one.Definition, rules)
	if err != nil {
		return task.ID{}, err
	}
	firing := store.Firing{Schedule: one.Schedule, ByHand: true, Times: []store.FireTime{{Due: s.cfg.Store.Now(), Task: &t}}}
	fired, woken, err := s.cfg.Store.Fire(ctx, []store.Firing{firing})
	switch {
	case err != nil:
		return task.ID{}, err
	case fired[0].Changed:
		return task.ID{}, unknownSchedule(name, store.ErrNotFound)
	}
	in := fired[0].Tasks[0]
	s.cfg.Planner.Planned([]store.NewTask{t}, fired[0].Tasks, woken)
	s.cfg.Saw(one.ScheduleName, events.Fired)
	if in.Status != store.Created {
		return task.ID{}, fmt.Errorf("%w: see /v1/schedules/%s/fires", ErrDropped, url.PathEscape(name))
	}
	return in.ID, nil
}

// changeTries is how often a change is tried again, when the schedule was fired meanwhile.
const changeTries = 50

// change puts a schedule as make has it, given how it is; nil = there is none. made returns
// nil to leave it as it is.
func (s *Schedules) change(ctx context.Context, name string, make func(had *Schedule) (*store.Schedule, []store.Fire, error)) (Schedule, error) {
	for try := 1; ; try++ {
		var had *Schedule
		one, err := s.Get(ctx, name)
		switch {
		case err == nil:
			had = &one
		case !errors.Is(err, store.ErrNotFound):
			return Schedule{}, err
		}
		next, fires, err := make(had)
		if err != nil {
			return Schedule{}, unknownSchedule(name, err)
		}
		if next == nil {
			return one, nil
		}
		var was *store.Schedule
		if had != nil {
			was = &had.Schedule
		}
		tellChange(ctx, planned(was), planned(next))
		put, err := shownSchedule(s.cfg.Store.PutSchedule(ctx, *next, was, fires))
		if errors.Is(err, store.ErrChanged) && try < changeTries && ctx.Err() == nil {
			continue
		}
		if err == nil {
			s.cfg.Changed()
			s.cfg.Saw(put.ScheduleName, events.Changed)
		}
		return put, err
	}
}

// unfired are the times of a schedule that are due and were not fired when it is changed.
func (s *Schedules) unfired(had *Schedule, now int64, why string) []store.Fire {
	rules, err := had.Rules(had.Name)
	if err != nil || had.NextAt == 0 {
		return nil
	}
	var fires []store.Fire
	for _, m := range rules.Missed(had.NextAt, now+1, why) {
		fires = append(fires, store.Fire{Due: m.Due, FiredAt: now, Outcome: store.FireMissed, Reason: m.Reason})
	}
	return fires
}

// SetPaused pauses a schedule or has it go on. What would be due while it is paused is
// neither fired nor caught up with. store.ErrNotFound.
func (s *Schedules) SetPaused(ctx context.Context, name string, paused bool) (Schedule, error) {
	return s.change(ctx, name, func(had *Schedule) (*store.Schedule, []store.Fire, error) {
		if had == nil {
			return nil, nil, store.ErrNotFound
		}
		if had.Paused == paused {
			return nil, nil, nil
		}
		rules, err := had.Rules(name)
		if err != nil {
			return nil, nil, err
		}
		next, now := had.Schedule, s.cfg.Store.Now()
		next.Paused = paused
		if paused {
			next.NextAt = 0
			return &next, s.unfired(had, now, "it was paused before it was fired"), nil
		}
		next.NextAt = rules.Next(now)
		return &next, nil, nil
	})
}

// same tells whether a stored form is that of a definition.
func same(stored []byte, d *plan.Definition) bool {
	b, err := d.Encode()
	return err == nil && stored != nil && bytes.Equal(b, stored)
}
