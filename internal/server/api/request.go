package api

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// CreateRequest is the body of POST /v1/tasks: exactly one target, all else
// optional.
type CreateRequest struct {
	ID          string          `json:"id,omitempty" doc:"An id of your own; a second task with it is refused with 409."`
	URL         string          `json:"url,omitempty" doc:"Target: pushed there as an HTTP request."`
	Handler     string          `json:"handler,omitempty" doc:"Target: a Go handler in a program that embeds the engine."`
	Function    string          `json:"function,omitempty" doc:"Target: reserved."`
	Endpoint    string          `json:"endpoint,omitempty" doc:"Reserved."`
	Process     string          `json:"process,omitempty" doc:"Target: reserved."`
	Queue       string          `json:"queue,omitempty" default:"default"`
	Name        string          `json:"name,omitempty" doc:"For people and filters."`
	Method      string          `json:"method,omitempty" default:"POST"`
	Headers     texts           `json:"headers,omitempty" doc:"Sent with each push; at most 64 in 16 KiB."`
	Payload     json.RawMessage `json:"payload,omitempty" doc:"Any JSON; sent as it stands. At most 1 MiB."`
	BodyBase64  string          `json:"body_base64,omitempty" doc:"In place of payload: any bytes."`
	ContentType string          `json:"content_type,omitempty" doc:"Default application/json for payload."`
	Delay       json.RawMessage `json:"delay,omitempty" doc:"\"90s\", \"1h30m\" or seconds."`
	RunAt       string          `json:"run_at,omitempty" doc:"In place of delay: RFC 3339."`
	ExpiresAt   string          `json:"expires_at,omitempty" doc:"Not started from then on: RFC 3339."`
	Priority    *int            `json:"priority,omitempty" minimum:"0" maximum:"9" default:"5"`
	Group       string          `json:"group,omitempty" doc:"Whose work it is."`
	Timeout     json.RawMessage `json:"timeout,omitempty" doc:"Of one attempt, 1 s to 24 h; default 60 s."`
	Retry       *RetryRequest   `json:"retry,omitempty"`
	Unique      *UniqueRequest  `json:"unique,omitempty"`
	Labels      texts           `json:"labels,omitempty"`
}

// RetryRequest is a retry policy in a request.
type RetryRequest struct {
	MaxAttempts int32           `json:"max_attempts,omitempty" default:"25"`
	MaxAge      json.RawMessage `json:"max_age,omitempty" doc:"From the first attempt; default 168h."`
	MinBackoff  json.RawMessage `json:"min_backoff,omitempty" doc:"Default 1s."`
	MaxBackoff  json.RawMessage `json:"max_backoff,omitempty" doc:"Default 1h."`
	Factor      float64         `json:"factor,omitempty" default:"2"`
	Jitter      *float64        `json:"jitter,omitempty" default:"0.2"`
}

// UniqueRequest is a business rule in a request.
type UniqueRequest struct {
	Key        string          `json:"key" doc:"One task of the queue at a time has it."`
	Window     json.RawMessage `json:"window,omitempty" doc:"The key holds for so long from acceptance, whatever becomes of the task."`
	WhileOpen  bool            `json:"while_open,omitempty" doc:"The key holds until the task has ended; the rule without a window."`
	OnConflict string          `json:"on_conflict,omitempty" enum:"return,reject,replace" default:"return"`
}

// BatchRequest is the body of POST /v1/tasks/batch.
type BatchRequest struct {
	Tasks  batchTasks `json:"tasks" maxItems:"1000"`
	Atomic bool       `json:"atomic,omitempty" doc:"All or none."`
}

