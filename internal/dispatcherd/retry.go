package dispatcherd

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/task"
)

// retryFields are the members of retry in a message, and in the configuration of a channel:
// those of the API. What is left out is the queue's, or the usual.
type retryFields struct {
	MaxAttempts int32    `json:"max_attempts"`
	MaxAge      span     `json:"max_age"`
	MinBackoff  span     `json:"min_backoff"`
	MaxBackoff  span     `json:"max_backoff"`
	Factor      float64  `json:"factor"`
	Jitter      *float64 `json:"jitter"`
}

// span is a duration as the API takes it: a text such as "1m30s", or seconds.
type span time.Duration

// UnmarshalJSON implements json.Unmarshaler.
func (s *span) UnmarshalJSON(b []byte) error {
	d, err := task.ParseDuration(strings.Trim(string(b), `"`))
	*s = span(d)
	return err
}

// readRetry reads a policy; nil = none is given.
func readRetry(raw json.RawMessage) (*task.RetryPolicy, error) {
	if !given(raw) {
		return nil, nil //nolint:nilnil // nothing is given, which is no fault
	}
	var f retryFields
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, err
	}
	p := &task.RetryPolicy{
		MaxAttempts: f.MaxAttempts, MaxAge: time.Duration(f.MaxAge), MinBackoff: time.Duration(f.MinBackoff), MaxBackoff: time.Duration(f.MaxBackoff), Factor: f.Factor,
	}
	if f.Jitter != nil {
		if p.Jitter = *f.Jitter; p.Jitter == 0 {
			p.Jitter = -1
		}
	}
	var bad task.Invalid
	p.Check(&bad, task.MaxAttempts)
	if len(bad) > 0 {
		return nil, bad
	}
	return p, nil
}

// retryOf is the policy of a message that came over a channel: its own, or that of the
// channel; nil = it has one attempt, as with dispatcherd.
func (s *Service) retryOf(m *message, channel string) *task.RetryPolicy {
	p := m.retry
	if p == nil {
		p = s.cfg.Channels[channel].Retry
	}
	if p == nil || p.MaxAttempts == 1 {
		return nil
	}
	return p
}
