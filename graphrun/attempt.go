package graphrun

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/internal/tail"
	"github.com/sendoff-dev/sendoff/jobgraph"
)

// attempting is an attempt in its function. It is the host of the jobgraph.Attempt.
type attempting struct {
	*jobgraph.Attempt
	runner *Runner
	in     jobInput
	o      jobOutput
	said   tail.Tail // by the call that goes on
}

// begins makes ready an attempt, or one that is to be cleaned up.
func (r *Runner) begins(ctx context.Context, in jobInput) (*attempting, error) {
	g, err := r.graphOf(ctx)
	if err != nil {
		return nil, err
	}
	x := &attempting{runner: r, in: in}
	if x.Attempt = g.Attempt(in.Job, in.Attempt, x); x.Attempt == nil {
		return nil, sendoff.Permanent(fmt.Errorf("job %q is no part of the graph of this process: want the same definition wherever a run is carried out", in.Job))
	}
	x.Inputs, x.Args = in.Inputs, in.Args
	return x, x.load(in.Local, in.Shared)
}

// load puts the storages as they are on record.
func (x *attempting) load(local, shared map[string]json.RawMessage) (err error) {
	if x.Local, err = decode(local); err != nil {
		return err
	}
	values, err := decode(shared)
	if err == nil {
		x.Shared.Do(func(m map[string]any) {
			clear(m)
			maps.Copy(m, values)
		})
	}
	return err
}

// attempt is the function of one attempt at a job: Check, and when that fails Run and
// the recheck, each a step. That a Run begins is on record before it does.
func (r *Runner) attempt(ctx context.Context, in jobInput) (out jobOutput, err error) {
	x, err := r.begins(ctx, in)
	if err != nil {
		return jobOutput{}, err
	}
	undo := sendoff.NewSaga(ctx)
	defer undo.RollbackOnError(&err)
	check, err := x.step(ctx, jobgraph.CallCheck, nil)
	if err != nil {
		return jobOutput{}, err
	}
	x.o.Checks, x.o.Began = 1, check.Began
	failed := check.Error.error()
	if x.o.Ending = jobgraph.Checked(failed); x.o.Ending != jobgraph.EndedFailed {
		return x.ends(failed, check)
	}
	if !errors.Is(failed, jobgraph.ErrRunOnly) {
		x.o.Reason = failed.Error()
	}
	if in.NoAct || !x.Runs(failed) {
		return x.ends(failed, check)
	}
	return x.carryOn(ctx, undo)
}

// carryOn calls Run and the recheck.
func (x *attempting) carryOn(ctx context.Context, undo *sendoff.Saga) (jobOutput, error) {
	mark, err := sendoff.Step(ctx, "begin", func(context.Context) (string, error) {
		mark := fmt.Sprint(time.Now().UnixNano(), "-", x.in.Job)
		x.runner.begun.Store(mark, true)
		return mark, nil
	})
	if err != nil {
		return jobOutput{}, err
	}
	defer x.runner.begun.Delete(mark)
	if x.Job.Cleanup != nil {
		undo.Add("cleanup", func(ctx context.Context) error { return x.Do(ctx, jobgraph.CallCleanup) })
	}
	x.o.Runs = 1
	ran, err := x.step(ctx, jobgraph.CallRun, func(ctx context.Context) (done bool) {
		if _, here := x.runner.begun.Load(mark); here {
			return false
		}
		return x.Do(ctx, jobgraph.CallCheck) == nil // it was cut off: it may have done what it was to do
	})
	if err != nil {
		return jobOutput{}, err
	}
	x.SetRunError(ran.Error.error())
	x.o.Rechecks = 1
	if ran.Again {
		x.o.Ending = jobgraph.EndedAchieved
		return x.ends(nil, ran)
	}
	again, err := x.step(ctx, jobgraph.CallRecheck, nil)
	if err != nil {
		return jobOutput{}, err
	}
	if again.Error == nil {
		x.o.Ending = jobgraph.EndedAchieved
	}
	return x.ends(again.Error.error(), again)
}

// ends is what the attempt came to, after its last call.
func (x *attempting) ends(err error, last callEnd) (jobOutput, error) {
	x.o.Error, x.o.Result = failureOf(err), last.Result
	if x.Job.Cleanup != nil {
		x.o.Local = last.Local
	}
	x.o.Took = last.Began.Add(last.Took).Sub(x.o.Began)
	return x.o, nil
}