// submission turns a request into what accept takes, and notes what cannot be
// read.
func (q *CreateRequest) submission(bad *task.Invalid) accept.Submission {
	s := accept.Submission{
		Queue: q.Queue, Priority: q.Priority,
		Delay: duration(bad, "delay", q.Delay), RunAt: timeOf(bad, "run_at", q.RunAt), ExpiresAt: timeOf(bad, "expires_at", q.ExpiresAt),
		Spec: task.Spec{
			ClientID: q.ID, URL: q.URL, Handler: q.Handler, Function: q.Function, Endpoint: q.Endpoint, Process: q.Process,
			Name: q.Name, Method: q.Method, ContentType: q.ContentType, Group: q.Group, Labels: q.Labels,
			Timeout: duration(bad, "timeout", q.Timeout),
		},
	}
	typed := q.headers(bad, &s.Spec)
	q.body(bad, &s, typed)
	if q.Retry != nil {
		s.Spec.Retry = q.Retry.policy(bad)
	}
	if q.Unique != nil {
		s.Unique = q.Unique.rule(bad)
	}
	return s
}

// headers sets the headers of the push, and tells whether one is its content type.
func (q *CreateRequest) headers(bad *task.Invalid, s *task.Spec) (typed bool) {
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(q.Headers)) {
		canonical := http.CanonicalHeaderKey(name)
		if seen[canonical] {
			bad.Add("headers."+name, "is given twice, in other letters")
		}
		seen[canonical] = true
		s.Header = append(s.Header, task.Header{Name: name, Value: q.Headers[name]})
	}
	return seen["Content-Type"]
}

// body sets the payload, and its type unless a header has it.
func (q *CreateRequest) body(bad *task.Invalid, s *accept.Submission, typed bool) {
	s.Payload = q.Payload
	switch {
	case q.BodyBase64 != "" && q.Payload != nil:
		bad.Add("payload", "give either payload or body_base64, not both")
	case q.BodyBase64 != "":
		b, err := base64.StdEncoding.DecodeString(q.BodyBase64)
		if err != nil {
			bad.Add("body_base64", "is not base64 (RFC 4648, with padding)")
		}
		s.Payload = b
		if s.Spec.ContentType == "" && !typed {
			s.Spec.ContentType = "application/octet-stream"
		}
	case q.Payload != nil && s.Spec.ContentType == "" && !typed:
		s.Spec.ContentType = "application/json"
	}
}

func (q *RetryRequest) policy(bad *task.Invalid) task.RetryPolicy {
	p := task.RetryPolicy{
		MaxAttempts: q.MaxAttempts, Factor: q.Factor,
		MaxAge:     duration(bad, "retry.max_age", q.MaxAge),
		MinBackoff: duration(bad, "retry.min_backoff", q.MinBackoff),
		MaxBackoff: duration(bad, "retry.max_backoff", q.MaxBackoff),
	}
	if q.Jitter != nil {
		if p.Jitter = *q.Jitter; p.Jitter < 0 {
			bad.Add("retry.jitter", "is negative: want 0 to 1")
		}
		if p.Jitter == 0 {
			p.Jitter = -1 // none at all, as opposed to the default
		}
	}
	return p
}

func (q *UniqueRequest) rule(bad *task.Invalid) *accept.Unique {
	u := &accept.Unique{Key: q.Key, Window: duration(bad, "unique.window", q.Window), WhileOpen: q.WhileOpen}
	switch q.OnConflict {
	case "", "return":
	case "reject":
		u.OnConflict = store.Reject
	case "replace":
		u.OnConflict = store.Replace
	default:
		bad.Add("unique.on_conflict", "is %q: want return, reject or replace", q.OnConflict)
	}
	return u
}

// duration reads "90s" or a number of seconds.
func duration(bad *task.Invalid, field string, raw json.RawMessage) time.Duration {
	if len(raw) == 0 || string(raw) == "null" {
		return 0
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		if d, err := time.ParseDuration(text); err == nil {
			return d
		}
	}
	var seconds float64
	if json.Unmarshal(raw, &seconds) == nil && seconds > -1e9 && seconds < 1e9 {
		return time.Duration(seconds * float64(time.Second))
	}
	bad.Add(field, "is %s: want a duration such as \"90s\" or \"1h30m\", or a number of seconds", raw)
	return 0
}

func timeOf(bad *task.Invalid, field, text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		bad.Add(field, "is %q: want a time such as %q", text, "2026-01-31T12:00:00Z")
	}
	return t
}
