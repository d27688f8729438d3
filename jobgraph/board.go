package jobgraph

import (
	"container/heap"
	"time"

	"github.com/sendoff-dev/sendoff/task"
)

// Board decides what of a graph comes next. It calls nothing and has no clock, so
// that attempts may be carried out anywhere: [Graph.Run] does it in this process,
// package graphrun as durable calls. It is for one goroutine.
//
//	for turn, ok := b.Next(); ok; turn, ok = b.Next() { ... begin the attempt ... }
//	wait, again := b.Settle(turn, outcome) // and later, after wait: b.Again(turn)
type Board struct {
	cfg      Config
	graph    *Graph
	goal     string
	chosen   []bool     // by place: part of this run
	left     []int      // of those, what counts as done before it begins
	jobs     []jobState // by place
	ready    ready      // what may be attempted now
	stopping bool
	passes   int
}

// Turn is an attempt that is to be made.
type Turn struct {
	Job     *Job
	Attempt int // from 1
	turn
}

// Ending is how an attempt ended.
type Ending string

// The endings of attempts.
const (
	EndedFailed   Ending = "failed"
	EndedInPlace  Ending = "in_place" // the first Check passed
	EndedAchieved Ending = "achieved"
	EndedSkipped  Ending = "skipped"  // the Check said so
	EndedCanceled Ending = "canceled" // with the run
)

// Outcome is what an attempt came to.
type Outcome struct {
	Ending                 Ending
	Err                    error  // of one that failed, was skipped or canceled
	Reason                 string // what the first Check said
	Checks, Runs, Rechecks int
	Value                  any
	Began                  time.Time
	Took                   time.Duration
}

// jobState is what the board knows of a job.
type jobState struct {
	JobResult
	pass   int  // of its next attempt, or of the one that ended it
	ends   ends // how those it needs have ended
	queued bool // it has had, or waits for, its first turn
	unused bool // its rule has it skipped: nobody needs it
}

// Board returns one for a run. The error is a [DefinitionError].
func (g *Graph) Board(cfg Config) (*Board, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	b := &Board{cfg: cfg, graph: g, goal: g.name, jobs: make([]jobState, len(g.nodes))}
	names := make([]string, len(g.nodes))
	for i, n := range g.nodes {
		names[i] = n.job.Name
	}
	for i, n := range g.nodes {
		deps := make([]string, len(n.deps))
		for k, dep := range n.deps {
			deps[k] = names[dep]
		}
		b.jobs[i].JobResult = JobResult{Name: names[i], Deps: deps, Labels: n.job.Labels, State: Waiting}
	}
	if err := b.choose(); err != nil {
		return nil, err
	}
	done := b.takeOver()
	for at, in := range b.chosen {
		if in && b.jobs[at].State == Waiting && len(b.graph.nodes[at].deps) == 0 {
			b.decide(at, 0)
		}
	}
	for _, at := range b.left {
		b.end(at, Skipped)
	}
	for _, at := range done {
		b.end(at, b.jobs[at].State)
	}
	return b, nil
}

// takeOver has those jobs stand as they do after a run before this one.
func (b *Board) takeOver() (done []int) {
	for _, j := range b.cfg.Done {
		at, ok := b.graph.place[j.Name]
		if !ok || !b.chosen[at] || b.jobs[at].State != Waiting {
			continue
		}
		j.Deps, j.Labels = b.jobs[at].Deps, b.jobs[at].Labels
		b.jobs[at].JobResult = j
		done = append(done, at)
	}
	return done
}

// Next begins the attempt whose turn it is. ok is false when nothing can begin now.
func (b *Board) Next() (t Turn, ok bool) {
	if len(b.ready) == 0 || b.stopping {
		return Turn{}, false
	}
	at := heap.Pop(&b.ready).(turn)
	j := &b.jobs[at.place]
	j.State = Running
	j.Attempts++
	j.pass = at.pass
	b.passes = max(b.passes, at.pass+1)
	if b.cfg.Log != nil {
		b.cfg.Log.Debug("attempt begins", "job", j.Name, "attempt", j.Attempts, "pass", at.pass)
	}
	b.observe(Event{Kind: AttemptBegan, Job: j.Name, Attempt: j.Attempts})
	return Turn{b.graph.nodes[at.place].job, j.Attempts, at}, true
}

