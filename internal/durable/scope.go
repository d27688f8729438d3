package durable

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"time"
)

type scopeKey struct{}

// scope is a context of a run that can be canceled: that of a branch, or one
// with a durable deadline. It knows the branch that may use it.
type scope struct {
	context.Context //nolint:containedctx // from context.WithCancelCause: a scope is one
	stop            context.CancelCauseFunc
	branch          *Branch
	parent          *scope
	children        map[*scope]struct{}
	outside         bool      // it can end without cancel, by a context between scopes
	number          uint64    // rises in the order of creation
	deadline        time.Time // zero = that of the parent
}

func newScope(ctx context.Context, b *Branch) *scope {
	b.run.scopes++
	s := &scope{branch: b, number: b.run.scopes}
	s.parent, _ = ctx.Value(scopeKey{}).(*scope)
	s.Context, s.stop = context.WithCancelCause(ctx)
	if s.parent != nil {
		s.outside = s.parent.outside || ctx.Done() != s.parent.Done()
		if s.parent.children == nil {
			s.parent.children = make(map[*scope]struct{})
		}
		s.parent.children[s] = struct{}{}
	}
	return s
}

// Value implements context.Context.
func (s *scope) Value(key any) any {
	if key == (scopeKey{}) {
		return s
	}
	return s.Context.Value(key)
}

// Deadline implements context.Context.
func (s *scope) Deadline() (time.Time, bool) {
	at, ok := s.Context.Deadline()
	if !s.deadline.IsZero() && (!ok || s.deadline.Before(at)) {
		return s.deadline, true
	}
	return at, ok
}

// Err implements context.Context.
func (s *scope) Err() error {
	err := s.Context.Err()
	if err != nil && errors.Is(context.Cause(s.Context), context.DeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return err
}

// cancel ends the scope and wakes who waits in it, also when a context above has
// ended it before.
func (s *scope) cancel(cause error) {
	s.stop(cause)
	s.detach()
	s.wake()
}

func (s *scope) wake() {
	if w := s.branch.wait; w != nil && w.scope == s {
		w.wake()
	}
	byAge := func(a, b *scope) int { return cmp.Compare(a.number, b.number) }
	for _, child := range slices.SortedFunc(maps.Keys(s.children), byAge) {
		child.wake()
	}
}

func (s *scope) detach() {
	if s.parent != nil {
		delete(s.parent.children, s)
	}
}

// end frees the scope of a branch that returned.
func (s *scope) end() {
	s.detach()
	s.stop(context.Canceled)
}

// EndedError is the end of a context, or of a future that was given up, as the
// code of a function meets it. What led to it is on record, so that each replay
// meets it again.
type EndedError struct{ Cause error }

// Error implements error.
func (e EndedError) Error() string { return e.Cause.Error() }

// Unwrap returns context.Canceled or context.DeadlineExceeded.
func (e EndedError) Unwrap() error { return e.Cause }

// cause is why ctx ended: an EndedError, or what the code itself gave as the cause.
func cause(ctx context.Context) error {
	err := context.Cause(ctx)
	if err == nil {
		err = ctx.Err()
	}
	if err == context.Canceled || err == context.DeadlineExceeded { //nolint:errorlint // a cause of the user's that wraps one stays as it is
		return EndedError{err}
	}
	return err
}

const foreign = "sendoff: a durable operation was called from a goroutine that does not own it: " +
	"use sendoff.Go in place of the go statement, use the context that Go passes to its function, " +
	"and call no durable operation within a Step"

// scopeOf returns the scope of ctx and its branch, which must be the one that
// runs. It never returns when the run is being evicted.
func scopeOf(ctx context.Context) (*scope, *Branch) {
	s, ok := ctx.Value(scopeKey{}).(*scope)
	if !ok {
		panic("sendoff: a durable operation was called with a context that is not that of a durable function")
	}
	b := s.branch
	if b.leaving() {
		runtime.Goexit()
	}
	if b.run.current.Load() != b {
		panic(foreign)
	}
	return s, b
}

// In tells whether ctx is that of a durable function.
func In(ctx context.Context) bool {
	_, ok := ctx.Value(scopeKey{}).(*scope)
	return ok
}
