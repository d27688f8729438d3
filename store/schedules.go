package store

import (
	"context"
	"fmt"

	"github.com/sendoff-dev/sendoff/task"
)

// Schedules keeps what is planned: by their names, when tasks are to be made and which,
// in a form that the store does not know.
type Schedules interface {
	// Schedule returns the schedule of a name. ErrNotFound.
	Schedule(ctx context.Context, namespace int32, name string) (Schedule, error)

	// ListSchedules lists schedules behind after, by name, and limit of them at most.
	ListSchedules(ctx context.Context, namespace int32, after string, limit int) ([]Schedule, error)

	// PutSchedule makes a schedule, or changes the one that the caller has seen; was nil for
	// none. ErrChanged when it is not as it was: somebody else has changed it, or it was
	// fired. Fires are recorded with it. It returns the schedule as it is kept, whose Rev is
	// one more.
	PutSchedule(ctx context.Context, s Schedule, was *Schedule, fires []Fire) (Schedule, error)

	// DeleteSchedule forgets a schedule with its fires; the tasks that it made stay. ErrNotFound.
	DeleteSchedule(ctx context.Context, namespace int32, name string) error

	// Fires lists what became of the times of a schedule before one, the newest first, and
	// limit of them at most. before with Due 0 is the beginning.
	Fires(ctx context.Context, namespace int32, name string, before Fire, limit int) ([]Fire, error)
}

// Firer makes the tasks of schedules.
type Firer interface {
	// DueSchedules lists the schedules of all namespaces that are due, the longest due first,
	// and limit of them at most, and tells when the next one is due that is not among them;
	// 0 = there is none.
	DueSchedules(ctx context.Context, limit int) (due []Schedule, next int64, err error)

	// Fire makes the tasks of schedules in the transaction that moves these on, so that no
	// time of a schedule is fired twice, and returns one answer for each, in order. A
	// schedule that is not as it was read is left alone. Names must not repeat in a call.
	Fire(ctx context.Context, firings []Firing) ([]Fired, []Woken, error)

	// TrimFires deletes the fires before a time, and those beyond the newest keep of each
	// schedule, of limit schedules behind one at most, and returns the last it has looked at:
	// without a name at the end.
	TrimFires(ctx context.Context, after ScheduleName, limit, keep int, before int64) (ScheduleName, error)
}

// ScheduleName is how a schedule is found.
type ScheduleName struct {
	Namespace int32
	Name      string
}

// Schedule is something that is planned.
type Schedule struct {
	ScheduleName
	Rev      int64 // of what people change: 1, and one more with each change
	Paused   bool
	Spec     []byte // what is planned; the store does not read it
	Declared []byte // what a file says of it; nil = nothing does
	Edited   bool   // Spec was changed since
	NextAt   int64  // when it is due; 0 = nothing is

	LastDue   int64 // 0 = it was not fired yet
	LastFired int64
	Last      FireOutcome
	LastTask  task.ID

	CreatedAt int64
	UpdatedAt int64
}

// SameAs tells whether a schedule is as somebody has seen it.
func (s *Schedule) SameAs(seen *Schedule) bool {
	return s.Rev == seen.Rev && s.NextAt == seen.NextAt && s.CreatedAt == seen.CreatedAt
}

// FireOutcome is what became of a time of a schedule.
type FireOutcome int16

// The values are stored; never renumber them.
const (
	FireDone    FireOutcome = 1 // a task was made
	FireSkipped FireOutcome = 2 // it was time, and no task could be made, or was to be
	FireMissed  FireOutcome = 3 // nobody was there, and it was not caught up with
)

func (o FireOutcome) String() string {
	return map[FireOutcome]string{FireDone: "fired", FireSkipped: "skipped", FireMissed: "missed"}[o]
}

// Fire is what became of a time of a schedule.
type Fire struct {
	Due     int64
	FiredAt int64 // when it was decided
	Outcome FireOutcome
	Reason  string
	Task    task.ID // that was made; of one that was skipped: the task because of which
}

