package api

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/protocol"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// CreateRequest is the body of POST /v1/tasks: exactly one target, all else
// optional.
type CreateRequest struct {
	ID          string          `json:"id,omitempty" doc:"An id of your own; a second task with it is refused with 409."`
	URL         string          `json:"url,omitempty" doc:"Target: pushed there as an HTTP request."`
	Handler     string          `json:"handler,omitempty" doc:"Target: a Go handler in a program that embeds the engine."`
	Function    string          `json:"function,omitempty" doc:"Target: a durable function of the app at endpoint."`
	Endpoint    string          `json:"endpoint,omitempty" doc:"Of a function: URL of the app that serves it."`
	Process     string          `json:"process,omitempty" doc:"Target: run by a worker process: a dotted name such as app.mail.send, or a command that the server knows."`
	Workers     string          `json:"workers,omitempty" default:"default" doc:"Of a process: the workers that carry it out, by name; a node serves those that it was started for."`
	Queue       string          `json:"queue,omitempty" default:"default"`
	Name        string          `json:"name,omitempty" doc:"For people and filters."`
	Method      string          `json:"method,omitempty" default:"POST"`
	Headers     texts           `json:"headers,omitempty" doc:"Sent with each push; at most 64 in 16 KiB."`
	Payload     json.RawMessage `json:"payload,omitempty" doc:"Any JSON; sent as it stands. At most 1 MiB."`
	BodyBase64  string          `json:"body_base64,omitempty" doc:"In place of payload: any bytes."`
	ContentType string          `json:"content_type,omitempty" doc:"Default application/json for payload."`
	Delay       json.RawMessage `json:"delay,omitempty" doc:"\"90s\", \"1h30m\" or seconds; up to 100 years."`
	RunAt       string          `json:"run_at,omitempty" doc:"In place of delay: RFC 3339."`
	ExpiresAt   string          `json:"expires_at,omitempty" doc:"Not started from then on: RFC 3339."`
	Priority    *int            `json:"priority,omitempty" minimum:"0" maximum:"9" default:"5"`
	Group       string          `json:"group,omitempty" doc:"Whose work it is."`
	Timeout     json.RawMessage `json:"timeout,omitempty" doc:"Of one attempt, 1 s to 24 h; default 60 s."`
	Retry       *RetryRequest   `json:"retry,omitempty"`
	Once        bool            `json:"once,omitempty" doc:"What has begun is never begun again: it ends failed, with reason lost, when what runs it is lost or stops. max_attempts is 1 then unless it is given."`
	Unique      *UniqueRequest  `json:"unique,omitempty"`
	Signal      *SignalRequest  `json:"signal,omitempty" doc:"Of a function with an id or a unique key: told to the one that is started, or to the one that has the key and goes on; 409 when that has ended."`
	Labels      texts           `json:"labels,omitempty"`

	Retention *RetentionRequest `json:"retention,omitempty" doc:"How long it stays visible when it has ended, by how it ended; a duration instead of the object holds for all ends."`

	Limits       limitList `json:"limits,omitempty" maxItems:"8" doc:"It runs when all of them have room. A limit that is configured counts in place of what a task says of it."`
	OrderKey     *string   `json:"order_key,omitempty" doc:"Tasks with the same one run one at a time, in the order in which they were accepted; a retry keeps its place."`
	OnDuplicate  *string   `json:"on_duplicate,omitempty" enum:"parallel,serial,discard,queue_one,replace" default:"parallel" doc:"While others with its duplicate key have not ended: it runs beside them, waits for them, is not stored, is stored when none waits yet, or takes their place."`
	DuplicateKey *string   `json:"duplicate_key,omitempty" doc:"Of on_duplicate: default the target with its payload."`
	DependsOn    idList    `json:"depends_on,omitempty" maxItems:"1000" doc:"Ids of tasks that have to end first: stored ones, or others of the same batch by the ids given there."`
	When         *string   `json:"when,omitempty" enum:"all_ok,always,any_failed" default:"all_ok" doc:"Of depends_on: how they have to end. What can never run is canceled."`

	OnSuccess  *CreateRequest `json:"on_success,omitempty" doc:"A task that is made when this one has succeeded, once for each of its runs; without a payload it gets {\"task\": this one as it ended}. It has no id, unique, signal, depends_on, run_at, expires_at and callbacks, and at most 16 KiB; its queue is that of this one unless it names another."`
	OnFailure  *CreateRequest `json:"on_failure,omitempty" doc:"The same, when this one has failed or was canceled."`
	OnComplete *CreateRequest `json:"on_complete,omitempty" doc:"The same, when this one has ended, however."`
}

