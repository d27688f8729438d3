package api

import (
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// PlannedText is a task as POST /v1/tasks takes it, of one in the words of accept: what
// Planned reads.
func PlannedText(s *accept.Submission) ([]byte, error) { return json.Marshal(requestOf(s)) }

func requestOf(s *accept.Submission) *CreateRequest {
	p := &s.Spec
	q := &CreateRequest{
		ID: p.ClientID, URL: p.URL, Handler: p.Handler, Function: p.Function, Endpoint: p.Endpoint, Process: p.Process, Workers: p.Workers, Once: p.Once,
		Queue: s.Queue, Name: p.Name, Method: p.Method, ContentType: p.ContentType, Group: p.Group, Labels: p.Labels, Priority: s.Priority,
		Delay: spanJSON(s.Delay), Timeout: spanJSON(p.Timeout), RunAt: stamp(s.RunAt), ExpiresAt: stamp(s.ExpiresAt),
	}
	for _, id := range p.DependsOn {
		q.DependsOn = append(q.DependsOn, entryText(id))
	}
	for _, h := range p.Header {
		if q.Headers == nil {
			q.Headers = texts{}
		}
		q.Headers[h.Name] = h.Value
	}
	if json.Valid(s.Payload) {
		q.Payload = s.Payload
	} else if len(s.Payload) > 0 {
		q.BodyBase64 = base64.StdEncoding.EncodeToString(s.Payload)
	}
	if r := p.Retry; r != (task.RetryPolicy{}) {
		q.Retry = &RetryRequest{
			MaxAge: spanJSON(r.MaxAge), MinBackoff: spanJSON(r.MinBackoff), MaxBackoff: spanJSON(r.MaxBackoff),
			MaxAttempts: unlessZero(r.MaxAttempts), Factor: unlessZero(r.Factor), Jitter: jitterOf(r.Jitter),
		}
	}
	q.Retention = retentionOf(p.Retention)
	if u := s.Unique; u != nil {
		q.Unique = &UniqueRequest{Key: u.Key, Window: spanJSON(u.Window), WhileOpen: u.WhileOpen, OnConflict: conflictNames[u.OnConflict]}
	}
	if g := s.Signal; g != nil {
		q.Signal = &SignalRequest{Name: g.Name, AnyBase64: base64.StdEncoding.EncodeToString(g.Value)}
	}
	q.waitsOf(p)
	for i := range s.Callbacks {
		c := requestOf(&s.Callbacks[i].Submission)
		switch s.Callbacks[i].On {
		case task.OnSuccess:
			q.OnSuccess = c
		case task.OnFailure:
			q.OnFailure = c
		default:
			q.OnComplete = c
		}
	}
	return q
}

// waitsOf adds what a task waits for.
func (q *CreateRequest) waitsOf(p *task.Spec) {
	for i := range p.Limits {
		l := limitView(&p.Limits[i])
		q.Limits = append(q.Limits, LimitRequest{Key: l.Key, Concurrency: unlessZero(l.Concurrency), Rate: unlessZero(l.Rate), Burst: unlessZero(l.Burst)})
	}
	q.OrderKey, q.DuplicateKey = unlessZero(p.OrderKey), unlessZero(p.DuplicateKey)
	if p.OnDuplicate != task.Parallel {
		q.OnDuplicate = unlessZero(p.OnDuplicate.String())
	}
	if p.When != task.AllOK {
		q.When = unlessZero(p.When.String())
	}
}

var conflictNames = map[store.OnConflict]string{store.Reject: "reject", store.Replace: "replace"}

// unlessZero is a value that is left out when it is zero.
func unlessZero[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func spanJSON(d time.Duration) json.RawMessage {
	if d == 0 {
		return nil
	}
	return json.RawMessage(`"` + d.String() + `"`)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}