// Firing is what is to be done about a schedule that is due.
type Firing struct {
	Schedule Schedule // as it was read
	ByHand   bool     // it is not due: somebody wants a task now, however the schedule stands
	NextAt   int64    // when it is due next; 0 = never. By hand, it stays as it is
	Times    []FireTime
}

// FireTime is a time of a schedule, the oldest first.
type FireTime struct {
	Due    int64
	Task   *NewTask // to be made; nil = none is
	Missed bool     // without a task: it is past, otherwise it is skipped
	Reason string   // without a task
}

// Fired is the answer to a Firing.
type Fired struct {
	Changed bool       // nothing was done: the schedule is not as it was read, or is gone
	Tasks   []Inserted // of each time; zero of one without a task
}

// Tasks are those that are to be made.
func (f *Firing) Tasks() []NewTask {
	var tasks []NewTask
	for _, t := range f.Times {
		if t.Task != nil {
			tasks = append(tasks, *t.Task)
		}
	}
	return tasks
}

// Done says what became of the times of a firing, given that of its tasks, and changes the
// schedule accordingly. Both floors and the oracle call it while the schedule is locked.
func (f *Firing) Done(s *Schedule, tasks []Inserted, now int64) ([]Fire, Fired) {
	fires, fired := make([]Fire, len(f.Times)), Fired{Tasks: make([]Inserted, len(f.Times))}
	for i, t := range f.Times {
		fires[i] = Fire{Due: t.Due, FiredAt: now, Outcome: FireSkipped, Reason: t.Reason}
		switch {
		case t.Task != nil:
			in := tasks[0]
			fired.Tasks[i], tasks = in, tasks[1:]
			fires[i].Task = in.ID
			if fires[i].Reason = skipReason(in); fires[i].Reason == "" {
				fires[i].Outcome = FireDone
			}
		case t.Missed:
			fires[i].Outcome = FireMissed
		}
		if f.ByHand && fires[i].Outcome == FireDone {
			fires[i].Reason = "by hand"
		}
		fires[i].Reason = CleanText(fires[i].Reason, MaxError)
	}
	s.RecordLast(fires)
	if !f.ByHand {
		s.NextAt = f.NextAt
	}
	return fires, fired
}

// skipReason is why a task was not made; "" = it was.
func skipReason(in Inserted) string {
	switch in.Status {
	case Created:
		return ""
	case Dropped:
		return fmt.Sprintf("overlap: task %s has not ended", in.ID)
	case Existing, Conflict:
		return fmt.Sprintf("task %s has its key", in.ID)
	case Missing:
		return fmt.Sprintf("it depends on a task that is not there: %s", in.ID)
	}
	return "the database cannot store the task"
}

// Stands tells whether a firing can be done, given its schedule as it is; nil when it is gone.
func (f *Firing) Stands(s *Schedule) bool {
	return s != nil && (f.ByHand || s.SameAs(&f.Schedule))
}

// Follow is the schedule as it is kept in place of one; nil = it is new.
func (s *Schedule) Follow(had *Schedule, now int64) Schedule {
	put := *s
	put.Rev, put.CreatedAt, put.UpdatedAt = 1, now, now
	put.LastDue, put.LastFired, put.Last, put.LastTask = 0, 0, 0, task.ID{}
	if had != nil {
		put.Rev, put.CreatedAt = had.Rev+1, had.CreatedAt
		put.LastDue, put.LastFired, put.Last, put.LastTask = had.LastDue, had.LastFired, had.Last, had.LastTask
	}
	return put
}

// RecordLast notes the last of fires, the oldest first.
func (s *Schedule) RecordLast(fires []Fire) {
	if n := len(fires); n > 0 {
		f := fires[n-1]
		s.LastDue, s.LastFired, s.Last, s.LastTask = f.Due, f.FiredAt, f.Outcome, f.Task
	}
}

// SplitDue returns those of schedules that are due, limit at most, and when the next one is.
func SplitDue(byTime []Schedule, limit int, now int64) (due []Schedule, next int64) {
	for i := range byTime {
		if byTime[i].NextAt > now || len(due) == limit {
			return due, byTime[i].NextAt
		}
		due = append(due, byTime[i])
	}
	return due, 0
}