// RetryRequest is a retry policy in a request.
type RetryRequest struct {
	MaxAttempts *int32          `json:"max_attempts,omitempty" minimum:"1" maximum:"10000" default:"25" doc:"Of a function: 0, the default, is until it expires, and there may be more."`
	MaxAge      json.RawMessage `json:"max_age,omitempty" doc:"From the first attempt, 1 ms to 100 years; default 168h."`
	MinBackoff  json.RawMessage `json:"min_backoff,omitempty" doc:"1 ms to 100 years; default 1s, or max_backoff when that is less."`
	MaxBackoff  json.RawMessage `json:"max_backoff,omitempty" doc:"1 ms to 100 years; default 1h, or min_backoff when that is more."`
	Factor      *float64        `json:"factor,omitempty" minimum:"1" maximum:"100" default:"2"`
	Jitter      *float64        `json:"jitter,omitempty" minimum:"0" maximum:"1" default:"0.2"`
}

// UniqueRequest is a business rule in a request.
type UniqueRequest struct {
	Key        string          `json:"key" doc:"One task of the queue at a time has it."`
	Window     json.RawMessage `json:"window,omitempty" doc:"The key holds for so long from acceptance, whatever becomes of the task."`
	WhileOpen  bool            `json:"while_open,omitempty" doc:"The key holds until the task has ended; the rule without a window."`
	OnConflict string          `json:"on_conflict,omitempty" enum:"return,reject,replace" default:"return"`
}

// SignalRequest is a signal that goes with the start of a function.
type SignalRequest struct {
	Name      string          `json:"name"`
	Value     json.RawMessage `json:"value,omitempty" doc:"Any JSON; default null."`
	AnyBase64 string          `json:"any_base64,omitempty" doc:"In place of value: a serialized google.protobuf.Any."`
}

// BatchRequest is the body of POST /v1/tasks/batch.
type BatchRequest struct {
	Tasks  batchTasks `json:"tasks" maxItems:"1000"`
	Atomic bool       `json:"atomic,omitempty" doc:"All or none."`
}

// submission turns a request into what accept takes, and notes what cannot be
// read.
func (q *CreateRequest) submission(bad *task.Invalid) accept.Submission {
	delay, _ := duration(bad, "delay", q.Delay)
	s := accept.Submission{
		Queue: q.Queue, Priority: q.Priority,
		Delay: delay, RunAt: timeOf(bad, "run_at", q.RunAt), ExpiresAt: timeOf(bad, "expires_at", q.ExpiresAt),
		Spec: task.Spec{
			ClientID: q.ID, URL: q.URL, Handler: q.Handler, Function: q.Function, Endpoint: q.Endpoint, Process: q.Process, Workers: q.Workers, Once: q.Once,
			Name: q.Name, Method: q.Method, ContentType: q.ContentType, Group: q.Group, Labels: q.Labels,
			Timeout: some(bad, "timeout", q.Timeout, task.TimeoutSpan),
		},
	}
	typed := q.headers(bad, &s.Spec)
	q.body(bad, &s, typed)
	if q.Retry != nil {
		s.Spec.Retry = q.Retry.policy(bad, q.Function != "")
	}
	if q.Retention != nil {
		s.Spec.Retention = q.Retention.retention(bad)
	}
	if q.Unique != nil {
		s.Unique = q.Unique.rule(bad)
	}
	if q.Signal != nil {
		s.Signal = q.Signal.signal(bad)
	}
	q.waits(bad, &s.Spec)
	q.callbacks(bad, &s)
	return s
}

