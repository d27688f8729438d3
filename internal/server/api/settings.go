package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/internal/server/route"
	"github.com/sendoff-dev/sendoff/task"
)

// QueueSettings are settings of a queue in an answer. What was not set is left out.
type QueueSettings struct {
	Concurrency int32       `json:"concurrency,omitempty" doc:"Attempts under way at a time, over all nodes; absent: as many as there is room for."`
	Rate        string      `json:"rate,omitempty" doc:"Of attempts that start, over all nodes: in a second (s), minute (m) or hour (h)." example:"100/s"`
	Burst       int32       `json:"burst,omitempty" doc:"Attempts that may start at once."`
	Timeout     string      `json:"timeout,omitempty" doc:"Of an attempt of a task that names none."`
	Retry       *QueueRetry `json:"retry,omitempty" doc:"Field by field, of a task that leaves it out."`
	Target      string      `json:"target,omitempty" doc:"Where tasks without a target are pushed to, and the endpoint of functions without one."`
	Retention   *Retention  `json:"retention,omitempty" doc:"How long ended tasks stay visible."`

	Discipline task.Discipline  `json:"discipline,omitempty" enum:"fifo,fair" doc:"How tasks of the same priority take turns: first in, first out, or groups by their weights."`
	Weights    map[string]int32 `json:"weights,omitempty" doc:"Of groups, by name, while the discipline is fair; 1 of those that are left out."`

	WebhookSecrets []string `json:"webhook_secrets,omitempty" doc:"By what may be shown of them: the beginning of the hash of a whsec_, and the public key, whpk_, of a whsk_."`
}

// QueueRetry is a retry policy of a queue in an answer.
type QueueRetry struct {
	MaxAttempts int32    `json:"max_attempts,omitempty"`
	MaxAge      string   `json:"max_age,omitempty"`
	MinBackoff  string   `json:"min_backoff,omitempty"`
	MaxBackoff  string   `json:"max_backoff,omitempty"`
	Factor      float64  `json:"factor,omitempty"`
	Jitter      *float64 `json:"jitter,omitempty"`
}

func settingsView(q *task.QueueSettings) QueueSettings {
	v := QueueSettings{Concurrency: q.Concurrency, Rate: q.Rate.String(), Burst: q.Burst, Timeout: spanText(q.Timeout), Target: q.Target}
	v.Discipline, v.Weights, v.WebhookSecrets = q.Discipline, q.Weights.Map(), q.Webhooks.Names()
	if r := q.Retry; r != (task.RetryPolicy{}) {
		v.Retry = &QueueRetry{
			MaxAttempts: r.MaxAttempts, MaxAge: spanText(r.MaxAge), MinBackoff: spanText(r.MinBackoff), MaxBackoff: spanText(r.MaxBackoff), Factor: r.Factor,
			Jitter: jitterOf(r.Jitter),
		}
	}
	v.Retention = retentionView(q.Retention)
	return v
}

// jitterOf is a jitter as requests have it: nil when none was given, and 0 for none at all.
func jitterOf(j float64) *float64 {
	if j == 0 {
		return nil
	}
	return new(max(j, 0))
}

func spanText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// SettingsRequest is the body of PUT and PATCH /v1/queues/{name}. Of PATCH, null puts
// a field back to its default, and what is left out stays as it is.
type SettingsRequest struct {
	Concurrency *int32            `json:"concurrency,omitempty" minimum:"1" maximum:"1000000" doc:"Attempts under way at a time, over all nodes; default as many as there is room for."`
	Rate        *string           `json:"rate,omitempty" doc:"Of attempts that start, over all nodes: 1 to 1,000,000 in a second (s), minute (m) or hour (h); default no limit." example:"100/s"`
	Burst       *int32            `json:"burst,omitempty" minimum:"1" maximum:"1000000" default:"1" doc:"Attempts that may start at once, after a time with few; belongs to a rate."`
	Timeout     json.RawMessage   `json:"timeout,omitempty" doc:"Of an attempt of a task that names none, 1 s to 24 h; default 60 s."`
	Retry       *RetryRequest     `json:"retry,omitempty" doc:"Field by field, of a task that leaves it out."`
	Target      *string           `json:"target,omitempty" doc:"Where tasks without a target are pushed to, and the endpoint of functions without one; default none."`
	Retention   *RetentionRequest `json:"retention,omitempty" doc:"How long ended tasks stay visible, by how they ended; a duration instead of the object holds for all of them."`

	Discipline *task.Discipline  `json:"discipline,omitempty" enum:"fifo,fair" default:"fifo" doc:"How tasks of the same priority take turns: first in, first out, or the groups that tasks name, by their weights. What waits already stays where it is."`
	Weights    map[string]*int32 `json:"weights,omitempty" doc:"Of groups, by name, 1 to 1000: one of 4 starts four tasks for one of a group of 1, as all have by default. PATCH changes those that are named; null puts one back."`

	WebhookSecrets *[]string `json:"webhook_secrets,omitempty" maxItems:"4" doc:"Secrets that sign the pushes of the queue after Standard Webhooks, each with a signature, in place of that of the server: whsec_ (v1) or the private key whsk_ (v1a). They are kept sealed and never shown again; what is shown of one stands for it here. default that of the server."`
}