// Settle takes in how an attempt ended. again tells that the job is to be tried
// again: [Board.Again] has to be called after wait, and has been when that is 0.
func (b *Board) Settle(t Turn, o Outcome) (wait time.Duration, again bool) {
	j := &b.jobs[t.place]
	j.Checks += o.Checks
	j.Runs += o.Runs
	j.Rechecks += o.Rechecks
	j.Reason, j.Err = o.Reason, o.Err
	if t.Attempt == 1 {
		j.Began = o.Began
	}
	j.Ended = o.Began.Add(o.Took)
	j.Took += o.Took
	switch o.Ending {
	case EndedInPlace:
		j.How, j.Err, j.Value = InPlace, nil, o.Value
		b.end(t.place, Succeeded)
	case EndedAchieved:
		j.How, j.Err, j.Value = Achieved, nil, o.Value
		b.end(t.place, Succeeded)
	case EndedSkipped:
		j.Reason, j.Err = o.Err.Error(), nil
		b.end(t.place, Skipped)
	case EndedCanceled:
		b.stopping = true
		b.end(t.place, Canceled)
	case EndedFailed:
		return b.fail(t, o)
	}
	return 0, false
}

// fail gives a job its next try, or ends it.
func (b *Board) fail(t Turn, o Outcome) (wait time.Duration, again bool) {
	j := &b.jobs[t.place]
	if j.Attempts >= b.cfg.tries(t.Job) {
		b.end(t.place, Failed)
		b.stopping = b.stopping || b.cfg.StopAtFailure
		return 0, false
	}
	j.State = Waiting
	wait = max(0, b.cfg.retryDelay(t.Job)-o.Took)
	b.observe(Event{Kind: WillRetry, Job: j.Name, Attempt: j.Attempts, Err: o.Err, Next: j.Ended.Add(wait)})
	if wait == 0 {
		b.Again(t)
	}
	return wait, true
}

// Again has a job that failed wait for its turn in the next pass.
func (b *Board) Again(t Turn) { heap.Push(&b.ready, turn{pass: t.pass + 1, place: t.place}) }

// Stop has no further attempt begin. What has not ended when the result is asked for
// is canceled, for this reason.
func (b *Board) Stop() { b.stopping = true }

// Ready tells whether Next would begin an attempt.
func (b *Board) Ready() bool { return len(b.ready) > 0 && !b.stopping }

// Stopped tells whether no further attempt begins.
func (b *Board) Stopped() bool { return b.stopping }

// Result ends what is left as canceled, for a reason that may be nil, and returns
// how the run went. Its cleanups and times are the caller's to add.
func (b *Board) Result(reason error) *Result {
	res := &Result{Goal: b.goal, Passes: b.passes, Reached: true, Jobs: make([]JobResult, 0, len(b.jobs))}
	for at, in := range b.chosen {
		j := &b.jobs[at]
		if !in {
			continue
		}
		if j.State == Waiting || j.State == Running {
			if j.Err == nil {
				j.Err = reason
			}
			j.State = Canceled
			b.observe(Event{Kind: JobEnded, Job: j.Name, Attempt: j.Attempts, Err: j.Err, State: Canceled})
		}
		res.Jobs = append(res.Jobs, j.JobResult)
		res.Partial = res.Partial || j.State == Succeeded
		res.Reached = res.Reached && (j.State == Succeeded || j.State == Skipped)
	}
	return res
}

// Progress returns how the jobs stand, in depth-first post-order from the goal.
func (b *Board) Progress() []JobResult {
	jobs := make([]JobResult, 0, len(b.jobs))
	for at, in := range b.chosen {
		if in {
			jobs = append(jobs, b.jobs[at].JobResult)
		}
	}
	return jobs
}

func (b *Board) observe(e Event) {
	if b.cfg.Observe != nil {
		b.cfg.Observe(e)
	}
}

// ends counts how the deps of a job have ended.
type ends struct{ ok, failed, skipped int32 }

// end gives a job its last state, and with it those above whose fate this decides:
// a cascade, in a loop of its own.
func (b *Board) end(at int, s State) {
	b.jobs[at].State = s
	for next := []int{at}; len(next) > 0; {
		at, next = next[0], next[1:]
		j := &b.jobs[at]
		if b.cfg.Log != nil {
			b.cfg.Log.Debug("job ends", "job", j.Name, "state", j.State)
		}
		b.observe(Event{Kind: JobEnded, Job: j.Name, Attempt: j.Attempts, Err: j.Err, State: j.State, How: j.How})
		if j.State == Canceled { // with the run, as all that waits will be
			continue
		}
		for _, up := range b.graph.nodes[at].needed {
			if !b.chosen[up] || b.jobs[up].State != Waiting || b.jobs[up].Attempts > 0 {
				continue
			}
			b.jobs[up].ends.add(j.State, j.unused)
			if unrun := b.decide(up, j.pass); unrun != Waiting {
				b.jobs[up].State = unrun // at once: it may be reached again before its own turn here
				next = append(next, up)
			}
		}
	}
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
func (b *Board) decide(at, pass int) State {
	n, j := b.graph.nodes[at], &b.jobs[at]
	j.pass = max(j.pass, pass)
	if b.cfg.NoAct && j.ends.failed > 0 {
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
			heap.Push(&b.ready, turn{pass: j.pass, place: at})
		}
	case task.StillWaits:
	}
	return Waiting
}
