package graphrun

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/jobgraph"
	"github.com/sendoff-dev/sendoff/task"
)

// run is a run as its function has it.
type run struct {
	*Runner
	in     Input
	graph  *jobgraph.Graph
	board  *jobgraph.Board
	shared map[string]json.RawMessage
	values map[string]json.RawMessage // results that are not null, by job
	began  []jobInput                 // the attempts whose Run began and that have a Cleanup, in this order
	open   []*attempt
	later  []*delayed
	told   *sendoff.Future[string] // what somebody says next: pause or resume
	paused bool
	size   int      // of what its record holds of attempts, about, in bytes
	full   *Failure // why no further attempt begins: the record has no room for more
}

// attempt is a call that is under way.
type attempt struct {
	jobgraph.Turn
	input jobInput
	*sendoff.Future[jobOutput]
}

// delayed is a turn that has to wait.
type delayed struct {
	jobgraph.Turn
	*sendoff.Future[time.Time]
}

// carryOut is the function that is a run.
func (r *Runner) carryOut(ctx context.Context, in Input) (*Output, error) {
	g, err := r.graphFor(sendoff.Info(ctx).ID, &in)
	if err != nil {
		return nil, sendoff.Permanent(err)
	}
	b, err := g.Board(in.config())
	if err != nil {
		return nil, sendoff.Permanent(err)
	}
	x := &run{Runner: r, in: in, graph: g, board: b, shared: map[string]json.RawMessage{}, values: map[string]json.RawMessage{}}
	maps.Copy(x.shared, in.Shared)
	for _, j := range in.Done {
		x.keep(j.Name, j.Result)
	}
	// While there is something to undo a cancel lets the run end by itself.
	undo := sendoff.NewSaga(ctx)
	undo.Add("the run has ended", func(context.Context) error { return nil })
	err = x.loop(ctx)
	if ctx.Err() != nil {
		x.cancel(context.WithoutCancel(ctx))
		err = context.Cause(ctx)
	}
	reason := err
	if x.full != nil {
		reason = x.full
	}
	res := b.Result(reason)
	out := &Output{
		Goal: res.Goal, Reached: res.Reached, Partial: res.Partial, Canceled: err != nil, Passes: res.Passes, Shared: x.shared, Cleanups: []Cleanup{},
		Error: x.full,
	}
	for _, j := range res.Jobs {
		out.Jobs = append(out.Jobs, jobOf(j))
	}
	x.cleanup(context.WithoutCancel(ctx), out)
	out.Exit = out.JobGraph().Exit()
	return out, undo.Rollback()
}

// loop begins attempts while there is room, and waits for what ends first.
func (x *run) loop(ctx context.Context) error {
	for {
		x.begin(ctx)
		if len(x.open) == 0 && (x.board.Stopped() || len(x.later) == 0 && !x.board.Ready()) {
			return nil
		}
		all := make([]sendoff.Waitable, 0, len(x.open)+len(x.later)+1)
		for _, a := range x.open {
			all = append(all, a.Future)
		}
		for _, d := range x.later {
			all = append(all, d.Future)
		}
		if x.told == nil {
			x.told = x.control.Next(ctx)
		}
		if _, err := sendoff.Select(ctx, append(all, x.told)...); err != nil {
			return err
		}
		if err := x.hear(ctx); err != nil {
			return err
		}
		x.settle(ctx)
	}
}

// hear takes in that the run is to pause, or to go on. What is under way goes on.
func (x *run) hear(ctx context.Context) error {
	if !x.told.Done() {
		return nil
	}
	word, err := x.told.Await(ctx)
	x.told = nil
	if err != nil || word != stepPaused && word != stepResumed {
		return nil //nolint:nilerr // a word that nobody knows means nothing
	}
	x.paused = word == stepPaused
	_, err = sendoff.Step(ctx, word, func(context.Context) (struct{}, error) { return struct{}{}, nil }) // for those who look
	return err
}

// The steps that say whether a run is paused, which are also the words of its signal.
const (
	stepPaused  = "paused"
	stepResumed = "resumed"
)

// begin calls what has its turn.
func (x *run) begin(ctx context.Context) {
	for !x.paused && len(x.open) < max(1, x.in.Parallel) {
		t, ok := x.board.Next()
		if !ok {
			return
		}
		in := jobInput{Inputs: x.in.Inputs, Args: x.in.Args, Job: t.Job.Name, Attempt: t.Attempt, NoAct: x.in.NoAct}
		if t.Job.Check != nil || t.Job.Run != nil { // a group reads nothing
			in.Shared, in.Results = x.shared, x.below(t.Job)
		}
		f := x.job.Start(ctx, in, sendoff.Named(t.Job.Name), sendoff.NoRetry(), sendoff.Labels(t.Job.Labels))
		x.open = append(x.open, &attempt{t, in, f})
	}
}

// below are the results of the jobs that a job stands on.
func (x *run) below(j *jobgraph.Job) map[string]json.RawMessage {
	if len(x.values) == 0 {
		return nil
	}
	out := map[string]json.RawMessage{}
	for _, name := range x.graph.Under(j.Name) {
		if v, has := x.values[name]; has {
			out[name] = v
		}
	}
	return out
}