// maxSettings limits the body of settings, in bytes.
const maxSettings = 64 << 10

// mountSettings adds the routes that change settings. Their bodies are read as those
// of tasks are: a null and a zero that was given are not the same as nothing.
func mountSettings(mux *route.Mux, doc *huma.OpenAPI, queues Setter, refuse func(http.ResponseWriter, *problem.Problem)) {
	change := func(set func(ctx context.Context, name string, change func(*task.QueueSettings) error) (operate.Queue, error)) http.HandlerFunc {
		return byHand(refuse, func(w http.ResponseWriter, r *http.Request) (int, any, *problem.Problem) {
			change, fault := readSettings(w, r)
			if fault != nil {
				return 0, nil, fault
			}
			q, err := set(r.Context(), r.PathValue("name"), change)
			if err != nil {
				return 0, nil, problemOf(err)
			}
			return http.StatusOK, queueView(q), nil
		})
	}
	replace := func(ctx context.Context, name string, change func(*task.QueueSettings) error) (operate.Queue, error) {
		var settings task.QueueSettings
		if err := change(&settings); err != nil {
			return operate.Queue{}, err
		}
		return queues.Set(ctx, name, settings)
	}
	mux.HandleFunc(auth.Operate, "PUT /v1/queues/{name}", change(replace))
	mux.HandleFunc(auth.Operate, "PATCH /v1/queues/{name}", change(queues.Update))
	put := operation(auth.Operate, http.MethodPut, "/v1/queues/{name}", "set-queue", "Replace the settings of a queue, which is made when it is new", http.StatusOK)
	patch := operation(auth.Operate, http.MethodPatch, "/v1/queues/{name}", "update-queue", "Change settings of a queue: null puts one back to its default", http.StatusOK)
	for _, op := range []*huma.Operation{&put, &patch} {
		op.Parameters = []*huma.Param{{Name: "name", In: "path", Required: true, Schema: &huma.Schema{Type: "string"}}}
		describe[SettingsRequest, Queue](doc, op, "200", "400", "401", "403", "404", "408", "409", "413", "415", "422", "503")
	}
}

// readSettings reads a body as a change of settings.
func readSettings(w http.ResponseWriter, r *http.Request) (func(*task.QueueSettings) error, *problem.Problem) {
	req, text, fault := readAs[SettingsRequest](w, r, maxSettings)
	if fault != nil {
		return nil, fault
	}
	var bad task.Invalid
	if kind := kindOf(bytes.TrimSpace(text)); kind != "object" {
		bad.Add("body", "is a JSON %s: want an object such as {\"timeout\":\"30s\"}", kind)
		return nil, invalidProblem(bad)
	}
	nulls := nullsOf(text, "")
	return func(s *task.QueueSettings) error {
		var bad task.Invalid
		for _, field := range nulls {
			reset(s, field)
		}
		req.apply(&bad, s)
		return bad.Err()
	}, nil
}

// nullsOf are the fields of an object, and of those in it, that are null.
func nullsOf(text []byte, place string) (nulls []string) {
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(text, &fields) // an object, as has been seen
	for name, value := range fields {
		switch kindOf(value) {
		case "null":
			nulls = append(nulls, place+name)
		case "object":
			nulls = append(nulls, nullsOf(value, name+".")...)
		}
	}
	return nulls
}

