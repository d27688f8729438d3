package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sendoff-dev/sendoff/internal/acks"
	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/internal/server/route"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Acks are attempts whose app tells how they end.
type Acks interface {
	Complete(ctx context.Context, id string, token int64, result []byte) error
	Fail(ctx context.Context, id string, token int64, f acks.Failure) error
	Extend(ctx context.Context, id string, token int64, within time.Duration) (time.Time, error)
	Report(ctx context.Context, id string, token int64, p store.Progress) error
}

// CompleteRequest is the body of POST /v1/tasks/{id}/attempts/{token}/complete.
type CompleteRequest struct {
	Result json.RawMessage `json:"result,omitempty" doc:"Any JSON, at most 64 KiB: it is kept as the answer of the attempt."`
}

// FailRequest is the body of POST /v1/tasks/{id}/attempts/{token}/fail.
type FailRequest struct {
	Error string          `json:"error,omitempty" doc:"What went wrong, for people; the first 2 KiB are kept."`
	Retry *bool           `json:"retry,omitempty" doc:"false is never again: the task has failed, with reason rejected. Default true."`
	Delay json.RawMessage `json:"delay,omitempty" doc:"Until the next attempt, at most 24 h, in place of the backoff: \"90s\", \"1h30m\" or seconds."`
}

// HeartbeatRequest is the body of POST /v1/tasks/{id}/attempts/{token}/heartbeat.
type HeartbeatRequest struct {
	Extend json.RawMessage `json:"extend" doc:"How long the attempt may go on from now, 1 s to 24 h: \"90s\", \"1h30m\" or seconds."`
}

// ProgressRequest is the body of POST /v1/tasks/{id}/attempts/{token}/progress.
type ProgressRequest struct {
	Done  *int64 `json:"done,omitempty" minimum:"0" doc:"How much is done."`
	Total *int64 `json:"total,omitempty" minimum:"1" doc:"Of how much; left out when that is not known."`
	Text  string `json:"text,omitempty" doc:"What it is at, for people: at most 500 bytes."`
}

const maxFail = 64 << 10

func mountAcks(mux *route.Mux, doc *huma.OpenAPI, cfg *Config, refuse func(http.ResponseWriter, *problem.Problem)) {
	told := func(verb, summary string, do func(w http.ResponseWriter, r *http.Request, token int64) *problem.Problem) *huma.Operation {
		path := "/v1/tasks/{id}/attempts/{token}/" + verb
		mux.HandleFunc(auth.Enqueue, "POST "+path, func(w http.ResponseWriter, r *http.Request) {
			token, err := strconv.ParseInt(r.PathValue("token"), 10, 64)
			if err != nil || token < 1 {
				refuse(w, invalidProblem(task.Invalid{{Field: "token", Message: fmt.Sprintf("is %q: want the number in Sendoff-Token of the push", r.PathValue("token"))}}))
				return
			}
			if fault := do(w, r, token); fault != nil {
				refuse(w, fault)
				return
			}
			w.WriteHeader(http.StatusNoContent)
		})
		op := operation(auth.Enqueue, http.MethodPost, path, verb+"-attempt", summary, http.StatusNoContent)
		op.Parameters = []*huma.Param{
			{Name: "id", In: "path", Required: true, Schema: &huma.Schema{Type: "string"}, Description: "Id of the task, an id chosen by the client, or its job number."},
			{Name: "token", In: "path", Required: true, Schema: &huma.Schema{Type: "integer"}, Description: "Of the attempt: Sendoff-Token of the push."},
		}
		return &op
	}
	complete := told("complete", "Tell that a push that was answered 202 with Sendoff-Ack: manual is done; 409 lease_lost when that attempt is over", cfg.complete)
	describeTold[CompleteRequest](doc, complete)
	fail := told("fail", "Tell that a push that was answered 202 with Sendoff-Ack: manual has failed; 409 lease_lost when that attempt is over", cfg.fail)
	describeTold[FailRequest](doc, fail)
	heartbeat := told("heartbeat", "Have a push that was answered 202 with Sendoff-Ack: manual go on; 409 lease_lost when that attempt is over", cfg.heartbeat)
	describeTold[HeartbeatRequest](doc, heartbeat)
	progress := told("progress", "Tell how far an attempt is that is under way, of any kind; 409 lease_lost when it is over", cfg.progress)
	describeTold[ProgressRequest](doc, progress)
}

