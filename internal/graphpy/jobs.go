package graphpy

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/sendoff-dev/sendoff/jobgraph"
)

// jobSpec describes a class.
type jobSpec struct {
	Name       string   `json:"name"`
	Deps       []int    `json:"deps"`
	Cleanup    bool     `json:"cleanup"`
	Tries      *int64   `json:"tries"`
	RetryDelay *float64 `json:"retry_delay"` // seconds
}

// caller makes the calls of a graph's jobs over a channel.
type caller struct {
	*channel
	threads bool    // calls have threads
	output  *output // of the process; nil when nobody reads it here
}

// goal returns the first job that was described, with all that it stands on.
func (c *caller) goal(specs []jobSpec) (*jobgraph.Job, error) {
	if len(specs) == 0 {
		return nil, refuse("the graph has no jobs")
	}
	jobs := make([]*jobgraph.Job, len(specs))
	for i := range specs {
		jobs[i] = &jobgraph.Job{}
	}
	for i, spec := range specs {
		if err := c.fill(jobs[i], i, spec); err != nil {
			return nil, err
		}
		for _, dep := range spec.Deps {
			if dep < 0 || dep >= len(jobs) {
				return nil, refuse("job %q stands on number %d of %d jobs", spec.Name, dep, len(jobs))
			}
			jobs[i].Deps = append(jobs[i].Deps, jobs[dep])
		}
	}
	return jobs[0], nil
}

func (c *caller) fill(j *jobgraph.Job, index int, spec jobSpec) error {
	tries, err := triesOf(spec.Tries)
	if err != nil {
		return fmt.Errorf("job %q: %w", spec.Name, err)
	}
	delay, err := retryDelayOf(spec.RetryDelay)
	if err != nil {
		return fmt.Errorf("job %q: %w", spec.Name, err)
	}
	j.Name, j.Tries, j.RetryDelay = spec.Name, tries, delay
	j.Check = func(ctx context.Context, a *jobgraph.Attempt) error { return c.check(ctx, a, index) }
	j.Run = func(ctx context.Context, a *jobgraph.Attempt) error { return c.run(ctx, a, index) }
	if spec.Cleanup {
		j.Cleanup = j.Run
	}
	return nil
}

// check makes a Check, first or second. An attempt whose object could not be made
// has nothing to run.
func (c *caller) check(ctx context.Context, a *jobgraph.Attempt, job int) error {
	m, err := c.make(ctx, a, job)
	switch {
	case err != nil && m.Unmade:
		return jobgraph.CannotTell(err)
	case err != nil:
		return err
	}
	a.SetResult(m.Result)
	return nil
}

func (c *caller) run(ctx context.Context, a *jobgraph.Attempt, job int) error {
	_, err := c.make(ctx, a, job)
	return err
}

// make makes the call that the attempt is at. What the process prints meanwhile is
// the attempt's, unless others are at work too.
func (c *caller) make(ctx context.Context, a *jobgraph.Attempt, job int) (message, error) {
	if c.output != nil && !c.threads {
		c.output.charge(a.Log())
		defer c.output.charge(nil)
	}
	m, err := c.call(ctx, callMessage{Call: string(a.Call()), Job: job, Attempt: a.Number, Threads: c.threads})
	if err == nil && m.Error != nil {
		err = m.Error
	}
	return m, err
}

// triesOf is a number of tries for jobgraph, where 0 is the usual one.
func triesOf(n *int64) (int, error) {
	switch {
	case n == nil:
		return 0, nil
	case *n < 1:
		return 0, refuse(`TRIES "%d" must be >= 1.`, *n)
	}
	return int(min(*n, math.MaxInt32)), nil
}

func retryDelayOf(seconds *float64) (*time.Duration, error) {
	if seconds == nil {
		return nil, nil
	}
	if *seconds < 0 {
		return nil, refuse(`RETRY_DELAY "%v" cannot be negative`, *seconds)
	}
	return new(time.Duration(min(*seconds*float64(time.Second), math.MaxInt64/2))), nil
}

// refuse returns an error of a definition, of the type that the real one raises.
func refuse(format string, args ...any) error {
	return &Error{Type: "RuntimeError", Message: fmt.Sprintf(format, args...)}
}
