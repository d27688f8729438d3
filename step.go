package sendoff

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/internal/durable"
	"github.com/sendoff-dev/sendoff/status"
	"github.com/sendoff-dev/sendoff/task"
)

// The defaults of steps.
const (
	stepAttempts   = 5
	stepMinBackoff = 200 * time.Millisecond
	stepMaxBackoff = 10 * time.Second
)

// Step does something in this process and records what came of it: in a replay
// the recorded result is returned, and fn is not called. fn runs on a goroutine
// of its own with an ordinary context, which ends with that of the function; it
// calls no durable operation and changes no variable of the function, since a
// replay would not.
//
// fn runs at least once: when the process ends before the result is on record,
// it runs again. [StepKey] is the same then, for services that know idempotency
// keys. With a Sendoff server a result is on record before the next step starts;
// with others it is when the function waits for the server.
//
// A failure is tried again, see [Retry], but for [Permanent] ones;
// [RetryAfter] says when. The last one is returned as a [*CallError] with
// the name of the step. [AttemptTimeout] bounds each attempt.
//
// Outside a durable function Step calls fn, with retries.
func Step[T any](ctx context.Context, name string, fn func(context.Context) (T, error), opts ...StepOption) (T, error) {
	if !durable.In(ctx) {
		return plainStep(ctx, name, fn, opts)
	}
	return StepAsync(ctx, name, fn, opts...).Await(ctx)
}

// StepAsync starts a step and goes on. It works only in a durable function.
func StepAsync[T any](ctx context.Context, name string, fn func(context.Context) (T, error), opts ...StepOption) *Future[T] {
	o := gather[StepOption](nil, opts)
	core := durable.Step(ctx, name, func(ctx context.Context, key string) durable.StepEnd {
		v, attempts, err := attemptStep(context.WithValue(ctx, stepKeyKey{}, key), fn, o)
		if err != nil {
			return durable.StepEnd{Fail: wireError(err), Attempts: attempts}
		}
		return durable.StepEnd{Value: v, Attempts: attempts}
	})
	return &Future[T]{core: core, name: name, read: readValue[T]}
}

type stepKeyKey struct{}

// StepKey is the idempotency key of the step that ctx belongs to: the id of the
// run, and the place of the step in it. It is the same each time that the step
// runs, and that of no other step. After a tail call, with a new journal of
// [Loop], and when the run is restarted from its input, each step is another
// one. "" outside a step.
func StepKey(ctx context.Context) string {
	key, _ := ctx.Value(stepKeyKey{}).(string)
	return key
}

// wireError is the recorded form of an error. The status of one that has no
// name of its own goes into the type.
func wireError(err error) *sdkv1.Error {
	e := encodeError(err)
	if _, call := errors.AsType[*CallError](err); !call && e.GetValue() == nil {
		if s := statusOf(err); s != status.PermanentError {
			e.Type = s.String()
		}
	}
	return e
}

func plainStep[T any](ctx context.Context, name string, fn func(context.Context) (T, error), opts []StepOption) (T, error) {
	var zero T
	if durable.InStep(ctx) {
		return zero, errInStep("step " + name)
	}
	v, _, err := attemptStep(ctx, fn, gather[StepOption](nil, opts))
	if err != nil {
		return zero, &recordedError{decodeCallError(name, wireError(err)), false}
	}
	return decode[T](v)
}

// attemptStep tries until fn succeeds or its policy gives up.
func attemptStep[T any](ctx context.Context, fn func(context.Context) (T, error), o *options) (out durable.Value, attempts int32, err error) {
	policy := stepPolicy(o)
	begun := time.Now()
	for attempts = 1; ; attempts++ {
		v, err := tryStep(ctx, fn, o.timeout)
		if err == nil {
			out, err = encode(v)
			return out, attempts, err
		}
		if task.IsPermanent(err) || ctx.Err() != nil || attempts >= policy.MaxAttempts {
			return out, attempts, err
		}
		wait := policy.Backoff(attempts, rand.Float64())
		if asked, _ := task.Wait(err); asked > 0 {
			wait = asked
		}
		if policy.MaxAge > 0 && time.Since(begun)+wait > policy.MaxAge {
			return out, attempts, err
		}
		if sleep(ctx, wait) != nil {
			return out, attempts, err
		}
	}
}

// tryStep runs fn once and survives what it does.
func tryStep[T any](ctx context.Context, fn func(context.Context) (T, error), timeout time.Duration) (v T, err error) {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, &statusError{status.Timeout, fmt.Sprintf("the step took longer than %s", timeout)})
		defer cancel()
	}
	type answer struct {
		v   T
		err error
	}
	done := make(chan answer, 1)
	go func() {
		a := answer{err: &statusError{status.TemporaryError, "the step called runtime.Goexit, as t.FailNow does"}}
		defer func() { done <- a }()
		defer func() {
			if p := recover(); p != nil {
				a.err = stepPanic(p)
			}
		}()
		a.v, a.err = fn(ctx)
	}()
	a := <-done
	if a.err != nil && timeout > 0 && errors.Is(a.err, context.DeadlineExceeded) && ctx.Err() != nil {
		a.err = context.Cause(ctx)
	}
	return a.v, a.err
}

// stepPolicy is the retry policy of a step: that of tasks, with defaults of its
// own. Its failures are counted here, so it has no age unless one is given.
func stepPolicy(o *options) task.RetryPolicy {
	var p task.RetryPolicy
	if r := o.retry; r != nil {
		p = task.RetryPolicy{MaxAttempts: int32(r.MaxAttempts), MaxAge: r.MaxAge, MinBackoff: r.MinBackoff, MaxBackoff: r.MaxBackoff, Factor: r.Factor}
		if r.Jitter != nil {
			p.Jitter = cmp.Or(*r.Jitter, -1) // none at all, as opposed to the default
		}
	}
	p = p.Or(task.RetryPolicy{MaxAttempts: stepAttempts, MinBackoff: stepMinBackoff, MaxBackoff: stepMaxBackoff})
	if o.noRetry {
		p.MaxAttempts = 1
	}
	return p
}
