package graph

import (
	"context"
	"io"
	"time"

	"github.com/sendoff-dev/sendoff/internal/graphfile"
	"github.com/sendoff-dev/sendoff/jobgraph"
)

// given is what a command says about the graph that it names.
type given struct {
	inputs   map[string]any // texts of the command line, or values of an earlier run
	args     []string
	parallel int
	drawn    bool      // nothing is called: it may hold what only a server calls
	stderr   io.Writer // for what is printed outside of the calls of a job; nil = nowhere
}

// opened is a graph that can be run, with what it says itself about a run.
type opened struct {
	*jobgraph.Graph
	Inputs     map[string]any // for the Config
	Tries      int            // of the file; 0 = it does not say
	RetryDelay *time.Duration

	// Lasting tells that storages are JSON and calls need nothing of this process, so that
	// another one can call the cleanups.
	Lasting bool

	watch func(context.Context) (context.Context, context.CancelFunc) // ends with what makes the calls; nil = nothing can end
	close func()
	kill  func() // ends at once what the calls have started; nil = nothing can be left
}

// Close gives back what the graph has taken.
func (o *opened) Close() {
	if o.close != nil {
		o.close()
	}
}

// Kill ends at once what its calls have started.
func (o *opened) Kill() {
	if o.kill != nil {
		o.kill()
	}
}

// Run runs the graph for as long as its calls can be made.
func (o *opened) Run(ctx context.Context, cfg jobgraph.Config) (*jobgraph.Result, error) {
	ctx, stop := o.watched(ctx)
	defer stop()
	return o.Graph.Run(ctx, cfg)
}

// Plan plans the graph, likewise.
func (o *opened) Plan(ctx context.Context, cfg jobgraph.Config) (*jobgraph.Plan, error) {
	ctx, stop := o.watched(ctx)
	defer stop()
	return o.Graph.Plan(ctx, cfg)
}

func (o *opened) watched(ctx context.Context) (context.Context, context.CancelFunc) {
	if o.watch == nil {
		return ctx, func() {}
	}
	return o.watch(ctx)
}

// open makes the graph that an argument names: a file, or a Python class.
func open(ctx context.Context, what string, g given) (*opened, error) {
	if isPython(what) {
		return openPython(ctx, what, g)
	}
	return openFile(what, g)
}

// openFile makes the graph of a YAML file.
func openFile(path string, g given) (*opened, error) {
	f, err := graphfile.Load(path)
	if err != nil {
		return nil, err
	}
	groups, w := &graphfile.Groups{}, &workers{dir: f.Dir, max: max(g.parallel, 1)}
	goal, err := f.Goal(g.inputs, graphfile.Host{Groups: groups, Task: w.call, NoServer: !g.drawn})
	if err != nil {
		return nil, err
	}
	o := &opened{Tries: f.Tries, RetryDelay: f.RetryDelay, Lasting: true, close: w.close, kill: groups.Kill}
	if o.Inputs, err = f.Values(g.inputs); err != nil {
		return nil, err
	}
	o.Graph, err = jobgraph.New(goal)
	return o, err
}
