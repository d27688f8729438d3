package graph

import (
	"context"
	"io"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/jobgraph"
)

// follower makes of what a server says of a run, again and again, the events that the
// run would have in this process.
type follower struct {
	client *sendoff.Client
	shown  view
	quiet  bool // what calls were is not asked for
	jobs   map[string]*followed
}

// followed is what was told of a job.
type followed struct {
	began int // the last attempt
	ended int // attempts whose calls were told
	calls int
	over  bool
}

// mostFollowed is how many jobs a run may have for its calls to be told, unless somebody
// wants them as JSON: each job is asked for by itself.
const mostFollowed = 2000

func newFollower(client *sendoff.Client, shown view, all bool) *follower {
	return &follower{client: client, shown: shown, quiet: !all, jobs: map[string]*followed{}}
}

// end follows a run until it has ended, or until ctx is done. A server that cannot be
// reached may be there again soon: the run goes on when it is back.
func (f *follower) end(ctx context.Context, run *sendoff.GraphRun) (*sendoff.GraphRun, error) {
	f.quiet = f.quiet && len(run.Jobs) > mostFollowed
	for took := time.Duration(0); ; {
		f.take(ctx, run)
		if run.Final() {
			f.takeCleanups(ctx, run)
			return run, nil
		}
		select {
		case <-ctx.Done():
			return run, nil
		case <-time.After(min(max(500*time.Millisecond, 2*took), 5*time.Second)): // a look at a run of many jobs takes work
		}
		asked := time.Now()
		next, err := f.client.GraphRuns.Get(ctx, run.ID)
		took = time.Since(asked)
		switch {
		case err == nil:
			run = next
		case sendoff.IsNotFound(err), ctx.Err() == nil && !unreachable(err):
			return run, err
		}
	}
}

// take tells what is new since the last time.
func (f *follower) take(ctx context.Context, run *sendoff.GraphRun) {
	for i := range run.Jobs {
		j := &run.Jobs[i]
		seen := f.of(j.Name)
		ended := j.Attempts
		if j.State == string(jobgraph.Running) {
			ended--
		}
		if ended > seen.ended && !seen.over {
			seen.ended = ended
			f.tell(ctx, run.ID, seen, j)
		}
		if j.State == string(jobgraph.Running) {
			f.begins(seen, j.Name, j.Attempts, time.Now())
		}
		if state := jobgraph.State(j.State); !seen.over && state != jobgraph.Waiting && state != jobgraph.Running {
			seen.over = true
			f.shown.observe(jobgraph.Event{
				Kind: jobgraph.JobEnded, Job: j.Name, Attempt: j.Attempts, At: time.Now(), Err: jobFailure(j), State: state, How: jobgraph.How(j.How),
			})
		}
	}
}

func (f *follower) of(job string) *followed {
	if f.jobs[job] == nil {
		f.jobs[job] = &followed{}
	}
	return f.jobs[job]
}

func (f *follower) begins(seen *followed, job string, attempt int, at time.Time) {
	if attempt > seen.began {
		seen.began = attempt
		f.shown.observe(jobgraph.Event{Kind: jobgraph.AttemptBegan, Job: job, Attempt: attempt, At: at})
	}
}

// tell tells the calls of the attempts that have ended, with what they printed, and that
// attempts failed which are made again. What the server does not tell was told.
func (f *follower) tell(ctx context.Context, run string, seen *followed, j *sendoff.GraphJob) {
	var calls []sendoff.GraphCall
	if !f.quiet {
		calls, _ = f.client.GraphRuns.Calls(ctx, run, j.Name) // the run says how it ended
	}
	var last *sendoff.GraphCall
	n := 0
	for i := range calls {
		c := &calls[i]
		if c.Call == string(jobgraph.CallCleanup) {
			continue
		}
		if n++; n <= seen.calls || c.Attempt > seen.ended {
			continue
		}
		seen.calls = n
		if last != nil && c.Attempt > last.Attempt {
			f.retried(last)
		}
		f.begins(seen, j.Name, c.Attempt, c.BeganAt)
		f.called(c)
		last = c
	}
	again := j.State == string(jobgraph.Waiting) || j.State == string(jobgraph.Running)
	if last != nil && again {
		f.retried(last)
	}
}

// called tells a call, after what it printed.
func (f *follower) called(c *sendoff.GraphCall) {
	if c.Output != "" {
		text := c.Output
		if text[len(text)-1] != '\n' {
			text += "\n"
		}
		_, _ = io.WriteString(f.shown.output(c.Job), text) // nobody listens any more
	}
	took := seconds(c.Duration)
	f.shown.observe(jobgraph.Event{
		Kind: jobgraph.CallEnded, Job: c.Job, Attempt: c.Attempt, At: c.BeganAt.Add(took), Call: jobgraph.Call(c.Call), Err: callFailure(c), Took: took,
	})
}

// retried tells that an attempt failed which is made again, by its last call.
func (f *follower) retried(c *sendoff.GraphCall) {
	at := c.BeganAt.Add(seconds(c.Duration))
	err := callFailure(c)
	if err == nil {
		err = &toldFailure{text: "it was cut off"}
	}
	f.shown.observe(jobgraph.Event{Kind: jobgraph.WillRetry, Job: c.Job, Attempt: c.Attempt, At: at, Next: at, Err: err})
}

// takeCleanups tells the cleanups of a run that has ended.
func (f *follower) takeCleanups(ctx context.Context, run *sendoff.GraphRun) {
	if f.quiet {
		return
	}
	known := map[string][]sendoff.GraphCall{}
	for i := range run.Cleanups {
		job := run.Cleanups[i].Job
		if _, has := known[job]; !has {
			known[job], _ = f.client.GraphRuns.Calls(ctx, run.ID, job) // the run says how they ended
		}
		for k := range known[job] {
			if c := &known[job][k]; c.Call == string(jobgraph.CallCleanup) && c.Attempt == run.Cleanups[i].Attempt {
				f.called(c)
			}
		}
	}
}

// toldFailure is an error that the server told of.
type toldFailure struct{ kind, text string }

func (e *toldFailure) Error() string     { return e.text }
func (e *toldFailure) ErrorType() string { return e.kind }

func jobFailure(j *sendoff.GraphJob) error {
	if j.Error == nil {
		return nil
	}
	return &toldFailure{j.Error.Type, j.Error.Message}
}

func callFailure(c *sendoff.GraphCall) error {
	switch {
	case c.Outcome == "pass":
		return nil
	case c.Message == jobgraph.ErrRunOnly.Error():
		return jobgraph.ErrRunOnly
	}
	return &toldFailure{text: c.Message}
}

// rowsOf are the jobs of a run, of a server or on record here, as people see them.
func rowsOf(jobs []sendoff.GraphJob) []*row {
	rows := make([]*row, len(jobs))
	for i := range jobs {
		j := &jobs[i]
		rows[i] = &row{Name: j.Name, Deps: j.Deps, State: jobgraph.State(j.State), How: jobgraph.How(j.How), Attempts: j.Attempts, Took: seconds(j.Duration), Said: j.Reason}
		if j.Error != nil {
			rows[i].Said = j.Error.Message
		}
		if rows[i].State == jobgraph.Running {
			rows[i].began = time.Now()
		}
	}
	return rows
}