// step makes a call and has its end on record, and leaves the attempt as the record
// says. done, when it is not nil, tells that there is nothing left to call.
func (x *attempting) step(ctx context.Context, c jobgraph.Call, done func(context.Context) bool) (callEnd, error) {
	id := sendoff.Info(ctx).ID
	end, err := sendoff.Step(ctx, string(c), func(ctx context.Context) (callEnd, error) {
		ctx, stop := x.runner.whileWanted(ctx, id)
		defer stop()
		end := callEnd{Began: time.Now()}
		x.said.Reset()
		before := x.Shared.All()
		if done != nil && done(ctx) {
			end.Again = true
		} else {
			end.Error = failureOf(x.Do(ctx, c))
		}
		if err := ctx.Err(); err != nil {
			return end, err // it was cut off: what it returned says nothing
		}
		err := x.record(&end, before)
		end.Took = time.Since(end.Began)
		end.Output, end.Cut = printed(&x.said)
		return end, err
	}, sendoff.NoRetry())
	if err != nil {
		return end, err
	}
	if x.o.Changed == nil {
		x.o.Changed = map[string]json.RawMessage{}
	}
	shared := map[string]json.RawMessage{}
	maps.Copy(shared, x.in.Shared)
	maps.Copy(x.o.Changed, end.Changed)
	for k, v := range x.o.Changed {
		if shared[k] = v; string(v) == "null" {
			delete(shared, k)
		}
	}
	x.SetResult(rawOrNil(end.Result))
	return end, x.load(end.Local, shared)
}

// printed is the end of what a call printed, from the beginning of a line on where something
// is left out, and how many bytes are.
func printed(said *tail.Tail) (text string, cut int64) {
	kept, cut := said.Last()
	if at := bytes.IndexByte(kept, '\n'); cut > 0 && at >= 0 {
		kept, cut = kept[at+1:], cut+int64(at)+1
	}
	return strings.ToValidUTF8(string(kept), "\uFFFD"), cut
}

// record notes what a call left behind.
func (x *attempting) record(end *callEnd, before map[string]any) (err error) {
	if end.Local, err = encode(x.Local); err != nil {
		return sendoff.Permanent(err)
	}
	was, err := encode(before)
	if err != nil {
		return sendoff.Permanent(err)
	}
	now, err := encode(x.Shared.All())
	if err != nil {
		return sendoff.Permanent(err)
	}
	end.Changed = changes(was, now)
	if v := x.Result(); v != nil {
		if end.Result, err = json.Marshal(v); err != nil {
			return sendoff.Permanent(fmt.Errorf("the result: want a value that JSON can hold: %w", err))
		}
	}
	return nil
}

// changes are the keys that differ; what is gone is null.
func changes(was, now map[string]json.RawMessage) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	for k, v := range now {
		if string(was[k]) != string(v) {
			out[k] = v
		}
	}
	for k := range was {
		if _, there := now[k]; !there {
			out[k] = json.RawMessage("null")
		}
	}
	return out
}

// cleanUp is the function of one Cleanup.
func (r *Runner) cleanUp(ctx context.Context, in jobInput) (callEnd, error) {
	x, err := r.begins(ctx, in)
	if err != nil {
		return callEnd{}, err
	}
	end, err := x.step(ctx, jobgraph.CallCleanup, nil)
	return callEnd{Error: end.Error, Began: end.Began, Took: end.Took}, err // the rest is for nobody
}

// Value implements jobgraph.Host.
func (x *attempting) Value(job string) (any, error) {
	if v, ok := x.in.Results[job]; ok {
		return v, nil
	}
	return nil, fmt.Errorf("job %q has no result in this run", job)
}

// RunBegins implements jobgraph.Host; what begins is on record already.
func (x *attempting) RunBegins(*jobgraph.Attempt) {}

// Called implements jobgraph.Host; how it ended will be on record.
func (x *attempting) Called(*jobgraph.Attempt, jobgraph.Call, error, time.Duration) {}

// Output implements jobgraph.Host. The last of it goes on record with the call.
func (x *attempting) Output(a *jobgraph.Attempt) io.Writer {
	if x.runner.out == nil {
		return &x.said
	}
	return io.MultiWriter(&x.said, x.runner.out(a.Job.Name, a.Number))
}
