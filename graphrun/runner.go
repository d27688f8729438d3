package graphrun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/jobgraph"
)

// Config is where the jobs of runs come from. One of Goal and Graph is needed.
type Config struct {
	// Goal is that of all runs.
	Goal *jobgraph.Job

	// Graph makes the graph of a run from its definition and inputs. It is called in each
	// process that carries out a part of the run, and has to make the same each time.
	Graph func(definition json.RawMessage, inputs map[string]any) (*jobgraph.Graph, error)

	// Output returns where the output of an attempt goes; nowhere for nil.
	Output func(job string, attempt int) io.Writer
}

// Runner has the functions with which runs are carried out. It is safe for
// concurrent use.
type Runner struct {
	name     string
	graph    func(definition json.RawMessage, inputs map[string]any) (*jobgraph.Graph, error)
	out      func(job string, attempt int) io.Writer
	endpoint atomic.Pointer[sendoff.Endpoint]
	known    cache
	begun    sync.Map // what a step of this process began: see attempt.run

	run  *sendoff.Function[Input, *Output]
	job  *sendoff.Function[jobInput, jobOutput]
	tidy *sendoff.Function[jobInput, callEnd]

	control *sendoff.Signal[string]
}

// New returns a runner. Its functions are named name.run, name.job and name.cleanup,
// which must not change while runs are under way.
func New(name string, c Config) (*Runner, error) {
	if (c.Goal == nil) == (c.Graph == nil) {
		return nil, errors.New("graphrun: want one of Goal and Graph")
	}
	r := &Runner{name: name, graph: c.Graph, out: c.Output}
	if c.Goal != nil {
		g, err := jobgraph.New(c.Goal)
		if err != nil {
			return nil, fmt.Errorf("graphrun: %w", err)
		}
		r.graph = func(json.RawMessage, map[string]any) (*jobgraph.Graph, error) { return g, nil }
	}
	r.control = sendoff.NewSignal[string](name + ".control")
	r.run = sendoff.Func(name+".run", r.carryOut, sendoff.AttemptTimeout(longest))
	r.job = sendoff.Func(name+".job", r.attempt, sendoff.AttemptTimeout(longest))
	r.tidy = sendoff.Func(name+".cleanup", r.cleanUp, sendoff.AttemptTimeout(longest))
	return r, nil
}

// longest is how long a call of a job may take, as long as an attempt may.
const longest = 24 * time.Hour

// Serve makes an endpoint that carries runs out, and serves other functions too. Each
// process that may carry out a part of a run needs one of the same URL and graph.
func (r *Runner) Serve(config sendoff.EndpointConfig, others ...sendoff.AnyFunction) (*sendoff.Endpoint, error) {
	e, err := sendoff.NewEndpoint(config, append(others, r.run, r.job, r.tidy)...)
	if err == nil {
		r.endpoint.Store(e)
	}
	return e, err
}

// RunFunction is the name of the function that is a run.
func (r *Runner) RunFunction() string { return r.run.Name() }

// JobFunction is the name of the function that is an attempt at a job.
func (r *Runner) JobFunction() string { return r.job.Name() }

// Start begins a run. Of the task, Function, Endpoint, Payload and Timeout are set here;
// the rest is the caller's to choose. The error is a [jobgraph.DefinitionError]
// when what is asked for is wrong; nothing was begun then.
func (r *Runner) Start(ctx context.Context, in Input, t sendoff.NewTask) (*sendoff.Task, error) {
	e := r.endpoint.Load()
	if e == nil {
		return nil, errNoEndpoint
	}
	if err := r.Check(in); err != nil {
		return nil, err
	}
	t.Function, t.Endpoint, t.Payload, t.Timeout = r.run.Name(), e.URL(), in, longest
	return e.Client().Submit(ctx, t)
}

var errNoEndpoint = errors.New("graphrun: no endpoint: call Serve first")

// Wait returns how a run ended. Its error is that of the run's function, which has one
// when the run was canceled, or could not be carried out.
func (r *Runner) Wait(ctx context.Context, id string) (*Output, error) {
	h, err := r.run.Handle(ctx, id)
	if err != nil {
		return nil, err
	}
	return h.Wait(ctx)
}

// Pause has a run begin nothing more, until Resume; what is under way goes on.
func (r *Runner) Pause(ctx context.Context, id string) error { return r.tell(ctx, id, stepPaused) }

// Resume has a run that was paused go on.
func (r *Runner) Resume(ctx context.Context, id string) error { return r.tell(ctx, id, stepResumed) }

func (r *Runner) tell(ctx context.Context, id, word string) error {
	client := r.client()
	if client == nil {
		return errNoEndpoint
	}
	return r.control.Send(ctx, id, word, sendoff.Via(client))
}

// Paused tells whether a run is paused. It may be told so a moment before it is.
func (r *Runner) Paused(ctx context.Context, id string) (bool, error) {
	client := r.client()
	if client == nil {
		return false, errNoEndpoint
	}
	page, err := client.Tasks.Steps(ctx, id, sendoff.StepFilter{Newest: true, Limit: 500})
	if err != nil {
		return false, err
	}
	for _, s := range page.Items {
		if s.Name == stepPaused || s.Name == stepResumed {
			return s.Name == stepPaused, nil
		}
	}
	return false, nil
}

// Check says what is wrong with what a run would be given, nil for nothing.
func (r *Runner) Check(in Input) error {
	g, err := r.graph(in.Definition, in.Inputs)
	if err != nil {
		return err
	}
	if n := len(g.Jobs()); n > mostJobs {
		return &jobgraph.DefinitionError{Text: fmt.Sprintf("the graph has %d jobs: want at most %d in a durable run: run it in this process, or in parts", n, mostJobs)}
	}
	_, err = g.Board(in.config())
	return err
}
