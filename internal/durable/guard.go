package durable

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
)

// Code of users runs outside their functions too: errors are asked for their
// text, values encode themselves. None of that may take the process along, or
// leave a run that nobody can resume.

// guarded is run for code that may panic.
func (j *job) guarded(ctx context.Context, taken *warm) (res *sdkv1.RunResponse) {
	defer func() {
		if p := recover(); p != nil {
			j.keep = nil
			res = temporaryPanic(&PanicError{Value: p, Stack: debug.Stack()})
		}
	}()
	return j.run(ctx, taken)
}

// result makes the answer of a function that has returned. A panic on the way is
// like one in the function.
func (j *job) result(v Value, err error) (res *sdkv1.RunResponse) {
	defer func() {
		if p := recover(); p != nil {
			res = temporaryPanic(&PanicError{Value: p, Stack: debug.Stack()})
		}
	}()
	return j.host.Result(v, err)
}

// runStep runs the body of a step on a goroutine that is nobody else's.
func runStep(ctx context.Context, body StepFunc, key string, over func(StepEnd)) {
	end := StepEnd{Fail: &sdkv1.Error{Type: "panic", Message: "the step called runtime.Goexit, as t.FailNow does"}}
	defer func() {
		if p := recover(); p != nil {
			end = StepEnd{Fail: &sdkv1.Error{Type: "panic", Message: strings.ToValidUTF8(fmt.Sprint(p), "?"), Traceback: debug.Stack()}}
		}
		over(end)
	}()
	end = body(ctx, key)
}
