package graphrun

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/jobgraph"
)

// cache has the graphs of runs that this process had to do with last.
type cache struct {
	mu     sync.Mutex
	graphs map[string]*jobgraph.Graph
	order  []string // the oldest first
}

// cached is how many.
const cached = 64

func (c *cache) get(run string) *jobgraph.Graph {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.graphs[run]
}

func (c *cache) put(run string, g *jobgraph.Graph) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.graphs == nil {
		c.graphs = map[string]*jobgraph.Graph{}
	}
	if c.graphs[run] == nil {
		c.order = append(c.order, run)
	}
	c.graphs[run] = g
	if len(c.order) > cached {
		delete(c.graphs, c.order[0])
		c.order = c.order[1:]
	}
}

// graphOf returns the graph of the run that a call is part of. What the run was begun
// with never changes, so reading it again is no matter for the journal.
func (r *Runner) graphOf(ctx context.Context) (*jobgraph.Graph, error) {
	run := sendoff.Info(ctx).Root
	if g := r.known.get(run); g != nil {
		return g, nil
	}
	client := r.client()
	if client == nil {
		return nil, errNoEndpoint
	}
	t, err := client.Get(ctx, run)
	if err != nil {
		return nil, fmt.Errorf("the run %s: %w", run, err)
	}
	var in Input
	if err := json.Unmarshal(t.Payload, &in); err != nil {
		return nil, sendoff.Permanent(fmt.Errorf("what the run %s was begun with: %w", run, err))
	}
	g, err := r.graphFor(run, &in)
	if err != nil {
		return nil, sendoff.Permanent(err)
	}
	return g, nil
}

// graphFor returns the graph of a run that was begun with in.
func (r *Runner) graphFor(run string, in *Input) (*jobgraph.Graph, error) {
	if g := r.known.get(run); g != nil {
		return g, nil
	}
	g, err := r.graph(in.Definition, in.Inputs)
	if err == nil {
		r.known.put(run, g)
	}
	return g, err
}

func (r *Runner) client() *sendoff.Client {
	if e := r.endpoint.Load(); e != nil {
		return e.Client()
	}
	return nil
}
