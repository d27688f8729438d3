package sendoff

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"time"
)

// QueueSettings are what can be set for a queue. A zero field was not set, and has
// its default. Of a task, timeout, retry and target are those of its queue when it is
// submitted; retention holds for all that has ended, limits for all that starts.
type QueueSettings struct {
	Concurrency int    `json:"concurrency,omitempty"` // attempts under way at a time, over all nodes; default as many as there is room for
	Rate        string `json:"rate,omitempty"`        // of attempts that start, over all nodes, such as "100/s", "10/m" or "5/h"; default no limit
	Burst       int    `json:"burst,omitempty"`       // attempts that may start at once, after a time with few; default 1; belongs to a Rate

	Timeout   time.Duration `json:"-"`                   // of an attempt of a task that names none, 1 s to 24 h; default 60 s
	Retry     *RetryPolicy  `json:"retry,omitempty"`     // field by field, of a task that leaves it out
	Target    string        `json:"target,omitempty"`    // URL that tasks without a target are pushed to, and endpoint of functions without one
	Retention *Retention    `json:"retention,omitempty"` // of ended tasks

	Discipline Discipline     `json:"discipline,omitempty"` // how tasks of the same priority take turns; default Fifo
	Weights    map[string]int `json:"weights,omitempty"`    // of groups by name, 1 to 1000, while the discipline is Fair; default 1 each. Update changes those that are named

	// WebhookSecrets sign the pushes of the queue after Standard Webhooks, each with a signature,
	// in place of the server's: "whsec_..." (v1) or the private key "whsk_..." (v1a). The server
	// keeps them sealed: what it shows are names, of which each stands for the secret when it is
	// set again: the beginning of the hash of a whsec_, and the public key "whpk_..." of a whsk_.
	WebhookSecrets []string `json:"webhook_secrets,omitempty"`
}

// IsZero tells whether nothing is set.
func (s QueueSettings) IsZero() bool { return reflect.ValueOf(s).IsZero() }

// Discipline is how the tasks of a queue that have the same priority take turns.
type Discipline string

// The disciplines.
const (
	Fifo Discipline = "fifo" // first in, first out
	Fair Discipline = "fair" // the groups of tasks take turns, by their weights
)

// NotKept is the retention of tasks that go at once when they have ended: with the next
// sweep, which is within a minute or two.
const NotKept time.Duration = -1

// Retention is how long ended tasks stay visible, by how they ended. A zero field means its
// default: of a task what its queue has, of a queue what the server is configured for.
type Retention struct {
	Succeeded time.Duration `json:"-"` // default 24 h
	Failed    time.Duration `json:"-"` // default 14 days
	Canceled  time.Duration `json:"-"` // default 24 h
}

type wireSettings struct {
	*plainSettings
	Timeout duration `json:"timeout,omitempty"`
}

type plainSettings QueueSettings

// MarshalJSON implements json.Marshaler: the shape of the API.
func (s QueueSettings) MarshalJSON() ([]byte, error) {
	p := plainSettings(s)
	return json.Marshal(wireSettings{&p, duration(s.Timeout)})
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *QueueSettings) UnmarshalJSON(b []byte) error {
	w := wireSettings{plainSettings: (*plainSettings)(s)}
	err := json.Unmarshal(b, &w)
	s.Timeout = time.Duration(w.Timeout)
	return err
}

type wireRetention struct {
	Succeeded string `json:"succeeded,omitempty"`
	Failed    string `json:"failed,omitempty"`
	Canceled  string `json:"canceled,omitempty"`
}

// MarshalJSON implements json.Marshaler: the shape of the API.
func (r Retention) MarshalJSON() ([]byte, error) {
	text := func(d time.Duration) string {
		switch d {
		case 0:
			return ""
		case NotKept:
			return "0s"
		}
		return d.String()
	}
	return json.Marshal(wireRetention{text(r.Succeeded), text(r.Failed), text(r.Canceled)})
}

// UnmarshalJSON implements json.Unmarshaler.
func (r *Retention) UnmarshalJSON(b []byte) error {
	var w struct{ Succeeded, Failed, Canceled *duration }
	err := json.Unmarshal(b, &w)
	kept := func(d *duration) time.Duration {
		switch {
		case d == nil:
			return 0
		case *d == 0:
			return NotKept
		}
		return time.Duration(*d)
	}
	*r = Retention{kept(w.Succeeded), kept(w.Failed), kept(w.Canceled)}
	return err
}

// Set replaces the settings of a queue, which is made when it is new: what is zero in
// them has its default again. They hold on all nodes within a second.
func (q Queues) Set(ctx context.Context, name string, settings QueueSettings) (*Queue, error) {
	return q.settle(ctx, http.MethodPut, name, settings)
}

// Update changes what is not zero in settings, and puts those named in defaults back
// to their defaults: names as in the API, such as "timeout", "retry" or
// "retry.max_attempts". See [IsNotFound].
func (q Queues) Update(ctx context.Context, name string, settings QueueSettings, defaults ...string) (*Queue, error) {
	body, err := withNulls(settings, defaults)
	if err != nil {
		return nil, err
	}
	return q.settle(ctx, http.MethodPatch, name, body)
}

func (q Queues) settle(ctx context.Context, method, name string, body any) (*Queue, error) {
	var out Queue
	if _, _, err := q.c.do(ctx, request{method: method, path: queuePath(name, ""), body: body}, &out); err != nil {
		return nil, err
	}
	return &out, nil
}
