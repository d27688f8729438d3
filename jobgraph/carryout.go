package jobgraph

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// CarryOut makes the calls of an attempt: Check, and when that fails Run and the
// recheck. With noAct only the Check.
func (a *Attempt) CarryOut(ctx context.Context, noAct bool) Outcome {
	o := Outcome{Ending: EndedFailed, Began: time.Now()}
	a.carryOut(ctx, noAct, &o)
	o.Took, o.Value = time.Since(o.Began), a.result
	if o.Ending == EndedFailed && ctx.Err() != nil {
		o.Ending = EndedCanceled
	}
	return o
}

func (a *Attempt) carryOut(ctx context.Context, noAct bool, o *Outcome) {
	o.Checks++
	o.Err = a.Do(ctx, CallCheck)
	if o.Ending = Checked(o.Err); o.Ending != EndedFailed {
		return
	}
	if !errors.Is(o.Err, ErrRunOnly) {
		o.Reason = o.Err.Error()
	}
	if noAct || !a.Runs(o.Err) || ctx.Err() != nil {
		return
	}
	a.host.RunBegins(a)
	o.Runs++
	a.ran = a.Do(ctx, CallRun)
	o.Rechecks++
	if o.Err = a.Do(ctx, CallRecheck); o.Err == nil {
		o.Ending = EndedAchieved
	}
}

// Checked says what an attempt comes to with what its first Check returned.
func Checked(err error) Ending {
	switch {
	case err == nil:
		return EndedInPlace
	case isA[*skip](err):
		return EndedSkipped
	}
	return EndedFailed
}

// Runs tells whether Run is called when the Check failed with err.
func (a *Attempt) Runs(err error) bool { return a.Job.Run != nil && !isA[*cannotTell](err) }

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

// Do makes one call of the attempt and tells the host how it ended.
func (a *Attempt) Do(ctx context.Context, c Call) error {
	a.call = c
	if a.value == nil && a.Job.begin != nil {
		a.Job.begin(a)
	}
	began := time.Now()
	err := a.guard(ctx, a.function(c))
	a.host.Called(a, c, err, time.Since(began))
	return err
}

func (a *Attempt) function(c Call) Func {
	switch c {
	case CallCheck:
		return a.firstCheck()
	case CallRecheck:
		return a.recheck()
	case CallRun:
		return a.Job.Run
	case CallCleanup:
	}
	return a.Job.Cleanup
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
