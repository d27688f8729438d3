package jobgraph

import (
	"io"
	"log/slog"
	"time"
)

// Config is how a graph is run. Its zero value runs one job after the other, tries
// each up to three times, a second apart, and cleans up at the end.
type Config struct {
	// Inputs and Args are what the run was given, the same for every job.
	Inputs map[string]any
	Args   []any

	// Parallel is how many jobs are attempted at once, 1 for 0. With 1 and no delays
	// the order is by pass and place: every job that can be attempted is, before one
	// that failed is tried again.
	Parallel int

	// Tries is the number of attempts of jobs that name none, 3 for 0.
	Tries int

	// RetryDelay is that of jobs that name none, 1 s for nil.
	RetryDelay *time.Duration

	// Only makes these jobs the goals, with all below them. From takes what these
	// jobs stand on as done. Except leaves these jobs out, skipped, as if they were done.
	Only, From, Except []string

	// Done are jobs that a run before this one has done: they stay as they are and count
	// as what their State says. Names that the graph does not have are passed over.
	Done []JobResult

	// NoAct calls each first Check and nothing else, see [Graph.Plan].
	NoAct bool

	// StopAtFailure begins no further attempt once a job has failed for good; what is
	// left ends canceled.
	StopAtFailure bool

	// NoCleanup leaves cleaning up to [Result.Cleanup].
	NoCleanup bool

	// Observe hears of everything as it happens, one call at a time, and delays what it
	// hears of. [Lines] makes one that writes for people.
	Observe func(Event)

	// Output returns where an attempt's [Attempt.Log] goes; nowhere for nil. It is called
	// once an attempt, from its goroutine.
	Output func(job string, attempt int) io.Writer

	// Log hears what the scheduler does, at the level debug; nothing for nil.
	Log *slog.Logger
}

// defaults of DoJobber.
const (
	usualTries      = 3
	usualRetryDelay = time.Second
)

func (c *Config) validate() error {
	switch {
	case c.Parallel < 0:
		return wrong("", "parallel is %d: want 1 or more", c.Parallel)
	case c.Tries < 0:
		return wrong("", "%d tries: want 1 or more", c.Tries)
	case c.RetryDelay != nil && *c.RetryDelay < 0:
		return wrong("", "a retry delay of %v: want 0 or more", *c.RetryDelay)
	}
	c.Parallel = max(c.Parallel, 1)
	if c.Tries == 0 {
		c.Tries = usualTries
	}
	if c.RetryDelay == nil {
		c.RetryDelay = new(usualRetryDelay)
	}
	return nil
}

// tries is how many attempts a job gets.
func (c *Config) tries(j *Job) int {
	switch {
	case c.NoAct:
		return 1
	case j.Tries > 0:
		return j.Tries
	}
	return c.Tries
}

func (c *Config) retryDelay(j *Job) time.Duration {
	if j.RetryDelay != nil {
		return *j.RetryDelay
	}
	return *c.RetryDelay
}
