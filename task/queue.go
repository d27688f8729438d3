package task

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"time"
)

// QueueSettings is what was set for a queue. A zero field was not set, and means its
// default. Of a task, timeout, retry and target are those of its queue at the time of
// its submission; the others hold for all tasks that are in the queue.
type QueueSettings struct {
	Concurrency int32 // attempts under way at a time, over all nodes; default as many as there is room for
	Rate        Rate  // of attempts that start, over all nodes; default no limit
	Burst       int32 // attempts that may start at once, after a time with few; default 1; belongs to a rate

	Timeout time.Duration // of an attempt of a task that names none
	Retry   RetryPolicy   // field by field, of a task that leaves it out
	Target  string        // URL that a task without a target is pushed to, and endpoint of a function without one; default none

	Retention Retention

	Discipline Discipline // how tasks of the same priority take turns; default Fifo
	Weights    Weights    // of groups, while the discipline is Fair; default 1 each

	Webhooks Secrets // that sign pushes after Standard Webhooks; default those of the server
}

// Retention is how long ended tasks stay visible, by how they ended. Zero: not set.
type Retention struct{ Succeeded, Failed, Canceled time.Duration }

// NotKept is the retention of tasks that nobody wants to see once they have ended: they go with
// the next sweep, after Grace.
const NotKept time.Duration = -time.Microsecond

// Grace is how long a task that is not kept is there after its end all the same, for those
// who wait for it.
const Grace = 5 * time.Second

// Of is how long tasks that ended in a state are kept.
func (r Retention) Of(s State) time.Duration {
	kept := r.Succeeded
	switch s {
	case Failed:
		kept = r.Failed
	case Canceled:
		kept = r.Canceled
	}
	if kept == NotKept {
		return Grace
	}
	return kept
}

// MaxLimit is the largest concurrency and the largest burst.
const MaxLimit = 1_000_000

// RetentionSpan is what a retention may be, besides NotKept.
var RetentionSpan = Span{time.Millisecond, Horizon}

// Check notes what is wrong with the settings.
func (q *QueueSettings) Check(bad *Invalid) {
	checkLimit(bad, "", q.Concurrency, q.Rate, q.Burst)
	if q.Timeout != 0 {
		TimeoutSpan.Check(bad, "timeout", q.Timeout)
	}
	q.Retry.Check(bad, MaxAttempts)
	q.checkTarget(bad)
	q.checkTurns(bad)
	q.checkSecrets(bad)
	q.Retention.Check(bad)
}

// Check notes what is wrong with a retention.
func (r Retention) Check(bad *Invalid) {
	for _, f := range []struct {
		field string
		d     time.Duration
	}{{"retention.succeeded", r.Succeeded}, {"retention.failed", r.Failed}, {"retention.canceled", r.Canceled}} {
		if f.d != 0 && f.d != NotKept {
			RetentionSpan.Check(bad, f.field, f.d)
		}
	}
}

func (q *QueueSettings) checkTarget(bad *Invalid) {
	if q.Target == "" {
		return
	}
	u, err := url.Parse(q.Target)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		bad.Add("target", "is %q: want a URL such as http://host/path", q.Target)
	}
	bad.CheckText("target", q.Target, 4096)
}

// Limited tells whether the attempts of the queue are limited.
func (q *QueueSettings) Limited() bool { return q.Concurrency > 0 || q.Rate.N > 0 }

// Or returns q with everything that was not set taken from d.
func (q QueueSettings) Or(d QueueSettings) QueueSettings {
	if q.Weights == (Weights{}) {
		q.Weights = d.Weights
	}
	if q.Webhooks == (Secrets{}) {
		q.Webhooks = d.Webhooks
	}
	if q.Rate != (Rate{}) {
		d.Rate, d.Burst = q.Rate, cmp.Or(q.Burst, 1)
	}
	return QueueSettings{
		Concurrency: cmp.Or(q.Concurrency, d.Concurrency), Rate: d.Rate, Burst: d.Burst,
		Timeout: cmp.Or(q.Timeout, d.Timeout), Retry: q.Retry.Or(d.Retry), Target: cmp.Or(q.Target, d.Target),
		Retention: q.Retention.Or(d.Retention), Discipline: cmp.Or(q.Discipline, d.Discipline), Weights: q.Weights, Webhooks: q.Webhooks,
	}
}

