package sendoff

import (
	"context"
	"errors"
	"slices"

	"github.com/sendoff-dev/sendoff/internal/durable"
)

// Saga undoes what a durable function did when it fails, also because its time is
// over, or because it was canceled:
//
//	undo := sendoff.NewSaga(ctx)
//	defer undo.RollbackOnError(&err)
//	... book ...
//	undo.Add("cancel booking", func(ctx context.Context) error { ... })
//
// While there is something to undo, the context of the function ends before the call
// expires: by a tenth of its life, at most 5 minutes. That is the time for undoing; what
// is not undone when the call expires stays as it is.
//
// A call that is canceled while there is something to undo, and the server knows that,
// is run once more: its context has ended with context.Canceled. It has 5 minutes, or
// until it expires, and ends canceled whatever it returns. A server knows it before a
// step begins. Other servers than Sendoff's do not, and undo nothing.
type Saga struct {
	ctx  context.Context //nolint:containedctx // that of the function whose steps it undoes
	undo []undoing
}

type undoing struct {
	name string
	fn   func(context.Context) error
}

// NewSaga makes a saga. Its undoing goes on when ctx has ended.
func NewSaga(ctx context.Context) *Saga { return &Saga{ctx: context.WithoutCancel(ctx)} }

// Add says how to undo what was done. It will be a [Step] of that name.
func (s *Saga) Add(name string, fn func(context.Context) error) {
	if len(s.undo) == 0 {
		durable.Undoing(s.ctx, true)
	}
	s.undo = append(s.undo, undoing{name, fn})
}

// Rollback undoes all, the last first, each as a step, and forgets it. It goes
// on when one fails, and returns all errors joined.
func (s *Saga) Rollback() error {
	var errs []error
	for _, u := range slices.Backward(s.undo) {
		_, err := Step(s.ctx, u.name, func(ctx context.Context) (struct{}, error) { return struct{}{}, u.fn(ctx) })
		errs = append(errs, err)
	}
	s.forget()
	return errors.Join(errs...)
}

func (s *Saga) forget() {
	if len(s.undo) > 0 {
		durable.Undoing(s.ctx, false)
	}
	s.undo = nil
}

// RollbackOnError is to be deferred: it undoes all when the function fails with
// *err, and joins what fails while undoing to it. A tail call is no failure. Neither is a
// panic: it has the function tried again.
func (s *Saga) RollbackOnError(err *error) {
	if durable.Suspended(s.ctx) {
		return
	}
	if *err == nil {
		s.forget()
		return
	}
	if _, tail := errors.AsType[*tailCall](*err); tail {
		return
	}
	if undone := s.Rollback(); undone != nil {
		*err = errors.Join(*err, undone)
	}
}
