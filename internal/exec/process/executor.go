package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/internal/exec"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Executor carries tasks out by a pool.
type Executor struct {
	Pool   *Pool
	Serves []string // names of workers that the pool's are; "" = those without one. None: whatever comes

	// Report keeps how far an attempt is; nil = nobody wants to know.
	Report func(ctx context.Context, h store.Held, p store.Progress) error
}

var _ exec.Executor = Executor{}

// Execute implements exec.Executor. The timeout counts from the start in a worker.
func (x Executor) Execute(ctx context.Context, t *store.Claimed, spec *task.Spec) task.Outcome {
	cfg := x.Pool.Config()
	if len(x.Serves) > 0 && !slices.Contains(x.Serves, spec.Workers) {
		return task.Outcome{Class: task.Interrupt, Error: ErrLost.Error()}
	}
	if !cfg.Allows(spec.Process) {
		return task.Outcome{Class: task.Reject, Error: fmt.Sprintf("%q is not among what the processes of this node may run: see process.allow", spec.Process)}
	}
	c := &Call{
		ID: spec.PublicID(t.ID), Name: spec.Name, Target: spec.Process, Attempt: int(t.Failures) + 1, MaxAttempts: int(t.MaxAttempts), Token: t.Token,
		Timeout: spec.TimeoutOrDefault(), ContentType: spec.ContentType, Payload: t.Payload, Priority: t.Priority, ReadyAt: t.ReadyAt, Workers: spec.Workers,
	}
	if x.Report != nil {
		told := &reporter{report: x.Report, attempt: store.Held{ID: t.ID, Token: t.Token}}
		c.Progress = func(p Progress) { told.tell(ctx, p) }
	}
	if cmd, ok := cfg.Commands[spec.Process]; ok {
		c.Timeout = cmp.Or(cmd.Timeout, c.Timeout)
		return x.outcome(ctx, c, x.Pool.Command(ctx, c, &cmd))
	}
	c.Back = true
	if spec.ContentType == MessageType {
		return x.message(ctx, c)
	}
	return x.outcome(ctx, c, x.Pool.Do(ctx, c))
}

// message carries out a task that came as a message of dispatcherd.
func (x Executor) message(ctx context.Context, c *Call) task.Outcome {
	c.Message, c.Payload = c.Payload, nil
	ended := func(*Result) {}
	ctx, c.Stop = context.WithCancelCause(ctx)
	defer c.Stop(nil)
	if tell := x.Pool.Config().Message; tell != nil {
		var err error
		ended, err = tell(c)
		switch {
		case errors.Is(err, ErrLost):
			return task.Outcome{Class: task.Interrupt, Error: err.Error()} // it ends: it is begun once at most
		case err != nil:
			return task.Outcome{Class: task.Cancel, Error: err.Error()}
		}
	}
	r := x.Pool.Do(ctx, c)
	ended(&r)
	return x.outcome(ctx, c, r)
}

// outcome is the end of an attempt in the words of tasks.
func (x Executor) outcome(ctx context.Context, c *Call, r Result) task.Outcome {
	var o task.Outcome
	switch r.how {
	case unstarted:
		o, _ = exec.Stopped(ctx)
		o.Class, o.Unstarted = cmp.Or(o.Class, task.Interrupt), true
		return o
	case ok:
		o.Class = task.Success
		if r.result != nil {
			o.Answer.Header = []task.Header{{Name: "Content-Type", Value: "application/json"}}
			o.Answer.Body, o.Answer.Truncated = cut(r.result, task.MaxAnswer)
		}
	case failed:
		o = r.err.outcome()
		o.Code = int32(r.exit.Code)
	case crashed:
		o = task.Outcome{Class: task.Crash, Code: int32(max(r.exit.Code, 0)), Error: "its process " + r.exit.String()}
		if r.exit.OOM {
			o.Cause = task.CauseMemory
		}
	case stopped:
		o = r.stoppedOutcome(ctx, c.Timeout)
	}
	if r.output != nil {
		o.Answer.Header = append(o.Answer.Header, r.output.headers()...)
	}
	return o
}

func cut(b []byte, most int) ([]byte, bool) {
	if len(b) > most {
		return b[:most], true
	}
	return b, false
}

func (r *Result) stoppedOutcome(ctx context.Context, timeout time.Duration) task.Outcome {
	if r.late {
		return task.Outcome{Class: task.Failure, Cause: task.CauseTimeout, Error: fmt.Sprintf("timeout after %s (%s)", timeout, r.stage)}
	}
	o, _ := exec.Stopped(ctx)
	return o
}

// outcome is why an attempt did not work, for a person and for task.Decide.
func (e *frameError) outcome() task.Outcome {
	o := task.Outcome{Class: task.Failure, RetryAfter: time.Duration(e.RetryAfter * float64(time.Second))}
	switch {
	case e.Snooze:
		o.Class = task.Snooze
	case e.Permanent:
		o.Class = task.Reject
	}
	o.Error = e.Message
	if e.Type != "" {
		o.Error = strings.TrimSuffix(e.Type+": "+e.Message, ": ")
	}
	if e.Trace != "" {
		room := store.MaxError - len(o.Error) - 1
		if trace := strings.TrimSpace(e.Trace); room > 200 {
			o.Error += "\n" + trace[max(len(trace)-room, 0):] // its end tells where
		}
	}
	return o
}
