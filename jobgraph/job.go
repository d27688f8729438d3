package jobgraph

import (
	"context"
	"time"

	"github.com/sendoff-dev/sendoff/task"
)

// Func is what a job does in one of its calls. Its context ends when the run is
// canceled or the job's timeout is over; a call is waited for until it returns. A
// panic, and the end of its goroutine, count as an error.
type Func func(ctx context.Context, a *Attempt) error

// Job is a small piece of work with one purpose, which may be done any number of
// times. Jobs are linked by pointers and known to a run by their names. A run
// changes no Job, so that one may be part of any number of graphs and runs at once;
// nothing may change it while it is.
type Job struct {
	// Name tells the job from the others of its graph: 1 to 200 bytes.
	Name string

	// Check returns nil when what the job is for is in place, and otherwise says
	// what is not ("port 80 closed"). [CannotTell] keeps Run from being called,
	// [Skip] leaves the job out of this run.
	Check Func

	// Run does it. What it returns decides nothing when there is a Check, which is
	// called again after it. Without a Check the job runs every time and is done when
	// Run returns nil. With neither it is a group, done when what it needs is; with a
	// Check alone it waits for something that others do, try by try.
	Run Func

	// Cleanup undoes what Run left behind. It is called once the whole run is over, once
	// for each attempt whose Run began, the latest first.
	Cleanup Func

	// Deps are the jobs that this one needs, in the order in which they are tried. More
	// may be added until the graph is made. One that is named twice counts once.
	Deps []*Job

	// When tells with which ends of its Deps the job may begin: all have succeeded (the
	// default), [task.Always] or [task.AnyFailed].
	When task.When

	// Tries is how many attempts the job gets, that of the Config for 0.
	Tries int

	// RetryDelay is the least time from the start of an attempt to the start of the
	// next, that of the Config for nil.
	RetryDelay *time.Duration

	// Timeout ends the context of each single call; 0 is none.
	Timeout time.Duration

	// Labels are for people and tools; a run only passes them on.
	Labels map[string]string

	begin func(*Attempt) // makes the value of an attempt, for [Of]
}

// Group returns a job that is done when its deps are.
func Group(name string, deps ...*Job) *Job { return &Job{Name: name, Deps: deps} }

// Runner is what a type needs for [Of]. It may be a [Checker] and a [Cleaner] too.
type Runner interface {
	Run(ctx context.Context, a *Attempt) error
}

// Checker is a [Runner] that can tell whether it has anything to do.
type Checker interface {
	Check(ctx context.Context, a *Attempt) error
}

// Cleaner is a [Runner] that leaves something behind.
type Cleaner interface {
	Cleanup(ctx context.Context, a *Attempt) error
}

// Of returns a job whose calls are the methods of *T: Run, and Check and Cleanup
// where it has them. Each attempt has a copy of value of its own, so that its fields
// carry what one call of an attempt finds out to the next, and nothing to the next
// attempt.
//
//	type CleanCouch struct{ crumbs int }
//	couch := jobgraph.Of("CleanCouch", CleanCouch{})
func Of[T any, P interface {
	*T
	Runner
}](name string, value T, deps ...*Job) *Job {
	j := &Job{Name: name, Deps: deps, begin: func(a *Attempt) {
		own := value
		a.value = P(&own)
	}}
	j.Run = func(ctx context.Context, a *Attempt) error { return a.value.(Runner).Run(ctx, a) }
	if _, ok := any(P(&value)).(Checker); ok {
		j.Check = func(ctx context.Context, a *Attempt) error { return a.value.(Checker).Check(ctx, a) }
	}
	if _, ok := any(P(&value)).(Cleaner); ok {
		j.Cleanup = func(ctx context.Context, a *Attempt) error { return a.value.(Cleaner).Cleanup(ctx, a) }
	}
	return j
}
