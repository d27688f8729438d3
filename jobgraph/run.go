package jobgraph

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Run makes a graph of the goal and runs it, see [Graph.Run].
func Run(ctx context.Context, goal *Job, cfg Config) (*Result, error) {
	g, err := New(goal)
	if err != nil {
		return nil, err
	}
	return g.Run(ctx, cfg)
}

// Run attempts the jobs until the goal is reached or nothing is left to try, and
// cleans up. When ctx ends it begins nothing more, cancels the calls that are under
// way, and still cleans up. The error is a [DefinitionError] and nothing was called;
// how the run itself went is in the [Result].
func (g *Graph) Run(ctx context.Context, cfg Config) (*Result, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	r, err := newRun(g, cfg)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	r.loop(ctx)
	res := &Result{Goal: r.goal, Began: began, Passes: r.passes, run: r}
	if !cfg.NoCleanup {
		res.Cleanups = r.cleanup(context.WithoutCancel(ctx))
	}
	res.Duration = time.Since(began)
	res.Reached, res.Jobs = true, make([]JobResult, 0, len(r.jobs))
	for at, in := range r.chosen {
		if !in {
			continue
		}
		j := r.jobs[at].JobResult
		res.Jobs = append(res.Jobs, j)
		res.Partial = res.Partial || j.State == Succeeded
		res.Reached = res.Reached && (j.State == Succeeded || j.State == Skipped)
	}
	return res, nil
}

// run is one run of a graph. Its loop alone changes it; what attempts share with
// the loop is in attempts.
type run struct {
	cfg    Config
	graph  *Graph
	goal   string
	chosen []bool     // by place: part of this run
	left   []int      // of those, what counts as done before it begins
	jobs   []jobState // by place
	shared Storage

	ready    ready  // what may be attempted now
	later    delays // what may be attempted at some time
	active   int    // attempts under way
	stopping bool
	passes   int
	results  chan *outcome

	mu    sync.Mutex // the observer's, and that of what follows
	began []*Attempt // whose Run began and that have a Cleanup, in this order
	ended []bool     // by place: its result may be read
}

// jobState is what the loop knows of a job.
type jobState struct {
	JobResult
	pass   int  // of its next attempt, or of the one that ended it
	ends   ends // how those it needs have ended
	queued bool // it has had, or waits for, its first turn
	unused bool // its rule has it skipped: nobody needs it
}

// outcome is how an attempt ended.
type outcome struct {
	*Attempt
	err      error
	verdict  verdict
	checks   int
	runs     int
	rechecks int
	reason   string
	took     time.Duration
}

type verdict int

const (
	failed verdict = iota
	inPlace
	achieved
	skipped
)

func newRun(g *Graph, cfg Config) (*run, error) {
	r := &run{
		cfg: cfg, graph: g, goal: g.name, jobs: make([]jobState, len(g.nodes)), ended: make([]bool, len(g.nodes)),
		results: make(chan *outcome, 64),
	}
	names := make([]string, len(g.nodes))
	for i, n := range g.nodes {
		names[i] = n.job.Name
	}
	for i, n := range g.nodes {
		deps := make([]string, len(n.deps))
		for k, dep := range n.deps {
			deps[k] = names[dep]
		}
		r.jobs[i].JobResult = JobResult{Name: names[i], Deps: deps, Labels: n.job.Labels, State: Waiting}
	}
	return r, r.choose()
}

// result returns what the job at a place left for others.
func (r *run) result(at int) (any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ended[at] {
		return nil, fmt.Errorf("job %q has no result in this run", r.graph.nodes[at].job.Name)
	}
	return r.jobs[at].Value, nil
}

// cleanup calls the cleanups that are left, the latest first.
func (r *run) cleanup(ctx context.Context) []CleanupResult {
	var done []CleanupResult
	for {
		r.mu.Lock()
		n := len(r.began)
		if n == 0 {
			r.mu.Unlock()
			return done
		}
		a := r.began[n-1]
		r.began = r.began[:n-1]
		r.mu.Unlock()
		err := a.do(ctx, CallCleanup, a.Job.Cleanup)
		done = append(done, CleanupResult{Job: a.Job.Name, Attempt: a.Number, Err: err})
	}
}

// observe tells the observer, with the time of now.
func (r *run) observe(e Event) {
	if r.cfg.Observe == nil {
		return
	}
	e.At = time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cfg.Observe(e)
}
