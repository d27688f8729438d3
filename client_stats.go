package sendoff

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// SeriesQuery selects what was counted of queues, or targets. What is zero has a default.
type SeriesQuery struct {
	Queues   []string      // default all
	Targets  bool          // by target in place of by queue: by the host of its URL, or the name of a function, process or handler
	Target   []string      // of Targets: these; default all
	From, To time.Time     // default the last three hours, of targets the last 24
	Step     time.Duration // ten seconds, a minute, ten minutes or an hour, of targets an hour; default the shortest that is kept so long
}

// Series is what was counted of queues, or targets, in a time.
type Series struct {
	From    time.Time     `json:"from"`
	To      time.Time     `json:"to"`
	Step    string        `json:"step"`
	AsOf    time.Time     `json:"as_of"`   // all nodes have written what was before
	Partial bool          `json:"partial"` // something may be missing
	Items   []QueueSeries `json:"items"`
}

// QueueSeries is what was counted of a queue, or a target, oldest first. Steps in which nothing happened
// are left out.
type QueueSeries struct {
	Key    string        `json:"key"`
	Points []SeriesPoint `json:"points"`
}

// SeriesPoint is what was counted in one step.
type SeriesPoint struct {
	At          time.Time        `json:"at"`
	Accepted    int64            `json:"accepted"` // tasks that were submitted
	Started     int64            `json:"started"`  // attempts
	Outcomes    map[string]int64 `json:"outcomes"` // ends of attempts
	Ended       map[State]int64  `json:"ended"`    // tasks that ended with an attempt
	Wait        *Quantiles       `json:"wait,omitempty"`
	Run         *Quantiles       `json:"run,omitempty"`
	Depth       map[State]int64  `json:"depth"`                  // the most that were seen at a time
	OldestReady string           `json:"oldest_ready,omitempty"` // a duration
}

// Quantiles are durations, such as "1.5s", than which half of all, 95 % and 99 % are not longer.
type Quantiles struct {
	P50 string `json:"p50"`
	P95 string `json:"p95"`
	P99 string `json:"p99"`
}

// Series returns what happened in queues, or with targets, over a time.
func (qs Queues) Series(ctx context.Context, q SeriesQuery) (*Series, error) {
	params := url.Values{"by": {"queue"}}
	keys := q.Queues
	if q.Targets {
		keys = q.Target
		params.Set("by", "target")
	}
	if len(keys) > 0 {
		params["key"] = keys
	}
	for name, at := range map[string]time.Time{"from": q.From, "to": q.To} {
		if !at.IsZero() {
			params.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	if q.Step != 0 {
		params.Set("step", q.Step.String())
	}
	var out Series
	if _, _, err := qs.c.do(ctx, request{method: http.MethodGet, path: "/v1/stats", query: params, again: true}, &out); err != nil {
		return nil, err
	}
	return &out, nil
}
