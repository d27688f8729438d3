package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/server/body"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Bodies of one task and of a batch are limited, in bytes.
const (
	maxCreate = 2 << 20
	maxBatch  = 32 << 20
)

type creator struct {
	submit Submitter
	tasks  Stored
	cfg    *Config
	refuse func(http.ResponseWriter, *problem.Problem)
}

const (
	keyHeader   = "Idempotency-Key"
	traceHeader = "Traceparent" // of W3C Trace Context: where the task stands in a trace
)

// checkRequest refuses what would be dropped: a query but for the parameters, and keys
// beyond one.
func checkRequest(r *http.Request, parameters ...string) *problem.Problem {
	var bad task.Invalid
	for name, values := range r.URL.Query() {
		if slices.Contains(parameters, name) && len(values) == 1 {
			continue
		}
		bad.Add(name, "is not a parameter of this request: put the fields of the task into the body")
	}
	keys := r.Header.Values(keyHeader)
	if len(keys) > 1 || len(keys) == 1 && keys[0] == "" {
		bad.Add(keyHeader, "want one that is not empty, or none")
	}
	for _, key := range keys {
		bad.CheckText(keyHeader, key, accept.MaxKey)
	}
	if len(bad) > 0 {
		return invalidProblem(bad)
	}
	return nil
}

// read reads the body of a submission of at most limit bytes, whose query may have the
// parameters, once each.
func read(w http.ResponseWriter, r *http.Request, limit int64, parameters ...string) ([]byte, *problem.Problem) {
	if p := checkRequest(r, parameters...); p != nil {
		return nil, p
	}
	return readBody(w, r, limit)
}

func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, *problem.Problem) {
	size := r.ContentLength
	if size > limit {
		return nil, problem.New(http.StatusRequestEntityTooLarge, "payload_too_large", fmt.Sprintf("the body has %d bytes: at most %d are allowed", size, limit))
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return nil, problem.New(http.StatusUnsupportedMediaType, "invalid_request", "Content-Encoding "+strconv.Quote(e)+" is not taken: send the body as it is")
	}
	buf := bytes.NewBuffer(make([]byte, 0, min(max(size, 0), 64<<10)+bytes.MinRead))
	_, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	switch {
	case err == nil:
		return buf.Bytes(), nil
	case tooLarge:
		return nil, problem.New(http.StatusRequestEntityTooLarge, "payload_too_large", fmt.Sprintf("the body has more than the %d bytes allowed", limit))
	case errors.Is(err, body.ErrBusy), errors.Is(err, body.ErrSlow):
		return nil, problemOf(err)
	}
	return nil, problem.New(http.StatusBadRequest, "invalid_request", "the body could not be read to its end")
}

// create handles POST /v1/tasks.
func (c *creator) create(w http.ResponseWriter, r *http.Request) {
	text, fault := read(w, r, maxCreate, waitParameter)
	if fault != nil {
		c.refuse(w, fault)
		return
	}
	wait, fault := waitForEnd(r)
	if fault != nil {
		c.refuse(w, fault)
		return
	}
	var req CreateRequest
	if err := decode(text, &req); err != nil {
		c.refuse(w, err)
		return
	}
	var bad task.Invalid
	sub := req.submission(&bad)
	if err := bad.Err(); err != nil {
		c.refuse(w, problemOf(err))
		return
	}
	sub.Spec.Trace = task.ParseTrace(r.Header.Get(traceHeader))
	if sub.IdempotencyKey = r.Header.Get(keyHeader); sub.IdempotencyKey != "" {
		sub.Fingerprint = store.HashOf([]byte(r.URL.Path), text)
	}
	var end *operate.Expected
	if wait > 0 {
		sub.ID = accept.NewID()
		end = c.tasks.Expect(sub.ID)
		defer end.Stop()
	}
	subs := []accept.Submission{sub}
	results, err := c.submit.Accept(r.Context(), subs, true)
	if err != nil {
		c.refuse(w, problemOf(err))
		return
	}
	shown, fault := c.asStored(r.Context(), subs, results)
	if fault != nil {
		c.refuse(w, fault)
		return
	}
	view, fault := c.view(r, &subs[0], &results[0], shown)
	if fault != nil {
		c.refuse(w, fault)
		return
	}
	if wait > 0 {
		view = c.atItsEnd(r.Context(), view, &subs[0], &results[0], end, wait)
	}
	c.answer(w, r, &results[0], view)
}

