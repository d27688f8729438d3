// Package dispatchr is the door for clients of Dispatchr: POST /task and
// GET /ping, with its shapes. The task is pushed as Dispatchr does - POST, the
// arguments alone as a JSON body, its name in X-Task-Name - and carries our
// headers besides; what the answer means is our table.
package dispatchr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/server/body"
	"github.com/sendoff-dev/sendoff/internal/server/route"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Submitter takes tasks in.
type Submitter interface {
	Accept(ctx context.Context, subs []accept.Submission, atomic bool) ([]accept.Result, error)
}

const maxBody = 2 << 20

// Mount adds the routes to a mux. unknown gets what went wrong with the database
// when a client is only told to try again.
func Mount(mux *route.Mux, submit Submitter, unknown func(error)) {
	mux.HandleFunc(auth.Public, "GET /ping", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"message": "pong"})
	})
	mux.HandleFunc(auth.Enqueue, "POST /task", func(w http.ResponseWriter, r *http.Request) { add(w, r, submit, unknown) })
}

type request struct {
	Target   string          `json:"target"`
	TaskName string          `json:"taskName"`
	TaskArgs json.RawMessage `json:"taskArgs"`
}

// add accepts a task. The content type is not looked at: curl --data sends JSON
// as a form.
func add(w http.ResponseWriter, r *http.Request, submit Submitter, unknown func(error)) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		unread(w, err)
		return
	}
	if !utf8.Valid(text) {
		answer(w, http.StatusBadRequest, map[string]any{"error": "the body is not UTF-8, which JSON has to be"})
		return
	}
	keys := r.Header.Values("Idempotency-Key")
	if len(keys) > 1 {
		answer(w, http.StatusBadRequest, map[string]any{"error": "Idempotency-Key: want one, or none"})
		return
	}
	var req request
	if err := json.Unmarshal(text, &req); err != nil {
		answer(w, http.StatusBadRequest, map[string]any{"error": `want JSON such as {"target":"http://host/path","taskName":"name","taskArgs":{}}: ` + err.Error()})
		return
	}
	if req.TaskArgs == nil {
		req.TaskArgs = json.RawMessage("null")
	}
	results, err := submit.Accept(r.Context(), []accept.Submission{{
		Spec: task.Spec{
			URL: req.Target, Name: req.TaskName, ContentType: "application/json", Profile: task.DispatchrProfile,
			Trace: task.ParseTrace(r.Header.Get("Traceparent")),
		},
		Payload: req.TaskArgs, IdempotencyKey: strings.Join(keys, ""), Fingerprint: store.HashOf([]byte(r.URL.Path), text),
	}}, true)
	if over, ok := errors.AsType[store.OverQuota](err); ok {
		w.Header().Set("Retry-After", strconv.Itoa(int(over.Retry/time.Second)+1))
		answer(w, http.StatusTooManyRequests, map[string]any{"error": over.Error()})
		return
	}
	if err != nil {
		if !errors.As(err, new(task.Invalid)) && !slices.ContainsFunc(ours, func(known error) bool { return errors.Is(err, known) }) {
			unknown(err)
		}
		refuse(w, err)
		return
	}
	if results[0].Status == store.Mismatch {
		answer(w, http.StatusBadRequest, map[string]any{"error": "this Idempotency-Key was used for another request: use a new key"})
		return
	}
	answer(w, http.StatusOK, map[string]any{"message": "task added", "job": results[0].ID.Number()})
}

// unread says why a body could not be read.
func unread(w http.ResponseWriter, err error) {
	status := http.StatusBadRequest
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	switch {
	case tooLarge:
		status, err = http.StatusRequestEntityTooLarge, fmt.Errorf("the body is longer than the %d bytes allowed", maxBody)
	case errors.Is(err, body.ErrBusy):
		status = http.StatusServiceUnavailable
	case errors.Is(err, body.ErrSlow):
		status = http.StatusRequestTimeout
	default:
		err = errors.New("the body broke off")
	}
	answer(w, status, map[string]any{"error": err.Error()})
}

// theirs names our fields as Dispatchr does.
var theirs = map[string]string{"url": "target", "name": "taskName", "payload": "taskArgs"}

// ours are refusals that the database has no part in, or that it tells by itself.
var ours = []error{accept.ErrBusy, accept.ErrNoAccept, store.ErrTooManyQueues, store.ErrFull, store.ErrBroken, context.Canceled}

func refuse(w http.ResponseWriter, err error) {
	invalid, ok := errors.AsType[task.Invalid](err)
	if !ok {
		w.Header().Set("Retry-After", "1")
		why := "the task was not stored: try again"
		if errors.Is(err, store.ErrFull) {
			why = store.ErrFull.Error() + ": " + why
		}
		answer(w, http.StatusServiceUnavailable, map[string]any{"error": why})
		return
	}
	for i, f := range invalid {
		if name, ok := theirs[f.Field]; ok {
			invalid[i].Field = name
		}
	}
	answer(w, http.StatusBadRequest, map[string]any{"error": invalid.Error()})
}

func answer(w http.ResponseWriter, status int, v map[string]any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}
