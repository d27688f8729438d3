package jobgraph

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// State is where a job is, or how it ended.
type State string

// The states. The first three are seen while a run goes on.
const (
	Waiting   State = "waiting" // for others, for its turn, or for its next attempt
	Running   State = "running"
	Succeeded State = "succeeded"
	Failed    State = "failed"   // all of its tries
	Blocked   State = "blocked"  // never attempted: what it needs did not succeed
	Skipped   State = "skipped"  // left out, by the caller, by its Check or by its rule
	Canceled  State = "canceled" // with the run, before it was done
)

// How tells what it took that a job succeeded.
type How string

// The ways, as JSON has them; "" is none.
const (
	InPlace  How = "in_place" // nothing: the first Check of its last attempt passed
	Achieved How = "achieved" // its Run
)

// Color is the class in which a job is drawn.
type Color string

// The colors.
const (
	Green     Color = "green"     // in place
	DarkGreen Color = "darkgreen" // achieved
	Red       Color = "red"       // failed
	White     Color = "white"     // anything else
)

// JobResult is how a job ended.
type JobResult struct {
	Name   string
	Deps   []string
	Labels map[string]string
	State  State
	How    How

	Attempts, Checks, Runs, Rechecks int

	Reason string        // why Run was called last, or would be: what the first Check said
	Err    error         // of a job that failed or was canceled: what its last attempt said
	Value  any           // of one that succeeded: see [Attempt.SetResult]
	Began  time.Time     // the first attempt
	Ended  time.Time     // the last one
	Took   time.Duration // its attempts, without what was between them
}

// Color is the class in which the job is drawn.
func (j *JobResult) Color() Color {
	switch {
	case j.State == Failed:
		return Red
	case j.State != Succeeded:
		return White
	case j.How == InPlace:
		return Green
	}
	return DarkGreen
}

// CleanupResult is how one call of a Cleanup ended.
type CleanupResult struct {
	Job     string
	Attempt int
	Err     error
}

// Result is how a run ended.
type Result struct {
	Goal     string
	Reached  bool // no job failed, was blocked or canceled
	Partial  bool // a job succeeded
	Passes   int  // how often the run came by, at Parallel 1; 0 when nothing was attempted
	Began    time.Time
	Duration time.Duration // with the cleanups
	Jobs     []JobResult   // in depth-first post-order from the goal
	Cleanups []CleanupResult

	run *run
}

// Err returns nil when the goal was reached and all cleanups passed.
func (r *Result) Err() error {
	var errs []error
	if !r.Reached {
		errs = append(errs, r.missed())
	}
	for _, c := range r.Cleanups {
		if c.Err != nil {
			errs = append(errs, fmt.Errorf("cleanup of job %q: %w", c.Job, c.Err))
		}
	}
	return errors.Join(errs...)
}

// missed names a job that failed, and counts the others.
func (r *Result) missed() error {
	var first *JobResult
	failed, left := 0, 0
	for i := range r.Jobs {
		switch j := &r.Jobs[i]; j.State {
		case Failed:
			failed++
			if first == nil {
				first = j
			}
		case Blocked, Canceled:
			left++
		case Waiting, Running, Succeeded, Skipped:
		}
	}
	if first == nil {
		return fmt.Errorf("goal %q was not reached: %d jobs were not done", r.Goal, left)
	}
	return fmt.Errorf("goal %q was not reached: %d jobs failed, %d were not done; job %q: %w", r.Goal, failed, left, first.Name, first.Err)
}

// Job returns the result of the job of a name, nil when it was no part of the run.
func (r *Result) Job(name string) *JobResult {
	for i := range r.Jobs {
		if r.Jobs[i].Name == name {
			return &r.Jobs[i]
		}
	}
	return nil
}

// Cleanup calls the cleanups that are left, the latest first, adds what they
// returned to the result, and returns how those of this call went. One that fails
// keeps none of the others from being called. It is for runs with
// [Config.NoCleanup]; afterwards nothing is left.
func (r *Result) Cleanup(ctx context.Context) []CleanupResult {
	done := r.run.cleanup(ctx)
	r.Cleanups = append(r.Cleanups, done...)
	return done
}