// reset puts a setting back to its default.
func reset(s *task.QueueSettings, field string) {
	switch field {
	case "concurrency":
		s.Concurrency = 0
	case "rate":
		s.Rate = task.Rate{}
	case "burst":
		s.Burst = 0
	case "timeout":
		s.Timeout = 0
	case "target":
		s.Target = ""
	case "retry":
		s.Retry = task.RetryPolicy{}
	case "retry.max_attempts":
		s.Retry.MaxAttempts = 0
	case "retry.max_age":
		s.Retry.MaxAge = 0
	case "retry.min_backoff":
		s.Retry.MinBackoff = 0
	case "retry.max_backoff":
		s.Retry.MaxBackoff = 0
	case "retry.factor":
		s.Retry.Factor = 0
	case "retry.jitter":
		s.Retry.Jitter = 0
	case "discipline":
		s.Discipline = ""
	case "weights":
		s.Weights = task.Weights{}
	case "webhook_secrets":
		s.Webhooks = task.Secrets{}
	case "retention":
		s.Retention = task.Retention{}
	case "retention.succeeded":
		s.Retention.Succeeded = 0
	case "retention.failed":
		s.Retention.Failed = 0
	case "retention.canceled":
		s.Retention.Canceled = 0
	}
}

// limits sets the limits that are given. A zero is none of them.
func (q *SettingsRequest) limits(bad *task.Invalid, s *task.QueueSettings) {
	if n := q.Concurrency; n != nil {
		if s.Concurrency = *n; *n == 0 {
			bad.Add("concurrency", "is 0: want 1 to %d, or null for no limit; to start nothing, pause the queue", task.MaxLimit)
		}
	}
	if q.Rate != nil {
		rate, err := task.ParseRate(*q.Rate)
		if s.Rate = rate; err != nil {
			bad.Add("rate", "%s", err)
		}
	}
	if n := q.Burst; n != nil {
		if s.Burst = *n; *n == 0 {
			bad.Add("burst", "is 0: want 1 to %d", task.MaxLimit)
		}
	}
}

// turns sets how tasks take turns. A weight that is null is none.
func (q *SettingsRequest) turns(bad *task.Invalid, s *task.QueueSettings) {
	if q.Discipline != nil {
		if s.Discipline = *q.Discipline; s.Discipline == "" {
			bad.Add("discipline", "is empty: want %q or %q, or null for the default", task.Fifo, task.Fair)
		}
	}
	if len(q.Weights) == 0 {
		return
	}
	weights := s.Weights.Map()
	if weights == nil {
		weights = map[string]int32{}
	}
	for group, weight := range q.Weights {
		if weights[group] = 1; weight != nil {
			weights[group] = *weight
		}
	}
	s.Weights = task.NewWeights(weights)
}

// apply sets what is given.
func (q *SettingsRequest) apply(bad *task.Invalid, s *task.QueueSettings) {
	q.limits(bad, s)
	q.turns(bad, s)
	if q.WebhookSecrets != nil {
		if s.Webhooks = task.GivenSecrets(*q.WebhookSecrets); len(*q.WebhookSecrets) == 0 {
			bad.Add("webhook_secrets", "is empty: want one or two, or null for that of the server")
		}
		for i, secret := range *q.WebhookSecrets {
			if secret == "" {
				bad.Add(fmt.Sprintf("webhook_secrets[%d]", i), "is empty: want whsec_... or whsk_...")
			}
		}
	}
	s.Timeout = cmp.Or(some(bad, "timeout", q.Timeout, task.TimeoutSpan), s.Timeout)
	if q.Retry != nil {
		p := q.Retry.policy(bad, false)
		s.Retry = task.RetryPolicy{
			MaxAttempts: cmp.Or(p.MaxAttempts, s.Retry.MaxAttempts), MaxAge: cmp.Or(p.MaxAge, s.Retry.MaxAge),
			MinBackoff: cmp.Or(p.MinBackoff, s.Retry.MinBackoff), MaxBackoff: cmp.Or(p.MaxBackoff, s.Retry.MaxBackoff),
			Factor: cmp.Or(p.Factor, s.Retry.Factor), Jitter: cmp.Or(p.Jitter, s.Retry.Jitter),
		}
	}
	if q.Target != nil {
		if s.Target = *q.Target; s.Target == "" {
			bad.Add("target", "is empty: want a URL such as http://host/path, or null for none")
		}
	}
	if r := q.Retention; r != nil {
		s.Retention = r.retention(bad).Or(s.Retention)
	}
}
