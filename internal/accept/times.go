package accept

import (
	"math"
	"time"

	"github.com/sendoff-dev/sendoff/task"
)

// latest is the last time that RFC 3339 can write.
var latest = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)

func checkTimes(bad *task.Invalid, s *Submission, now int64) {
	task.DelaySpan.Check(bad, "delay", s.Delay)
	if s.Delay > 0 && !s.RunAt.IsZero() {
		bad.Add("run_at", "give either delay or run_at, not both")
	}
	checkTime(bad, "run_at", s.RunAt)
	if s.ExpiresAt.IsZero() {
		return
	}
	due := max(now+s.Delay.Microseconds(), now)
	if !s.RunAt.IsZero() {
		due = max(due, s.RunAt.UnixMicro())
	}
	checkTime(bad, "expires_at", s.ExpiresAt)
	if s.ExpiresAt.UnixMicro() <= due {
		bad.Add("expires_at", "must lie after the time at which the task is due to start")
	}
}

func checkTime(bad *task.Invalid, field string, t time.Time) {
	if year := t.UTC().Year(); !t.IsZero() && (year < 1970 || year > 9999) {
		bad.Add(field, "is out of range: want a time between 1970 and 9999")
	}
}

// checkRetry checks what was given; zero is the default.
func checkRetry(bad *task.Invalid, s *task.Spec) {
	if s.Once && s.Kind == task.Function {
		bad.Add("once", "belongs to tasks that are not functions: those go on from what is recorded of them")
	}
	if s.Timeout != 0 {
		task.TimeoutSpan.Check(bad, "timeout", s.Timeout)
	}
	most := int32(task.MaxAttempts)
	if s.Kind == task.Function {
		most = math.MaxInt32
	}
	s.Retry.Check(bad, most)
}
