package task

import (
	"errors"
	"fmt"
	"time"
)

// Permanent marks an error as one that no retry can heal: the task fails at
// once, with reason rejected. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// IsPermanent tells whether err, or what it wraps, was marked by Permanent.
func IsPermanent(err error) bool {
	_, ok := errors.AsType[*permanentError](err)
	return ok
}

// RetryAfter marks an error with the time to wait before the next attempt, in
// place of the task's backoff. It is cut at 24 hours. RetryAfter(nil, d) is nil.
func RetryAfter(err error, wait time.Duration) error {
	if err == nil {
		return nil
	}
	return &retryAfterError{err, wait}
}

type retryAfterError struct {
	err  error
	wait time.Duration
}

func (e *retryAfterError) Error() string { return e.err.Error() }
func (e *retryAfterError) Unwrap() error { return e.err }

// SnoozeFor is an error that a handler returns to have the task run again after a
// while. No attempt is spent; the task's maximal age bounds how often.
func SnoozeFor(wait time.Duration) error { return &snoozeError{wait} }

type snoozeError struct{ wait time.Duration }

func (e *snoozeError) Error() string { return fmt.Sprintf("snoozed for %s", e.wait) }

// Wait returns the wait that err asks for, by RetryAfter or by Snooze, and
// whether it is a snooze.
func Wait(err error) (wait time.Duration, snooze bool) {
	if e, ok := errors.AsType[*snoozeError](err); ok {
		return e.wait, true
	}
	if e, ok := errors.AsType[*retryAfterError](err); ok {
		return e.wait, false
	}
	return 0, false
}
