package jobgraph

import (
	"container/heap"
	"context"
	"fmt"
	"io"
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
	r, err := newRun(g, cfg)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	r.loop(ctx)
	res := r.Result(context.Cause(ctx))
	res.run, res.Began = r, began
	if !cfg.NoCleanup {
		res.Cleanups = r.cleanup(context.WithoutCancel(ctx))
	}
	res.Duration = time.Since(began)
	return res, nil
}

// run is a run in this process. Its loop alone has the board; what attempts share
// with the loop stands below the mutex.
type run struct {
	*Board
	graph  *Graph
	shared Storage
	later  delays // what may be attempted at some time
	active int    // attempts under way
	done   chan ended

	mu     sync.Mutex // the observer's too
	began  []*Attempt // whose Run began and that have a Cleanup, in this order
	values []value    // by place
}

// value is the result of a job, of one that succeeded.
type value struct {
	any
	there bool
}

func newRun(g *Graph, cfg Config) (r *run, err error) {
	r = &run{graph: g, done: make(chan ended, 64), values: make([]value, len(g.nodes))}
	if observer := cfg.Observe; observer != nil {
		cfg.Observe = func(e Event) { r.tell(observer, e) }
	}
	r.Board, err = g.Board(cfg)
	return r, err
}

// attempt is one to be made in this process.
func (r *run) attempt(j *Job, n int) *Attempt {
	return &Attempt{
		Job: j, Number: n, Inputs: r.cfg.Inputs, Args: r.cfg.Args, Local: map[string]any{}, Shared: &r.shared, graph: r.graph, host: r,
	}
}

// ended is an attempt that has.
type ended struct {
	Turn
	Outcome
}

// loop attempts what can be attempted until nothing is left.
func (r *run) loop(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for stop := ctx.Done(); ; {
		r.begin(ctx)
		if r.active == 0 && (r.stopping || len(r.later) == 0) {
			return
		}
		if len(r.later) > 0 {
			timer.Reset(time.Until(r.later[0].due))
		}
		select {
		case e := <-r.done:
			r.active--
			r.settle(e)
		case <-timer.C:
		case <-stop:
			stop = nil
			r.Stop()
		}
	}
}

// begin starts what is ready while there is room.
func (r *run) begin(ctx context.Context) {
	if ctx.Err() != nil {
		r.Stop()
	}
	for now := time.Now(); len(r.later) > 0 && !r.later[0].due.After(now); {
		r.Again(heap.Pop(&r.later).(delayed).Turn)
	}
	for r.active < r.cfg.Parallel {
		t, ok := r.Next()
		if !ok {
			return
		}
		a := r.attempt(t.Job, t.Attempt)
		r.active++
		go func() { r.done <- ended{t, a.CarryOut(ctx, r.cfg.NoAct)} }()
	}
}

func (r *run) settle(e ended) {
	if e.Ending == EndedInPlace || e.Ending == EndedAchieved {
		r.mu.Lock()
		r.values[e.place] = value{e.Value, true}
		r.mu.Unlock()
	}
	if wait, again := r.Settle(e.Turn, e.Outcome); again && wait > 0 {
		heap.Push(&r.later, delayed{e.Turn, time.Now().Add(wait)})
	}
}

// Value implements [Host].
func (r *run) Value(job string) (any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ok := r.graph.place[job]; ok && r.values[at].there {
		return r.values[at].any, nil
	}
	return nil, fmt.Errorf("job %q has no result in this run", job)
}

// RunBegins implements [Host].
func (r *run) RunBegins(a *Attempt) {
	if a.Job.Cleanup == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.began = append(r.began, a)
}

// Called implements [Host].
func (r *run) Called(a *Attempt, c Call, err error, took time.Duration) {
	if r.cfg.Observe == nil {
		return
	}
	r.observe(Event{Kind: CallEnded, Job: a.Job.Name, Attempt: a.Number, Call: c, Err: err, Took: took})
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
		done = append(done, CleanupResult{Job: a.Job.Name, Attempt: a.Number, Err: a.Do(ctx, CallCleanup)})
	}
}

// tell tells the observer, with the time of now.
func (r *run) tell(observer func(Event), e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.At = time.Now()
	observer(e)
}

// Output implements [Host].
func (r *run) Output(a *Attempt) io.Writer {
	if r.cfg.Output == nil {
		return nil
	}
	return r.cfg.Output(a.Job.Name, a.Number)
}