// settle takes in all that has ended.
func (x *run) settle(ctx context.Context) {
	open, later := x.open, x.later
	x.open, x.later = nil, nil
	for _, d := range later {
		if d.Done() {
			x.board.Again(d.Turn)
		} else {
			x.later = append(x.later, d)
		}
	}
	for _, a := range open {
		if !a.Done() {
			x.open = append(x.open, a)
			continue
		}
		out, err := a.Await(ctx)
		x.weigh(a, out, err)
		if wait, again := x.board.Settle(a.Turn, x.outcome(ctx, a, out, err)); again && wait > 0 {
			x.later = append(x.later, &delayed{a.Turn, sendoff.After(ctx, wait)})
		}
	}
}

// outcome is what an attempt came to. A call that failed itself, because its process was
// lost too often for instance, is an attempt that failed, whose Run may have begun.
func (x *run) outcome(ctx context.Context, a *attempt, out jobOutput, err error) jobgraph.Outcome {
	if err != nil {
		x.remember(a, nil)
		return jobgraph.Outcome{Ending: jobgraph.EndedFailed, Err: failureOf(err), Checks: 1, Began: sendoff.Now(ctx)}
	}
	for k, v := range out.Changed {
		if string(v) == "null" {
			delete(x.shared, k)
		} else {
			x.shared[k] = v
		}
	}
	if out.Runs > 0 {
		x.remember(a, out.Local)
	}
	if out.Ending == jobgraph.EndedInPlace || out.Ending == jobgraph.EndedAchieved {
		x.keep(a.Job.Name, out.Result)
	}
	return jobgraph.Outcome{
		Ending: out.Ending, Err: out.Error.error(), Reason: out.Reason, Checks: out.Checks, Runs: out.Runs, Rechecks: out.Rechecks,
		Value: rawOrNil(out.Result), Began: out.Began, Took: out.Took,
	}
}

// weigh adds what the record of an attempt takes, and that of its Cleanup. When the
// record has no room for more no further attempt begins, and the run ends: what is under
// way, and the cleanups, still fit.
func (x *run) weigh(a *attempt, out jobOutput, err error) {
	size := recordSize + len(out.Result) + len(out.Reason) + sizeOf(out.Local) + sizeOf(out.Changed)
	if out.Error != nil {
		size += len(out.Error.Message) + len(out.Error.Stack)
	}
	if err != nil {
		size += len(err.Error())
	}
	if x.size += size; a.Job.Cleanup != nil {
		x.size += size
	}
	if x.size > mostRecord && x.full == nil {
		x.full = &Failure{Type: "TooLarge", Message: fmt.Sprintf("the attempts of the run have filled its record of %d MiB, so no further one began: want fewer tries, smaller results and storages, or a graph in parts", mostRecord>>20)}
		x.board.Stop()
	}
}

const (
	// recordSize is what the record of an attempt takes beside what it holds, in bytes.
	recordSize = 300

	// mostRecord is how many bytes the record of a run may have. It travels in a
	// request of 16 MB, with how the run ended.
	mostRecord = 10 << 20

	// mostJobs is how many jobs a run may have: what their attempts, some tried again,
	// take of the record, and what the run ends with, leave room for results.
	mostJobs = 20_000
)

func sizeOf(values map[string]json.RawMessage) (n int) {
	for k, v := range values {
		n += len(k) + len(v)
	}
	return n
}

func (x *run) keep(job string, result json.RawMessage) {
	if len(result) > 0 && string(result) != "null" {
		x.values[job] = result
	}
}

// remember notes an attempt for its Cleanup.
func (x *run) remember(a *attempt, local map[string]json.RawMessage) {
	if a.Job.Cleanup == nil {
		return
	}
	in := a.input
	in.Local, in.Shared, in.Results = local, nil, nil
	x.began = append(x.began, in)
}

// cancel ends what is under way, and waits until it has ended: an attempt whose Run
// has begun cleans up after itself first.
func (x *run) cancel(ctx context.Context) {
	if len(x.open) > 0 {
		id := sendoff.Info(ctx).ID
		_, _ = sendoff.Step(ctx, "end what is under way", func(ctx context.Context) (struct{}, error) {
			return struct{}{}, x.endCalls(ctx, id)
		}, sendoff.AttemptTimeout(task.UndoTime-10*time.Second))
	}
	for _, a := range x.open {
		a.Cancel()
	}
	for _, d := range x.later {
		d.Cancel()
	}
}

// cleanup calls the Cleanups, the latest first, one after the other.
func (x *run) cleanup(ctx context.Context, out *Output) {
	for n := len(x.began); n > 0; n-- {
		in := x.began[n-1]
		in.Shared = x.shared
		end, err := x.tidy.Await(ctx, in, sendoff.Named(in.Job+cleanupSuffix), sendoff.NoRetry())
		if err != nil {
			end.Error = failureOf(err)
		}
		out.Cleanups = append(out.Cleanups, Cleanup{Job: in.Job, Attempt: in.Attempt, Error: end.Error})
	}
}
