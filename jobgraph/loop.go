package jobgraph

import (
	"container/heap"
	"context"
	"time"
)

// loop attempts what can be attempted until nothing is left.
func (r *run) loop(ctx context.Context) {
	for at, in := range r.chosen {
		if in && r.jobs[at].State == Waiting && len(r.graph.nodes[at].deps) == 0 {
			r.decide(at, 0)
		}
	}
	for _, at := range r.left {
		r.end(at, Skipped)
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	stop := ctx.Done()
	for {
		r.begin(ctx)
		if r.active == 0 && (r.stopping || len(r.later) == 0) {
			break
		}
		if len(r.later) > 0 {
			timer.Reset(time.Until(r.later[0].due))
		}
		select {
		case o := <-r.results:
			r.active--
			r.settle(ctx, o)
		case <-timer.C:
		case <-stop:
			r.stopping, stop = true, nil
		}
	}
	r.giveUp(ctx)
}

// begin starts what is ready while there is room.
func (r *run) begin(ctx context.Context) {
	r.stopping = r.stopping || ctx.Err() != nil
	for now := time.Now(); len(r.later) > 0 && !r.later[0].due.After(now); {
		heap.Push(&r.ready, heap.Pop(&r.later).(delayed).turn)
	}
	for r.active < r.cfg.Parallel && len(r.ready) > 0 && !r.stopping {
		t := heap.Pop(&r.ready).(turn)
		j := &r.jobs[t.place]
		j.State = Running
		j.Attempts++
		j.pass = t.pass
		r.passes = max(r.passes, t.pass+1)
		a := &Attempt{
			Job: r.graph.nodes[t.place].job, Number: j.Attempts, Inputs: r.cfg.Inputs, Args: r.cfg.Args,
			Local: map[string]any{}, Shared: &r.shared, run: r, place: t.place, start: time.Now(),
		}
		if j.Attempts == 1 {
			j.Began = a.start
		}
		r.active++
		r.cfg.Log.Debug("attempt begins", "job", j.Name, "attempt", j.Attempts, "pass", t.pass)
		r.observe(Event{Kind: AttemptBegan, Job: j.Name, Attempt: j.Attempts})
		go func() { r.results <- a.carryOut(ctx) }()
	}
}

// settle takes in how an attempt ended.
func (r *run) settle(ctx context.Context, o *outcome) {
	j := &r.jobs[o.place]
	j.Checks += o.checks
	j.Runs += o.runs
	j.Rechecks += o.rechecks
	j.Reason, j.Err, j.Ended = o.reason, o.err, o.start.Add(o.took)
	j.Took += o.took
	switch o.verdict {
	case inPlace:
		j.How = InPlace
		r.succeed(o)
	case achieved:
		j.How = Achieved
		r.succeed(o)
	case skipped:
		j.Reason, j.Err = o.err.Error(), nil
		r.end(o.place, Skipped)
	case failed:
		r.fail(ctx, o)
	}
}

func (r *run) succeed(o *outcome) {
	j := &r.jobs[o.place]
	j.Err, j.Value = nil, o.result
	r.mu.Lock()
	r.ended[o.place] = true
	r.mu.Unlock()
	r.end(o.place, Succeeded)
}

// fail gives a job its next try, or ends it.
func (r *run) fail(ctx context.Context, o *outcome) {
	j := &r.jobs[o.place]
	job := r.graph.nodes[o.place].job
	switch {
	case ctx.Err() != nil:
		r.stopping = true
		r.end(o.place, Canceled)
	case j.Attempts >= r.cfg.tries(job):
		r.end(o.place, Failed)
		if r.cfg.StopAtFailure {
			r.stopping = true
		}
	default:
		j.State = Waiting
		next := turn{pass: j.pass + 1, place: o.place}
		due := o.start.Add(r.cfg.retryDelay(job))
		r.observe(Event{Kind: WillRetry, Job: j.Name, Attempt: j.Attempts, Err: o.err, Next: due})
		if due.After(time.Now()) {
			heap.Push(&r.later, delayed{next, due})
		} else {
			heap.Push(&r.ready, next)
		}
	}
}
