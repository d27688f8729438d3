package task

import (
	"cmp"
	"math"
	"time"
)

// RetryPolicy says how often and how soon a failed task is tried again. A zero
// field means its default; fill them with [RetryPolicy.WithDefaults].
type RetryPolicy struct {
	MaxAttempts int32         // attempts in one run, the first included; default 25
	MaxAge      time.Duration // from the first attempt; later retries are not made; default 7 days
	MinBackoff  time.Duration // wait after the first failure; default 1 s
	MaxBackoff  time.Duration // ceiling of the wait; default 1 h
	Factor      float64       // growth of the wait from one failure to the next, at least 1; default 2
	Jitter      float64       // share of the wait that is random, 0 to 1, applied to both sides; default 0.2; negative = none
}

// DefaultRetry is the policy of a task that names none.
var DefaultRetry = RetryPolicy{
	MaxAttempts: 25, MaxAge: 7 * 24 * time.Hour,
	MinBackoff: time.Second, MaxBackoff: time.Hour, Factor: 2, Jitter: 0.2,
}

// MaxRetryAfter is the longest wait that a target can ask for; a longer wish is
// shortened to it.
const MaxRetryAfter = 24 * time.Hour

// Or returns p with every zero field set to the one of d. A backoff of d gives
// way where it would contradict the other one of p.
func (p RetryPolicy) Or(d RetryPolicy) RetryPolicy {
	if p.MaxBackoff != 0 {
		d.MinBackoff = min(d.MinBackoff, p.MaxBackoff)
	}
	if d.MaxBackoff != 0 {
		d.MaxBackoff = max(d.MaxBackoff, p.MinBackoff)
	}
	return RetryPolicy{
		MaxAttempts: cmp.Or(p.MaxAttempts, d.MaxAttempts), MaxAge: cmp.Or(p.MaxAge, d.MaxAge),
		MinBackoff: cmp.Or(p.MinBackoff, d.MinBackoff), MaxBackoff: cmp.Or(p.MaxBackoff, d.MaxBackoff),
		Factor: cmp.Or(p.Factor, d.Factor), Jitter: cmp.Or(p.Jitter, d.Jitter),
	}
}

// Check notes what is wrong with the fields that are not zero; most is how many
// attempts there may be.
func (p RetryPolicy) Check(bad *Invalid, most int32) {
	for _, wait := range []struct {
		field string
		d     time.Duration
	}{{"retry.max_age", p.MaxAge}, {"retry.min_backoff", p.MinBackoff}, {"retry.max_backoff", p.MaxBackoff}} {
		if wait.d != 0 {
			RetrySpan.Check(bad, wait.field, wait.d)
		}
	}
	if p.MaxAttempts < 0 || p.MaxAttempts > most {
		bad.Add("retry.max_attempts", "is %d: want 1 to %d", p.MaxAttempts, MaxAttempts)
	}
	if p.MaxBackoff > 0 && p.MinBackoff > p.MaxBackoff {
		bad.Add("retry.min_backoff", "is %s, more than max_backoff (%s)", p.MinBackoff, p.MaxBackoff)
	}
	if p.Factor != 0 && !(p.Factor >= 1 && p.Factor <= 100) {
		bad.Add("retry.factor", "is %v: want 1 to 100", p.Factor)
	}
	if !(p.Jitter <= 1) {
		bad.Add("retry.jitter", "is %v: want 0 to 1", p.Jitter)
	}
}

// WithDefaults returns p with every zero field set to the one of [DefaultRetry],
// and so with every field that makes no sense. A negative jitter is none.
func (p RetryPolicy) WithDefaults() RetryPolicy {
	p.MaxAttempts, p.MaxAge = max(p.MaxAttempts, 0), max(p.MaxAge, 0)
	p.MinBackoff, p.MaxBackoff = max(p.MinBackoff, 0), max(p.MaxBackoff, 0)
	if !(p.Factor >= 1) {
		p.Factor = 0
	}
	p = p.Or(DefaultRetry)
	p.Jitter = min(max(p.Jitter, 0), 1)
	p.MaxBackoff = max(p.MaxBackoff, p.MinBackoff)
	return p
}

// Backoff is the wait after the given number of failures (from 1). random is a
// number in [0, 1) that spreads the wait over ±Jitter, so that tasks which
// failed together do not come back together.
func (p RetryPolicy) Backoff(failures int32, random float64) time.Duration {
	p = p.WithDefaults()
	wait := float64(p.MinBackoff) * math.Pow(p.Factor, float64(max(failures, 1)-1))
	wait = math.Min(wait, float64(p.MaxBackoff))
	wait *= 1 + p.Jitter*(2*random-1)
	return time.Duration(math.Min(wait, float64(p.MaxBackoff)))
}
