package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/internal/server/route"
	"github.com/sendoff-dev/sendoff/task"
)

// Changer changes tasks that have not started.
type Changer interface {
	Change(ctx context.Context, id string, r *task.Revision) (operate.Task, error)
}

// ChangeRequest is the body of PATCH /v1/tasks/{id}. null puts a field back to its default,
// and what is left out stays as it is.
type ChangeRequest struct {
	Delay     json.RawMessage `json:"delay,omitempty" doc:"From now on: \"90s\", \"1h30m\" or seconds; 0 is at once."`
	RunAt     *string         `json:"run_at,omitempty" doc:"In place of delay: RFC 3339; null is at once."`
	ExpiresAt *string         `json:"expires_at,omitempty" doc:"Not started from then on: RFC 3339; null is never."`
	Queue     *string         `json:"queue,omitempty" doc:"Where it waits from now on; null is the queue default."`
	Priority  *int            `json:"priority,omitempty" minimum:"0" maximum:"9"`
	Retry     *RetryRequest   `json:"retry,omitempty" doc:"Field by field; null is what its queue says."`
	Timeout   json.RawMessage `json:"timeout,omitempty" doc:"Of one attempt, 1 s to 24 h; null is what its queue says."`
	Labels    labelChanges    `json:"labels,omitempty" doc:"Are set, or deleted with null; the others stay."`
	Payload   json.RawMessage `json:"payload,omitempty" doc:"Any JSON; sent as it stands. At most 1 MiB."`

	BodyBase64 string `json:"body_base64,omitempty" doc:"In place of payload: any bytes."`
}

// labelChanges are labels, of which null deletes one.
type labelChanges map[string]*labelText

// labelText is a text, or null in place of it.
type labelText string

func mountChange(mux *route.Mux, doc *huma.OpenAPI, cfg *Config, refuse func(http.ResponseWriter, *problem.Problem)) {
	mux.HandleFunc(auth.Operate, "PATCH /v1/tasks/{id}", byHand(refuse, func(w http.ResponseWriter, r *http.Request) (int, any, *problem.Problem) {
		return change(w, r, cfg)
	}))
	op := operation(auth.Operate, http.MethodPatch, "/v1/tasks/{id}", "change-task",
		"Change a task that has not started: null puts a field back to its default, what is left out stays; 409 for any other task", http.StatusOK)
	op.Parameters = []*huma.Param{{
		Name: "id", In: "path", Required: true, Schema: &huma.Schema{Type: "string"}, Description: "Id of the task, an id chosen by the client, or its job number.",
	}}
	describe[ChangeRequest, Task](doc, &op, "200", "400", "401", "403", "404", "408", "409", "413", "415", "422", "503")
}

func change(w http.ResponseWriter, r *http.Request, cfg *Config) (int, any, *problem.Problem) {
	req, text, fault := readAs[ChangeRequest](w, r, maxCreate)
	if fault != nil {
		return 0, nil, fault
	}
	var bad task.Invalid
	revision := req.revision(&bad, text)
	if err := bad.Err(); err != nil {
		return 0, nil, invalidProblem(bad)
	}
	t, err := cfg.Changes.Change(r.Context(), r.PathValue("id"), revision)
	if err != nil {
		return 0, nil, problemOf(err)
	}
	reply, err := wholeTask(r.Context(), cfg, &t)
	if err != nil {
		return 0, nil, problemOf(err)
	}
	return http.StatusOK, reply.Body, nil
}

// revision turns a request, and the text that it was read from, into what is to become of
// the task, and notes what cannot be read.
func (q *ChangeRequest) revision(bad *task.Invalid, text []byte) *task.Revision {
	r := &task.Revision{Priority: q.Priority, Timeout: some(bad, "timeout", q.Timeout, task.TimeoutSpan), Default: nullsOfChange(bad, text)}
	delay, there := duration(bad, "delay", q.Delay)
	if r.Delay = delay; there && delay == 0 {
		r.Default = append(r.Default, "delay")
	}
	r.RunAt = timeOf(bad, "run_at", given(bad, "run_at", q.RunAt))
	r.ExpiresAt = timeOf(bad, "expires_at", given(bad, "expires_at", q.ExpiresAt))
	r.Queue = given(bad, "queue", q.Queue)
	if q.Retry != nil {
		r.Retry = q.Retry.policy(bad, false)
	}
	for name, value := range q.Labels {
		if value == nil {
			r.Default = append(r.Default, "labels."+name)
			continue
		}
		if r.Labels == nil {
			r.Labels = map[string]string{}
		}
		r.Labels[name] = string(*value)
	}
	q.body(bad, r)
	slices.Sort(r.Default)
	return r
}

// body sets the payload, and its type, if one is given.
func (q *ChangeRequest) body(bad *task.Invalid, r *task.Revision) {
	switch {
	case q.Payload != nil && q.BodyBase64 != "":
		bad.Add("payload", "give either payload or body_base64, not both")
	case q.Payload != nil:
		r.Payload, r.ContentType = q.Payload, "application/json"
	case q.BodyBase64 != "":
		b, err := base64.StdEncoding.DecodeString(q.BodyBase64)
		if err != nil {
			bad.Add("body_base64", "is not base64 (RFC 4648, with padding)")
		}
		r.Payload, r.ContentType = b, "application/octet-stream"
	}
}

// nullsOfChange are the fields that are null, but for labels and the payload, of which null
// is a value.
func nullsOfChange(bad *task.Invalid, text []byte) (nulls []string) {
	if kind := kindOf(bytes.TrimSpace(text)); kind != "object" {
		bad.Add("body", "is a JSON %s: want an object such as {\"delay\":\"10m\"}", kind)
		return nil
	}
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(text, &fields) // an object, as has been seen
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		switch kind := kindOf(fields[name]); {
		case name == "payload":
		case kind == "null":
			nulls = append(nulls, name)
		case name == "retry" && kind == "object":
			nulls = append(nulls, nullsOf(fields[name], "retry.")...)
		}
	}
	return nulls
}