// Or returns r with everything that was not set taken from d.
func (r Retention) Or(d Retention) Retention {
	return Retention{cmp.Or(r.Succeeded, d.Succeeded), cmp.Or(r.Failed, d.Failed), cmp.Or(r.Canceled, d.Canceled)}
}

// storedQueue is the stored form of the settings. Durations are microseconds; what
// was not set is left out. The names are never changed.
type storedQueue struct {
	Concurrency int32           `json:"concurrency,omitempty"`
	Rate        Rate            `json:"rate,omitzero"`
	Burst       int32           `json:"burst,omitempty"`
	Timeout     int64           `json:"timeout,omitempty"`
	Retry       storedRetry     `json:"retry,omitzero"`
	Target      string          `json:"target,omitempty"`
	Retention   storedRetention `json:"retention,omitzero"`
	Discipline  Discipline      `json:"discipline,omitempty"`
	Weights     Weights         `json:"weights,omitzero"`
	Webhooks    Secrets         `json:"webhooks,omitzero"`
}

type storedRetry struct {
	MaxAttempts int32   `json:"max_attempts,omitempty"`
	MaxAge      int64   `json:"max_age,omitempty"`
	MinBackoff  int64   `json:"min_backoff,omitempty"`
	MaxBackoff  int64   `json:"max_backoff,omitempty"`
	Factor      float64 `json:"factor,omitempty"`
	Jitter      float64 `json:"jitter,omitempty"`
}

type storedRetention struct {
	Succeeded int64 `json:"succeeded,omitempty"`
	Failed    int64 `json:"failed,omitempty"`
	Canceled  int64 `json:"canceled,omitempty"`
}

// Encode returns the stored form of the settings; nil when nothing is set. Equal
// settings have equal encodings.
func (q *QueueSettings) Encode() []byte {
	if *q == (QueueSettings{}) {
		return nil
	}
	r, keep := q.Retry, q.Retention
	b, _ := json.Marshal(storedQueue{ // plain data cannot fail
		Concurrency: q.Concurrency, Rate: q.Rate, Burst: q.Burst, Timeout: q.Timeout.Microseconds(), Target: q.Target,
		Retry: storedRetry{
			MaxAttempts: r.MaxAttempts, MaxAge: r.MaxAge.Microseconds(), MinBackoff: r.MinBackoff.Microseconds(),
			MaxBackoff: r.MaxBackoff.Microseconds(), Factor: r.Factor, Jitter: r.Jitter,
		},
		Retention:  storedRetention{keep.Succeeded.Microseconds(), keep.Failed.Microseconds(), keep.Canceled.Microseconds()},
		Discipline: q.Discipline, Weights: q.Weights, Webhooks: q.Webhooks,
	})
	return b
}

// DecodeQueueSettings reads what [QueueSettings.Encode] wrote. What a newer version
// wrote besides is left out.
func DecodeQueueSettings(b []byte) (QueueSettings, error) {
	var s storedQueue
	if len(b) == 0 {
		return QueueSettings{}, nil
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return QueueSettings{}, fmt.Errorf("damaged settings of a queue: %w", err)
	}
	of := func(us int64) time.Duration { return time.Duration(us) * time.Microsecond }
	r, keep := s.Retry, s.Retention
	return QueueSettings{
		Concurrency: s.Concurrency, Rate: s.Rate, Burst: s.Burst, Timeout: of(s.Timeout), Target: s.Target,
		Retry: RetryPolicy{
			MaxAttempts: r.MaxAttempts, MaxAge: of(r.MaxAge), MinBackoff: of(r.MinBackoff), MaxBackoff: of(r.MaxBackoff),
			Factor: r.Factor, Jitter: r.Jitter,
		},
		Retention:  Retention{of(keep.Succeeded), of(keep.Failed), of(keep.Canceled)},
		Discipline: s.Discipline, Weights: s.Weights, Webhooks: s.Webhooks,
	}, nil
}