// asStored reads those of the tasks just stored that may have to wait for others: only
// the store knows whether they do.
func (c *creator) asStored(ctx context.Context, subs []accept.Submission, results []accept.Result) (map[task.ID]Task, *problem.Problem) {
	var ids []task.ID
	for i := range results {
		if results[i].Status == store.Created && accept.MayWait(&subs[i].Spec) {
			ids = append(ids, results[i].ID)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	stored, err := c.tasks.Rows(ctx, ids)
	if err != nil {
		p := problemOf(err)
		p.Detail = "the task is stored and could not be read: repeat the request, with the same Idempotency-Key if it has one"
		return nil, p
	}
	shown := map[task.ID]Task{}
	for i := range stored {
		shown[stored[i].ID] = viewOf(&stored[i])
	}
	return shown, nil
}

func (c *creator) answer(w http.ResponseWriter, r *http.Request, res *accept.Result, view *Task) {
	status := http.StatusOK
	if res.Status == store.Created {
		status = http.StatusCreated
	}
	if res.Status == store.Existing && res.Key == store.IdempotencyKey {
		w.Header().Set("Idempotent-Replayed", "true")
	}
	w.Header().Set("Location", "/v1/tasks/"+url.PathEscape(view.ID))
	answer(w, r, status, view)
}

// view returns the task of a result, or why there is none.
func (c *creator) view(r *http.Request, sub *accept.Submission, res *accept.Result, shown map[task.ID]Task) (*Task, *problem.Problem) {
	switch res.Status {
	case store.Created:
		if v, ok := shown[res.ID]; ok {
			return &v, nil
		}
		v := createdView(res.ID, &sub.Spec, sub.Queue, res.Task.Priority, res.Task.MaxAttempts, res.CreatedAt, res.Task.ExpiresAt)
		return &v, nil
	case store.Mismatch:
		return nil, problem.New(http.StatusUnprocessableEntity, "idempotency_key_reused",
			"this Idempotency-Key was used for another request within the last 24 hours: use a new key for a new request")
	case store.Invalid:
		return nil, problem.New(http.StatusUnprocessableEntity, "invalid_request", "the database cannot store a value of this task")
	case store.Skipped:
		return nil, problem.New(http.StatusConflict, "skipped", "not stored, because another task of this atomic batch was refused")
	}
	had, err := c.tasks.Get(r.Context(), res.ID.String())
	switch {
	case errors.Is(err, store.ErrNotFound) && res.Status == store.Conflict:
		return nil, conflictProblem(nil, res.Key)
	case errors.Is(err, store.ErrNotFound) && res.Status == store.Dropped:
		return nil, problem.New(http.StatusConflict, "gone", "not stored, because another task with its duplicate key was there, which has been deleted since: try again")
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, problem.New(http.StatusConflict, "gone", "the task of this key has been deleted: use a new key")
	}
	if err != nil {
		p := problemOf(err)
		p.Detail = "the task that has this key could not be read: repeat the request, with the same Idempotency-Key if it has one"
		return nil, p
	}
	if res.Status == store.Conflict {
		p := conflictProblem(&had, res.Key)
		if sub.Signal != nil {
			p.Detail += ", and takes no signal: it has ended, or is no function"
		}
		return nil, p
	}
	if res.Key == store.IdempotencyKey && !accept.MayWait(had.Spec) {
		v := createdView(had.ID, had.Spec, had.Queue, had.Priority, had.MaxAttempts, had.CreatedAt, had.ExpiresAt)
		return &v, nil
	}
	v := viewOf(&had)
	v.Dropped = res.Status == store.Dropped
	return &v, nil
}

// conflictProblem says which task has the key; nil when it is not there any more.
func conflictProblem(had *operate.Task, key store.KeyKind) *problem.Problem {
	field, kind := "id", "id"
	if key == store.UniqueKey {
		field, kind = "unique.key", "unique key"
	}
	text := "another task of this batch has this " + kind + ", or one that was deleted just now"
	if had != nil {
		text = "a task has this " + kind + " already: /v1/tasks/" + url.PathEscape(had.PublicID())
	}
	p := problem.New(http.StatusConflict, "already_exists", text)
	p.Errors = []problem.FieldError{{Field: field, Message: p.Detail}}
	return p
}