// callbacks adds the tasks that are made when this one has ended.
func (q *CreateRequest) callbacks(bad *task.Invalid, s *accept.Submission) {
	for _, c := range []struct {
		on task.On
		*CreateRequest
	}{{task.OnSuccess, q.OnSuccess}, {task.OnFailure, q.OnFailure}, {task.OnComplete, q.OnComplete}} {
		if c.CreateRequest == nil {
			continue
		}
		var faults task.Invalid
		s.Callbacks = append(s.Callbacks, accept.Callback{On: c.on, Submission: c.submission(&faults)})
		bad.Join(c.on.String()+".", faults)
	}
}

func (q *SignalRequest) signal(bad *task.Invalid) *accept.Signal {
	g := &accept.Signal{Name: q.Name}
	if q.AnyBase64 != "" {
		b, err := base64.StdEncoding.DecodeString(q.AnyBase64)
		if err != nil || proto.Unmarshal(b, &anypb.Any{}) != nil {
			bad.Add("signal.any_base64", "is not a serialized google.protobuf.Any in base64")
		}
		g.Value = b
		return g
	}
	text := q.Value
	if len(text) == 0 {
		text = []byte("null")
	}
	value, err := anypb.New(&sendoffv1.JSON{Json: text})
	if err != nil {
		bad.Add("signal.value", "cannot be encoded: %s", err)
	}
	g.Value = protocol.Payload(value)
	return g
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

// policy leaves at zero what was not given; a zero that was given is refused, or
// has a meaning of its own.
func (q *RetryRequest) policy(bad *task.Invalid, function bool) task.RetryPolicy {
	p := task.RetryPolicy{
		MaxAge:     some(bad, "retry.max_age", q.MaxAge, task.RetrySpan),
		MinBackoff: some(bad, "retry.min_backoff", q.MinBackoff, task.RetrySpan),
		MaxBackoff: some(bad, "retry.max_backoff", q.MaxBackoff, task.RetrySpan),
	}
	if n := q.MaxAttempts; n != nil {
		if p.MaxAttempts = *n; *n == 0 && !function {
			bad.Add("retry.max_attempts", "is 0: want 1 to %d", task.MaxAttempts)
		}
	}
	if q.Factor != nil {
		if p.Factor = *q.Factor; p.Factor == 0 {
			bad.Add("retry.factor", "is 0: want 1 to 100")
		}
	}
	if q.Jitter != nil {
		if p.Jitter = *q.Jitter; p.Jitter < 0 {
			bad.Add("retry.jitter", "is %v: want 0 to 1", p.Jitter)
		}
		if p.Jitter == 0 {
			p.Jitter = -1 // none at all, as opposed to the default
		}
	}
	return p
}

func (q *UniqueRequest) rule(bad *task.Invalid) *accept.Unique {
	window, _ := duration(bad, "unique.window", q.Window)
	u := &accept.Unique{Key: q.Key, Window: window, WhileOpen: q.WhileOpen}
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

// some reads a duration of which zero cannot be meant; zero = not given.
func some(bad *task.Invalid, field string, raw json.RawMessage, span task.Span) time.Duration {
	d, given := duration(bad, field, raw)
	if given && d == 0 {
		span.Check(bad, field, d)
	}
	return d
}

// duration reads "90s" or a number of seconds.
func duration(bad *task.Invalid, field string, raw json.RawMessage) (d time.Duration, given bool) {
	if len(raw) == 0 || string(raw) == "null" {
		return 0, false
	}
	var text string
	var err error
	switch {
	case json.Unmarshal(raw, &text) == nil:
		d, err = time.ParseDuration(text)
	case raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9':
		d, err = task.ParseDuration(string(raw))
	default:
		err = errors.New("neither text nor number")
	}
	if err != nil {
		bad.Add(field, "is %s: want a duration such as \"90s\" or \"1h30m\", or a number of seconds", raw)
	}
	return d, err == nil
}

func timeOf(bad *task.Invalid, field, text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	t, err := task.ParseTime(text)
	switch {
	case err != nil:
		bad.Add(field, "%s", err)
	case t.IsZero(): // which would mean that none was given
		bad.Add(field, "is out of range: want a time between 1970 and 9999")
	}
	return t
}
