package graph

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/internal/graphfile"
	"github.com/sendoff-dev/sendoff/jobgraph"
)

// runFlags say how a graph is run and shown.
type runFlags struct {
	Parallel      int    `default:"1" placeholder:"N" help:"How many jobs are attempted at a time."`
	Tries         *int   `placeholder:"N" help:"Attempts of jobs that name none; default what the graph says, or 3."`
	RetryDelay    string `placeholder:"SECONDS" help:"From one attempt to the next of jobs that name none: seconds, or a duration such as 500ms; default what the graph says, or 1."`
	NoAct         bool   `help:"Call the first checks only."`
	NoCleanup     bool   `help:"Leave the cleanups to: sendoff graph cleanup FILE."`
	StopAtFailure bool   `help:"Begin nothing more once a job has failed for good."`
	Verbose       bool   `short:"v" help:"Print a line for each call on stderr."`
	Debug         bool   `help:"As --verbose, with the traces of what failed."`
	JSON          bool   `name:"json" help:"Print each call, and at last the result, as a line of JSON."`
}

// runCmd runs a graph.
type runCmd struct {
	options
	runFlags
	serverFlags
}

// Help is printed under the flags.
func (runCmd) Help() string {
	return `FILE is YAML, see docs/graphs.md; sendoff graph schema prints its JSON Schema.
Exit codes: 0 the goal was reached, 1 it was not, 2 the graph was refused and nothing has run, 3 a cleanup failed.
Ctrl+C cancels what runs and still cleans up; a second one ends at once.
A run leaves its states, storage and logs in $XDG_STATE_HOME/sendoff/graphs: sendoff graph show.`
}

// Run runs the graph.
func (c *runCmd) Run(ctx context.Context, t *term.Terminal) error {
	run := c.run
	if c.Server {
		run = c.submit
	}
	code, err := run(ctx, t)
	if err != nil {
		if c.JSON && code == jobgraph.ExitRefused {
			fmt.Fprintf(t.Stdout, "%s\n", jobgraph.Refused(c.What, err))
		}
		return &term.Exit{Code: code, Err: err}
	}
	return exit(code)
}

func (c *runCmd) run(ctx context.Context, t *term.Terminal) (int, error) {
	what := c.given()
	what.parallel, what.stderr = c.Parallel, t.Stderr
	g, err := open(ctx, c.What, what)
	if err != nil {
		return jobgraph.ExitRefused, err
	}
	defer g.Close()
	cfg := c.selection(g)
	if err := c.configure(&cfg); err != nil {
		return jobgraph.ExitRefused, err
	}
	rec, err := newRecord(wholePath(c.What), g, &cfg)
	if err != nil {
		fmt.Fprintf(t.Stderr, "sendoff: the run is not recorded: %v\n", err)
	}
	shown := c.view(t, func() *tally { return newTally(g.Goal(), g.Jobs()) })
	ctx, interrupt, stop := interruptible(ctx, func() { shown.leave(); g.Kill() })
	defer stop()
	cfg.Observe = func(e jobgraph.Event) { rec.observe(e); shown.observe(e) }
	cfg.Output = func(job string, attempt int) io.Writer {
		return io.MultiWriter(rec.log(job, attempt), shown.output(job))
	}
	shown.enter(interrupt)
	res, err := g.Run(ctx, cfg)
	shown.leave()
	if err != nil {
		rec.drop()
		return jobgraph.ExitRefused, err
	}
	if err := rec.end(res); err != nil {
		fmt.Fprintf(t.Stderr, "sendoff: the run is not recorded: %v\n", err)
	}
	return res.Exit(), shown.end(res)
}

// configure takes the flags into a configuration.
func (f *runFlags) configure(cfg *jobgraph.Config) error {
	cfg.Parallel, cfg.NoAct, cfg.NoCleanup, cfg.StopAtFailure = f.Parallel, f.NoAct, f.NoCleanup, f.StopAtFailure
	switch {
	case f.Parallel < 1:
		return term.Usage("--parallel %d: want 1 or more", f.Parallel)
	case f.Tries != nil && *f.Tries < 1:
		return term.Usage("--tries %d: want 1 or more", *f.Tries)
	case f.Tries != nil:
		cfg.Tries = *f.Tries
	}
	if f.RetryDelay == "" {
		return nil
	}
	delay, err := graphfile.Span(f.RetryDelay)
	if err != nil || delay < 0 {
		return term.Usage("--retry-delay %q: want seconds such as 1.5, or a duration such as 500ms, and not less than 0", f.RetryDelay)
	}
	cfg.RetryDelay = &delay
	return nil
}

// view is how a run is shown while it goes on. interrupt does what Ctrl+C does.
type view interface {
	enter(interrupt func())
	observe(e jobgraph.Event)    // one call at a time
	output(job string) io.Writer // of an attempt; any goroutine
	leave()                      // any goroutine, more than once
	end(res *jobgraph.Result) error
}

// view chooses: JSON, lines for each call, a live tree, or a line for each job that ends.
// jobs are those that a tree shows at first.
func (f *runFlags) view(t *term.Terminal, jobs func() *tally) view {
	switch {
	case f.JSON:
		v := &jsonView{t: t, prefix: newPrefix(t.Stderr)}
		if f.Verbose || f.Debug {
			v.lines = jobgraph.Lines(t.Stderr, f.Debug)
		}
		return v
	case f.Verbose || f.Debug:
		return &plainView{t: t, prefix: newPrefix(t.Stderr), observer: jobgraph.Lines(t.Stderr, f.Debug)}
	case t.Live:
		return newLiveView(t, jobs())
	}
	return &plainView{t: t, prefix: newPrefix(t.Stderr), observer: endLines(t)}
}

// endLines prints a line for each attempt that failed and each job that ends.
func endLines(t *term.Terminal) func(jobgraph.Event) {
	began := map[string]time.Time{}
	return func(e jobgraph.Event) {
		name := term.Clean(e.Job)
		switch e.Kind {
		case jobgraph.AttemptBegan:
			began[e.Job] = e.At
		case jobgraph.WillRetry:
			t.Printf("%s: attempt %d failed after %s: %s\n", name, e.Attempt, term.Short(e.At.Sub(began[e.Job])), term.Clean(e.Err.Error()))
		case jobgraph.JobEnded:
			r := &row{State: e.State, How: e.How}
			t.Printf("%s: %s", name, t.Paint(r.paint(), r.word(e.At)))
			if e.Attempt > 0 {
				t.Printf(" after %s", term.Attempts(e.Attempt))
			}
			if e.Err != nil && e.State != jobgraph.Blocked {
				t.Printf(": %s", term.Clean(e.Err.Error()))
			}
			t.Printf("\n")
			delete(began, e.Job)
		case jobgraph.CallEnded:
		}
	}
}
