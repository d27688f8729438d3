package accept

import (
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
	r := s.Retry
	checkSpan(bad, "timeout", s.Timeout, task.TimeoutSpan)
	checkSpan(bad, "retry.max_age", r.MaxAge, task.RetrySpan)
	checkSpan(bad, "retry.min_backoff", r.MinBackoff, task.RetrySpan)
	checkSpan(bad, "retry.max_backoff", r.MaxBackoff, task.RetrySpan)
	if r.MaxAttempts < 0 || r.MaxAttempts > task.MaxAttempts && s.Kind != task.Function {
		bad.Add("retry.max_attempts", "is %d: want 1 to %d", r.MaxAttempts, task.MaxAttempts)
	}
	if r.MaxBackoff > 0 && r.MinBackoff > r.MaxBackoff {
		bad.Add("retry.min_backoff", "is %s, more than max_backoff (%s)", r.MinBackoff, r.MaxBackoff)
	}
	if r.Factor != 0 && !(r.Factor >= 1 && r.Factor <= 100) {
		bad.Add("retry.factor", "is %v: want 1 to 100", r.Factor)
	}
	if !(r.Jitter <= 1) {
		bad.Add("retry.jitter", "is %v: want 0 to 1", r.Jitter)
	}
}

func checkSpan(bad *task.Invalid, field string, d time.Duration, span task.Span) {
	if d != 0 {
		span.Check(bad, field, d)
	}
}