// describeTold adds an operation that answers nothing to the document.
func describeTold[Request any](doc *huma.OpenAPI, op *huma.Operation) {
	describe[Request, Task](doc, op, "400", "401", "403", "404", "408", "409", "413", "415", "422", "503")
	op.Responses["204"] = &huma.Response{Description: "It is on disk"}
}

// readTold reads a body that may be empty.
func readTold(w http.ResponseWriter, r *http.Request, limit int64, req any) *problem.Problem {
	text, fault := read(w, r, limit)
	if fault != nil || len(bytes.TrimSpace(text)) == 0 {
		return fault
	}
	return decode(text, req)
}

func (cfg *Config) complete(w http.ResponseWriter, r *http.Request, token int64) *problem.Problem {
	var req CompleteRequest
	if fault := readTold(w, r, task.MaxAnswer+1024, &req); fault != nil {
		return fault
	}
	if len(req.Result) > task.MaxAnswer {
		return invalidProblem(task.Invalid{{Field: "result", Message: fmt.Sprintf("has %d bytes: at most %d are kept", len(req.Result), task.MaxAnswer)}})
	}
	return told(cfg.Acks.Complete(r.Context(), r.PathValue("id"), token, req.Result))
}

func (cfg *Config) fail(w http.ResponseWriter, r *http.Request, token int64) *problem.Problem {
	var req FailRequest
	if fault := readTold(w, r, maxFail, &req); fault != nil {
		return fault
	}
	var bad task.Invalid
	delay, _ := duration(&bad, "delay", req.Delay)
	if delay < 0 || delay > task.MaxRetryAfter {
		bad.Add("delay", "is %s: want 0 to %s", delay, task.MaxRetryAfter)
	}
	if err := bad.Err(); err != nil {
		return invalidProblem(bad)
	}
	f := acks.Failure{Error: req.Error, Delay: delay, Final: req.Retry != nil && !*req.Retry}
	return told(cfg.Acks.Fail(r.Context(), r.PathValue("id"), token, f))
}

func (cfg *Config) heartbeat(w http.ResponseWriter, r *http.Request, token int64) *problem.Problem {
	var req HeartbeatRequest
	if fault := readTold(w, r, maxFail, &req); fault != nil {
		return fault
	}
	var bad task.Invalid
	extend, given := duration(&bad, "extend", req.Extend)
	if len(bad) == 0 && (!given || extend < task.MinTimeout || extend > task.MaxTimeout) {
		bad.Add("extend", "is %s: want how long the attempt may go on from now, %s to %s", extend, task.MinTimeout, task.MaxTimeout)
	}
	if err := bad.Err(); err != nil {
		return invalidProblem(bad)
	}
	_, err := cfg.Acks.Extend(r.Context(), r.PathValue("id"), token, extend)
	return told(err)
}

func (cfg *Config) progress(w http.ResponseWriter, r *http.Request, token int64) *problem.Problem {
	var req ProgressRequest
	if fault := readTold(w, r, maxFail, &req); fault != nil {
		return fault
	}
	var bad task.Invalid
	p := store.Progress{Text: req.Text}
	if bad.CheckText("text", req.Text, store.MaxProgressText); req.Done == nil && req.Total == nil && req.Text == "" {
		bad.Add("body", "tells nothing: want done, total or text")
	}
	if req.Done != nil {
		if p.Done = *req.Done; p.Done < 0 {
			bad.Add("done", "is %d: want 0 or more", p.Done)
		}
	}
	if req.Total != nil {
		if p.Total = *req.Total; p.Total < 1 {
			bad.Add("total", "is %d: want 1 or more, or none when it is not known", p.Total)
		} else if p.Done > p.Total {
			bad.Add("done", "is %d, more than total (%d)", p.Done, p.Total)
		}
	}
	if err := bad.Err(); err != nil {
		return invalidProblem(bad)
	}
	return told(cfg.Acks.Report(r.Context(), r.PathValue("id"), token, p))
}

func told(err error) *problem.Problem {
	if err == nil {
		return nil
	}
	return problemOf(err)
}
