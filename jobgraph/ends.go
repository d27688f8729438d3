package jobgraph

import (
	"container/heap"
	"context"

	"github.com/sendoff-dev/sendoff/task"
)

// ends counts how the deps of a job have ended.
type ends struct{ ok, failed, skipped int32 }

// end gives a job its last state, and with it those above whose fate this decides:
// a cascade, in a loop of its own.
func (r *run) end(at int, s State) {
	for next := []ending{{at, s}}; len(next) > 0; {
		e := next[0]
		next = next[1:]
		j := &r.jobs[e.place]
		j.State = e.state
		r.cfg.Log.Debug("job ends", "job", j.Name, "state", e.state)
		r.observe(Event{Kind: JobEnded, Job: j.Name, Attempt: j.Attempts, Err: j.Err, State: e.state, How: j.How})
		if e.state == Canceled { // with the run, as all that waits will be
			continue
		}
		for _, up := range r.graph.nodes[e.place].needed {
			if !r.chosen[up] || r.jobs[up].State != Waiting || r.jobs[up].Attempts > 0 {
				continue
			}
			r.jobs[up].ends.add(e.state, j.unused)
			if unrun := r.decide(up, j.pass); unrun != Waiting {
				next = append(next, ending{up, unrun})
			}
		}
	}
}

type ending struct {
	place int
	state State
}

// add counts an end. What was left out, by the caller or by its own Check, counts as
// done; what nobody needed does not.
func (e *ends) add(s State, unused bool) {
	switch {
	case unused:
		e.skipped++
	case s == Succeeded || s == Skipped:
		e.ok++
	default:
		e.failed++
	}
}

// decide makes a job ready when the ends of its deps allow it. It returns Waiting,
// or the state that it has to end in without an attempt.
func (r *run) decide(at, pass int) State {
	n, j := r.graph.nodes[at], &r.jobs[at]
	j.pass = max(j.pass, pass)
	if r.cfg.NoAct && j.ends.failed > 0 {
		return Blocked // by something that would run first, whatever the rule makes of its end
	}
	switch task.Trigger(n.job.When, int32(len(n.deps)), j.ends.ok, j.ends.failed, j.ends.skipped) {
	case task.CannotRun:
		return Blocked
	case task.NotNeeded:
		j.unused = true
		return Skipped
	case task.MayRun:
		if !j.queued {
			j.queued = true
			heap.Push(&r.ready, turn{pass: j.pass, place: at})
		}
	case task.StillWaits:
	}
	return Waiting
}

// giveUp ends what a stopped run left.
func (r *run) giveUp(ctx context.Context) {
	for at, in := range r.chosen {
		if j := &r.jobs[at]; in && j.State == Waiting {
			if j.Err == nil && ctx.Err() != nil {
				j.Err = context.Cause(ctx)
			}
			j.State = Canceled
			r.observe(Event{Kind: JobEnded, Job: j.Name, Attempt: j.Attempts, Err: j.Err, State: Canceled})
		}
	}
}
