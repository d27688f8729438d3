package sendoff

import (
	"time"

	"github.com/sendoff-dev/sendoff/task"
)

// Permanent marks an error of a handler as one that no retry can heal: the task
// fails at once, with reason rejected. Permanent(nil) is nil.
func Permanent(err error) error { return task.Permanent(err) }

// RetryAfter marks an error of a handler with the time to wait before the next
// attempt, in place of the task's backoff. It is cut at 24 hours.
// RetryAfter(nil, d) is nil.
func RetryAfter(err error, wait time.Duration) error { return task.RetryAfter(err, wait) }

// Snooze is an error that a handler returns to have the task run again after a
// while. No attempt is spent; the task's maximal age bounds how often.
func Snooze(wait time.Duration) error { return task.SnoozeFor(wait) }
