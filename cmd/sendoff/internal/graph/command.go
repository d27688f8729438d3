// Package graph is the command sendoff graph: job graphs from a file, or from Python
// classes, planned, run, recorded and drawn. With --server a server runs them, and it
// keeps what is saved: it is asked through its client.
package graph

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/internal/graphfile"
	"github.com/sendoff-dev/sendoff/jobgraph"
)

// Command is the grammar of sendoff graph.
type Command struct {
	Plan    planCmd    `cmd:"" help:"Say what a run would do: only the checks are called."`
	Run     runCmd     `cmd:"" help:"Run the jobs until the goal is reached, or nothing is left to try."`
	Exec    execCmd    `cmd:"" help:"Run a script of DoJobber's classes, with its graphs run by Sendoff."`
	Show    showCmd    `cmd:"" help:"Show the last run, or one of the last runs, with its logs."`
	Render  renderCmd  `cmd:"" help:"Draw the graph, with the states of its last run or of a plan."`
	Cleanup cleanupCmd `cmd:"" help:"Call the cleanups that the last run with --no-cleanup has left."`
	Runs    runsCmd    `cmd:"" help:"List the runs that a server carries out, and has."`
	Get     getCmd     `cmd:"" help:"Show a run of a server, and how its jobs stand."`
	Pause   pauseCmd   `cmd:"" help:"Have a run of a server begin nothing more."`
	Resume  resumeCmd  `cmd:"" help:"Have a run of a server go on that was paused."`
	Cancel  cancelCmd  `cmd:"" help:"End a run of a server: its cleanups are called."`
	Retry   retryCmd   `cmd:"" help:"Have a server go on with what a run has not done."`
	Save    saveCmd    `cmd:"" help:"Have a server keep the graph, as the next revision of its name."`
	List    listCmd    `cmd:"" help:"List the graphs that a server keeps."`
	Forget  forgetCmd  `cmd:"" help:"Have a server forget graphs, with all their revisions."`
	Schema  schemaCmd  `cmd:"" help:"Print the JSON Schema of graph files, for editors."`
}

// schemaCmd prints what editors complete and check files with.
type schemaCmd struct{}

// Run prints it.
func (schemaCmd) Run(t *term.Terminal) error {
	t.Printf("%s", graphfile.Schema())
	return nil
}

// options are the flags that say what is run, and with what.
type options struct {
	What   string            `arg:"" placeholder:"FILE" help:"A YAML file, or a class of DoJobber in a Python file: FILE.py:CLASS."`
	Input  map[string]string `placeholder:"NAME=VALUE" mapsep:"none" help:"What an input of the graph is; may be given several times."`
	Arg    []string          `placeholder:"VALUE" sep:"none" help:"An argument for each check and run, by place; may be given several times."`
	Only   []string          `placeholder:"JOB" sep:"none" help:"Make this job the goal, with all below it; may be given several times."`
	From   []string          `placeholder:"JOB" sep:"none" help:"Take what this job stands on as done; may be given several times."`
	Except []string          `placeholder:"JOB" sep:"none" help:"Leave this job out, as if it were done; may be given several times."`
}

// selection is the part of a configuration that options are about.
func (o *options) selection(g *opened) jobgraph.Config {
	cfg := jobgraph.Config{Inputs: g.Inputs, Only: o.Only, From: o.From, Except: o.Except, Tries: g.Tries, RetryDelay: g.RetryDelay}
	for _, arg := range o.Arg {
		cfg.Args = append(cfg.Args, arg)
	}
	return cfg
}

func (o *options) given() given {
	inputs := make(map[string]any, len(o.Input))
	for name, value := range o.Input {
		inputs[name] = value
	}
	return given{inputs: inputs, args: o.Arg}
}

// refused is how a command ends whose graph was refused: nothing has been called.
func refused(err error) error {
	if e, ok := errors.AsType[*term.Exit](err); ok {
		return e
	}
	return &term.Exit{Code: jobgraph.ExitRefused, Err: err}
}

// exit is how a command ends after a run.
func exit(code int) error {
	if code == jobgraph.ExitReached {
		return nil
	}
	return &term.Exit{Code: code}
}

// planCmd asks the checks.
type planCmd struct {
	options
	Parallel int  `default:"1" help:"How many checks are called at a time."`
	JSON     bool `name:"json" help:"Print the plan as one line of JSON."`
	Server   bool `help:"Have a server call them: what it finds may differ from what this machine finds."`
	serverAddress
}

// Run plans. It ends with 0 when all is in place, else with 1.
func (c *planCmd) Run(ctx context.Context, t *term.Terminal) error {
	plan, err := c.plan(ctx, t)
	if err != nil {
		return refused(err)
	}
	if c.JSON {
		err = printLine(t.Stdout, plan)
	} else {
		printPlan(t, plan)
	}
	if err != nil || plan.InPlace() {
		return err
	}
	return exit(jobgraph.ExitMissed)
}

func (c *planCmd) plan(ctx context.Context, t *term.Terminal) (*jobgraph.Plan, error) {
	if c.Server {
		return c.planThere(ctx)
	}
	what := c.given()
	what.parallel, what.stderr = c.Parallel, t.Stderr
	g, err := open(ctx, c.What, what)
	if err != nil {
		return nil, err
	}
	defer g.Close()
	ctx, _, stop := interruptible(ctx, g.Kill)
	defer stop()
	cfg := c.selection(g)
	cfg.Parallel = c.Parallel
	return g.Plan(ctx, cfg)
}

// planThere has a server call the checks. An interrupt ends them.
func (c *planCmd) planThere(ctx context.Context) (*jobgraph.Plan, error) {
	if c.Parallel < 1 {
		return nil, term.Usage("--parallel %d: want 1 or more", c.Parallel)
	}
	n, err := c.asked("")
	if err != nil {
		return nil, err
	}
	n.NoAct, n.Parallel = true, c.Parallel
	client, err := c.client()
	if err != nil {
		return nil, err
	}
	run, err := client.GraphRuns.Start(ctx, n)
	if err != nil {
		return nil, err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	id := run.ID
	if run, err = client.GraphRuns.Wait(ctx, id); err != nil {
		if ctx.Err() != nil {
			_, _ = client.GraphRuns.Cancel(context.WithoutCancel(ctx), id) // it would end by itself
		}
		return nil, err
	}
	if run.State == sendoff.GraphCanceled || run.Exit == nil {
		return nil, fmt.Errorf("the plan was not finished: sendoff graph get %s", id)
	}
	plan := &jobgraph.Plan{Goal: run.Goal}
	for i := range run.Jobs {
		j := &run.Jobs[i]
		plan.Jobs = append(plan.Jobs, jobgraph.PlannedJob{Name: j.Name, Deps: j.Deps, Verdict: jobgraph.Verdict(j.Verdict), Reason: j.Reason, WaitsFor: j.WaitsFor})
	}
	return plan, nil
}
