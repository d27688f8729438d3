package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/plan"
	"github.com/sendoff-dev/sendoff/internal/server/api"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Schedules looks at what is planned, and steers it. Safe for concurrent use.
type Schedules struct{ schedules *operate.Schedules }

// Schedules looks at schedules and steers them. They are fired by engines with the role
// schedule, each time of one once, however many there are.
func (e *Engine) Schedules() *Schedules { return &Schedules{e.schedules} }

// CatchUp is what becomes of times at which no engine was there. What is fired within 30
// seconds of its time was not missed.
type CatchUp string

// The rules. The zero value is CatchUpOne.
const (
	CatchUpNone CatchUp = plan.None // they are recorded
	CatchUpOne  CatchUp = plan.One  // the last of them is fired, when no other is due
	CatchUpAll  CatchUp = plan.All  // all of them are fired
)

// ScheduleSpec is what is to be planned: exactly one of Cron, Every, At and Times.
type ScheduleSpec struct {
	Name     string // at most 200 bytes
	Cron     string // such as "30 2 * * MON-FRI"; see package task/cron
	Every    time.Duration
	At       time.Time
	Times    []time.Time
	Timezone string // of Cron; default UTC

	Task Task // that is made each time: without ID, UUID, RunAt, ExpiresAt, OnDuplicate, DuplicateKey and IdempotencyKey

	Overlap       task.OnDuplicate // what becomes of a task while others of the schedule have not ended
	CatchUp       CatchUp
	CatchUpWindow time.Duration // how old a time may be that is caught up with; default 24 h
	Jitter        time.Duration // all times are later by the same amount, below this one
	StartsAt      time.Time     // nothing is due before it
	EndsAt        time.Time     // nothing is due at it or later
}

// ScheduleInfo is a schedule as it is.
type ScheduleInfo struct {
	Name     string
	Paused   bool
	Revision int64     // 1, and one more with each change
	NextAt   time.Time // zero when it is paused, or over
	Last     Fire      // of its last time; zero when there was none
}

// Fire is what became of a time of a schedule.
type Fire struct {
	Due     time.Time
	FiredAt time.Time // when that was decided
	Outcome string    // "fired"; "skipped": no task could be made, or was to be; "missed": no engine was there
	Reason  string
	TaskID  string // that was made; of one that was skipped, because of which
}

// Set makes a schedule, or changes the one of that name. task.Invalid.
func (s *Schedules) Set(ctx context.Context, one ScheduleSpec) (ScheduleInfo, error) {
	d, err := one.definition()
	if err != nil {
		return ScheduleInfo{}, err
	}
	set, _, err := s.schedules.Set(ctx, one.Name, d)
	return scheduleInfoOf(&set), err
}

func (one *ScheduleSpec) definition() (plan.Definition, error) {
	var sub accept.Submission
	if err := one.Task.submission(&sub); err != nil {
		return plan.Definition{}, inTask(err)
	}
	text, err := api.PlannedText(&sub)
	if err != nil {
		return plan.Definition{}, err
	}
	d := plan.Definition{
		Cron: one.Cron, Timezone: one.Timezone, Task: text, CatchUp: string(one.CatchUp),
		Every: spanText(one.Every), CatchUpWindow: spanText(one.CatchUpWindow), Jitter: spanText(one.Jitter),
		At: stamp(one.At), StartsAt: stamp(one.StartsAt), EndsAt: stamp(one.EndsAt),
	}
	if one.Overlap != task.Parallel {
		d.Overlap = one.Overlap.String()
	}
	for _, t := range one.Times {
		d.Times = append(d.Times, t.Format(time.RFC3339Nano))
	}
	return d, nil
}

func spanText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

// Declare brings the schedules that a configuration declares in line with it, each as PUT
// /v1/schedules/{name} takes it. Those are made, or changed unless somebody has edited them;
// those that were declared and are not any more are deleted, unless somebody has edited them.
// The error names the schedule.
func (s *Schedules) Declare(ctx context.Context, declared map[string]json.RawMessage) error {
	all := map[string]plan.Definition{}
	for name, text := range declared {
		d, err := api.Plan(text)
		if err != nil {
			return fmt.Errorf("schedule %q: %w", name, err)
		}
		all[name] = d
	}
	return s.schedules.Declare(ctx, all)
}

// Get returns a schedule. store.ErrNotFound.
func (s *Schedules) Get(ctx context.Context, name string) (ScheduleInfo, error) {
	one, err := s.schedules.Get(ctx, name)
	return scheduleInfoOf(&one), err
}

// List returns a page of schedules by name, limit of them at most, 0 = 50, 500 at most,
// and the cursor of the next page, "" at the end. ErrBadCursor.
func (s *Schedules) List(ctx context.Context, cursor string, limit int) ([]ScheduleInfo, string, error) {
	page, err := s.schedules.List(ctx, cursor, limit)
	out := make([]ScheduleInfo, len(page.Items))
	for i := range page.Items {
		out[i] = scheduleInfoOf(&page.Items[i])
	}
	return out, page.Next, err
}

// Pause has a schedule make nothing. What would be due meanwhile is not made up for. store.ErrNotFound.
func (s *Schedules) Pause(ctx context.Context, name string) (ScheduleInfo, error) {
	one, err := s.schedules.SetPaused(ctx, name, true)
	return scheduleInfoOf(&one), err
}

// Resume ends a pause. store.ErrNotFound.
func (s *Schedules) Resume(ctx context.Context, name string) (ScheduleInfo, error) {
	one, err := s.schedules.SetPaused(ctx, name, false)
	return scheduleInfoOf(&one), err
}

// Run makes a task of a schedule now and returns its id; when that is due next stays as it
// is. store.ErrNotFound, task.Invalid.
func (s *Schedules) Run(ctx context.Context, name string) (string, error) {
	id, err := s.schedules.Run(ctx, name)
	if err != nil {
		return "", err
	}
	return id.String(), nil
}

// Delete forgets a schedule; the tasks that it made stay. store.ErrNotFound.
func (s *Schedules) Delete(ctx context.Context, name string) error {
	return s.schedules.Delete(ctx, name)
}

// Fires returns what became of the times of a schedule, the newest first, limit of them at
// most, and the cursor of the next page, "" at the end. The last 1,000 of 30 days are kept.
// store.ErrNotFound, ErrBadCursor.
func (s *Schedules) Fires(ctx context.Context, name, cursor string, limit int) ([]Fire, string, error) {
	page, err := s.schedules.Fires(ctx, name, cursor, limit)
	out := make([]Fire, len(page.Items))
	for i := range page.Items {
		out[i] = fireOf(&page.Items[i])
	}
	return out, page.Next, err
}

func scheduleInfoOf(s *operate.Schedule) ScheduleInfo {
	info := ScheduleInfo{Name: s.Name, Paused: s.Paused, Revision: s.Rev, NextAt: timeOrZero(s.NextAt)}
	if s.LastDue != 0 {
		info.Last = fireOf(&store.Fire{Due: s.LastDue, FiredAt: s.LastFired, Outcome: s.Last, Task: s.LastTask})
	}
	return info
}

func fireOf(f *store.Fire) Fire {
	out := Fire{Due: timeOrZero(f.Due), FiredAt: timeOrZero(f.FiredAt), Outcome: f.Outcome.String(), Reason: f.Reason}
	if !f.Task.IsZero() {
		out.TaskID = f.Task.String()
	}
	return out
}

func timeOrZero(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us)
}
