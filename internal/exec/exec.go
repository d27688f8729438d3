// Package exec is where a leased task becomes an outcome. Each way to carry a
// task out is a package of its own below this one - push for HTTP, function,
// process - and none of them knows another; this package holds only what they
// and their caller agree on.
//
// A task comes from internal/claim with its token, and its outcome goes to
// internal/settle. Executors know neither the store nor what an outcome leads to:
// that is the business of task.Decide.
package exec

import (
	"context"
	"errors"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Executor carries out one attempt of a task. Execute blocks until it has ended,
// never longer than the task's timeout by much, never panics, and is safe for
// concurrent use. spec is the decoded form of t.Spec.
//
// When ctx is cancelled the attempt ends early, and the cause says how: after
// [ErrStopping] the outcome is task.Interrupt, after [ErrLeaseLost] and
// [ErrCanceled] it is task.Cancel. An attempt that had already ended keeps its
// own outcome.
//
// Execute calls [Begin] when the attempt begins, before anything of it leaves.
type Executor interface {
	Execute(ctx context.Context, t *store.Claimed, spec *task.Spec) task.Outcome
}

type beginKey struct{}

// WithBegin returns a context with which Begin calls a function, if that is not nil.
func WithBegin(ctx context.Context, begin func()) context.Context {
	if begin == nil {
		return ctx
	}
	return context.WithValue(ctx, beginKey{}, begin)
}

// Begin says that an attempt begins now. What ends before, because it is put off or cannot
// be made at all, is no start of its queue.
func Begin(ctx context.Context) {
	if begin, ok := ctx.Value(beginKey{}).(func()); ok {
		begin()
	}
}

// The causes with which running attempts are cancelled (context.WithCancelCause).
var (
	ErrStopping  = errors.New("the node is stopping")
	ErrLeaseLost = errors.New("the node's lease was lost")
	ErrCanceled  = errors.New("the task was canceled")
)

// Stopped turns the cancelling of an attempt into its outcome. ok is false while
// ctx is not done.
func Stopped(ctx context.Context) (o task.Outcome, ok bool) {
	if ctx.Err() == nil {
		return task.Outcome{}, false
	}
	cause := context.Cause(ctx)
	class := task.Interrupt
	if errors.Is(cause, ErrLeaseLost) || errors.Is(cause, ErrCanceled) {
		class = task.Cancel
	}
	return task.Outcome{Class: class, Error: cause.Error()}, true
}

// Ending says what is settled of an attempt that ended with o, given the context that
// it ran under. ours is false when its end is somebody else's to write, and usually
// written already: the task is only handed back, for who asked may have meant the
// attempt before this one.
func Ending(ctx context.Context, o task.Outcome) (settled task.Outcome, ours bool) {
	if o.Class != task.Cancel {
		return o, true
	}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, ErrCanceled):
		return o, false
	case errors.Is(cause, ErrLeaseLost):
		o.Class = task.Interrupt // handed back, unless it has been taken back
	}
	return o, true
}
