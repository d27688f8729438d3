package graph

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// runsCmd lists the runs of a server.
type runsCmd struct {
	remote
	Graph string `arg:"" optional:"" placeholder:"NAME" help:"Runs of the graph of this name only."`
	Limit int    `default:"20" help:"At most so many, the newest first; 0 = all."`
}

// Run lists them.
func (c *runsCmd) Run(ctx context.Context, t *term.Terminal) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	runs, err := term.Collect(client.GraphRuns.List(ctx, c.Graph), c.Limit)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(term.ListOf(runs))
	}
	rows := make([][]string, len(runs))
	for i, r := range runs {
		rows[i] = []string{r.ID, term.Clean(r.Graph), r.State, term.Ago(r.CreatedAt), ""}
		if !r.StartedAt.IsZero() { // known of those that ended by themselves
			rows[i][4] = term.Short(seconds(r.Duration))
		}
	}
	t.Table([]string{"RUN", "GRAPH", "STATE", "CREATED", "TOOK"}, rows)
	return nil
}

// getCmd shows a run of a server.
type getCmd struct {
	remote
	ID   string `arg:"" placeholder:"RUN" help:"Id of a run: sendoff graph runs."`
	Wait bool   `help:"Wait for its end."`
	Log  string `placeholder:"JOB" help:"The calls of this job that have ended, with what they printed."`
}

// Run shows it.
func (c *getCmd) Run(ctx context.Context, t *term.Terminal) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	get := client.GraphRuns.Get
	if c.Wait {
		get = client.GraphRuns.Wait
	}
	run, err := get(ctx, c.ID)
	if err != nil {
		return err
	}
	if c.Log != "" {
		return c.log(ctx, t, client)
	}
	if c.JSON {
		return t.JSON(run)
	}
	printRun(t, run)
	return nil
}

// log prints what a job printed, call by call.
func (c *getCmd) log(ctx context.Context, t *term.Terminal, client *sendoff.Client) error {
	calls, err := client.GraphRuns.Calls(ctx, c.ID, c.Log)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(term.ListOf(calls))
	}
	for i := range calls {
		c := &calls[i]
		t.Printf("%s", t.Paint("head", fmt.Sprintf("attempt %d, %s: %s", c.Attempt, c.Call, c.Outcome)))
		if c.Message != "" {
			t.Printf(" %s", term.Clean(c.Message))
		}
		t.Printf("\n")
		if c.OutputCut > 0 {
			t.Printf("(%d bytes before)\n", c.OutputCut)
		}
		for line := range strings.Lines(c.Output) {
			t.Printf("%s\n", term.Clean(strings.TrimSuffix(line, "\n")))
		}
	}
	return nil
}

// printRun shows how the jobs of a run stand, and where it is.
func printRun(t *term.Terminal, run *sendoff.GraphRun) {
	head, rows := []string{"JOB", "STATE", "TOOK", "TASK"}, make([][]string, len(run.Jobs))
	if run.Final() {
		head = head[:3] // how it ended is known without the tasks, which may be gone
	}
	for i := range run.Jobs {
		j := &run.Jobs[i]
		rows[i] = []string{term.Clean(j.Name), jobText(j), term.Short(seconds(j.Duration)), j.TaskID}[:len(head)]
	}
	t.Table(head, rows)
	if run.Final() {
		printRunEnd(t, run)
		return
	}
	t.Printf("%s: %s for %s\n", term.Clean(run.Goal), t.Paint(run.State, stateText(run)), term.Short(seconds(run.Duration)))
}

func stateText(run *sendoff.GraphRun) string {
	if run.Paused {
		return run.State + " (paused)"
	}
	return run.State
}

// actCmd does something with runs of a server.
type actCmd struct {
	remote
	IDs []string `arg:"" name:"run" help:"Ids of runs: sendoff graph runs."`
}

// cancelCmd ends runs.
type cancelCmd struct{ actCmd }

// Run ends them.
func (c *cancelCmd) Run(ctx context.Context, t *term.Terminal) error {
	return c.each(ctx, t, sendoff.GraphRuns.Cancel)
}

// pauseCmd has runs begin nothing more.
type pauseCmd struct{ actCmd }

// Run pauses them.
func (c *pauseCmd) Run(ctx context.Context, t *term.Terminal) error {
	return c.each(ctx, t, sendoff.GraphRuns.Pause)
}

// resumeCmd has runs go on.
type resumeCmd struct{ actCmd }

// Run resumes them.
func (c *resumeCmd) Run(ctx context.Context, t *term.Terminal) error {
	return c.each(ctx, t, sendoff.GraphRuns.Resume)
}

// retryCmd begins runs that go on with what runs have not done.
type retryCmd struct{ actCmd }

// Run begins them.
func (c *retryCmd) Run(ctx context.Context, t *term.Terminal) error {
	return c.each(ctx, t, sendoff.GraphRuns.Retry)
}

// each does the same with several runs, and goes on after a failure.
func (c *actCmd) each(ctx context.Context, t *term.Terminal, do func(sendoff.GraphRuns, context.Context, string) (*sendoff.GraphRun, error)) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	var failed []error
	done := []*sendoff.GraphRun{}
	for _, id := range c.IDs {
		run, err := do(client.GraphRuns, ctx, id)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		done = append(done, run)
	}
	if c.JSON {
		return errors.Join(append(failed, t.JSON(term.ListOf(done)))...)
	}
	for _, run := range done {
		t.Printf("%s  %s\n", run.ID, t.Paint(run.State, stateText(run)))
	}
	return errors.Join(failed...)
}
