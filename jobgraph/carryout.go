package jobgraph

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// carryOut makes the calls of an attempt.
func (a *Attempt) carryOut(ctx context.Context) *outcome {
	o := &outcome{Attempt: a}
	if a.Job.begin != nil {
		a.Job.begin(a)
	}
	a.check(ctx, o)
	o.took = time.Since(a.start)
	return o
}

func (a *Attempt) check(ctx context.Context, o *outcome) {
	job := a.Job
	o.checks++
	o.err = a.do(ctx, CallCheck, a.firstCheck())
	switch {
	case o.err == nil:
		o.verdict = inPlace
		return
	case isA[*skip](o.err):
		o.verdict = skipped
		return
	}
	if !errors.Is(o.err, ErrRunOnly) {
		o.reason = o.err.Error()
	}
	if a.run.cfg.NoAct || job.Run == nil || isA[*cannotTell](o.err) || ctx.Err() != nil {
		return
	}
	a.keep()
	o.runs++
	a.ran = a.do(ctx, CallRun, job.Run)
	o.rechecks++
	if o.err = a.do(ctx, CallRecheck, a.recheck()); o.err == nil {
		o.verdict = achieved
	}
}

// firstCheck is Check; without one a group is in place, and what only runs is not.
func (a *Attempt) firstCheck() Func {
	switch {
	case a.Job.Check != nil:
		return a.Job.Check
	case a.Job.Run != nil:
		return func(context.Context, *Attempt) error { return ErrRunOnly }
	}
	return func(context.Context, *Attempt) error { return nil }
}

// recheck is Check; without one what Run returned decides.
func (a *Attempt) recheck() Func {
	if a.Job.Check != nil {
		return a.Job.Check
	}
	return func(context.Context, *Attempt) error { return a.ran }
}

// keep notes that the Run of this attempt begins, for its Cleanup.
func (a *Attempt) keep() {
	if a.Job.Cleanup == nil {
		return
	}
	a.run.mu.Lock()
	defer a.run.mu.Unlock()
	a.run.began = append(a.run.began, a)
}

// do makes one call and tells the observer how it ended.
func (a *Attempt) do(ctx context.Context, c Call, f Func) error {
	a.call = c
	if a.run.cfg.Observe == nil {
		return a.guard(ctx, f)
	}
	began := time.Now()
	err := a.guard(ctx, f)
	a.run.observe(Event{Kind: CallEnded, Job: a.Job.Name, Attempt: a.Number, Call: c, Err: err, Took: time.Since(began)})
	return err
}

// guard calls f in a goroutine of its own, which f may end, and waits for it.
func (a *Attempt) guard(ctx context.Context, f Func) error {
	if limit := a.Job.Timeout; limit > 0 {
		timed, stop := context.WithTimeoutCause(ctx, limit, fmt.Errorf("timeout of %v: %w", limit, context.DeadlineExceeded))
		defer stop()
		if err := guard(timed, f, a); err != nil {
			return over(timed, ctx, err)
		}
		return nil
	}
	return guard(ctx, f, a)
}

// over names the timeout when that is why a call failed.
func over(timed, ctx context.Context, err error) error {
	if timed.Err() == nil || ctx.Err() != nil {
		return err
	}
	if cause := context.Cause(timed); !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

func guard(ctx context.Context, f Func, a *Attempt) error {
	ended := make(chan error, 1)
	go func() {
		var err error = &PanicError{} // unless f returns or panics its goroutine ended
		defer func() {
			if v := recover(); v != nil {
				err = &PanicError{Value: v, Stack: debug.Stack()}
			}
			ended <- err
		}()
		err = f(ctx, a)
	}()
	return <-ended
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// ErrRunOnly is what the first check of a job without a Check fails with.
var ErrRunOnly = errors.New("it has no Check, and Run is not called when only asked")
