package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Bodies are limited before they are read: one task, a batch, and all that are
// being read at a time.
const (
	maxCreate  = 2 << 20
	maxBatch   = 32 << 20
	maxReading = 256 << 20
)

// BatchItem is the answer for one task of a batch.
type BatchItem struct {
	Status string   `json:"status" enum:"created,existing,conflict,mismatch,skipped,invalid"`
	Task   *Task    `json:"task,omitempty"`
	Error  *Problem `json:"error,omitempty"`
}

// BatchReply is the answer to a batch, an item for each task in order.
type BatchReply struct {
	Items []BatchItem `json:"items"`
}

type creator struct {
	submit  Submitter
	tasks   Viewer
	reading atomic.Int64
}

// read reads a body of at most limit bytes, when there is room for it.
func (c *creator) read(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, *Problem) {
	size := r.ContentLength
	if size > limit {
		return nil, NewProblem(http.StatusRequestEntityTooLarge, "payload_too_large", fmt.Sprintf("the body has %d bytes: at most %d are allowed", size, limit))
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return nil, NewProblem(http.StatusUnsupportedMediaType, "invalid_request", "Content-Encoding "+strconv.Quote(e)+" is not taken: send the body as it is")
	}
	if size < 0 {
		size = limit
	}
	defer c.reading.Add(-size)
	if c.reading.Add(size) > maxReading {
		p := NewProblem(http.StatusServiceUnavailable, "busy", "too many requests are being read: try again in a second")
		p.retryAfter = 1
		return nil, p
	}
	body := bytes.NewBuffer(make([]byte, 0, min(size, 64<<10)+bytes.MinRead))
	if _, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, limit)); err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return nil, NewProblem(http.StatusRequestEntityTooLarge, "payload_too_large", fmt.Sprintf("the body has more than the %d bytes allowed", limit))
		}
		return nil, NewProblem(http.StatusBadRequest, "invalid_request", "the body could not be read to its end")
	}
	return body.Bytes(), nil
}

// create handles POST /v1/tasks.
func (c *creator) create(w http.ResponseWriter, r *http.Request) {
	body, problem := c.read(w, r, maxCreate)
	if problem != nil {
		WriteProblem(w, problem)
		return
	}
	var req CreateRequest
	if err := decode(body, &req); err != nil {
		WriteProblem(w, err)
		return
	}
	var bad task.Invalid
	sub := req.submission(&bad)
	if err := bad.Err(); err != nil {
		WriteProblem(w, problemOf(err))
		return
	}
	if sub.IdempotencyKey = r.Header.Get("Idempotency-Key"); sub.IdempotencyKey != "" {
		sub.Fingerprint = store.HashOf([]byte(r.URL.Path), body)
	}
	subs := []accept.Submission{sub}
	results, err := c.submit.SubmitMany(r.Context(), subs, true)
	if err != nil {
		WriteProblem(w, problemOf(err))
		return
	}
	c.answer(w, r, &subs[0], &results[0])
}

func (c *creator) answer(w http.ResponseWriter, r *http.Request, sub *accept.Submission, res *accept.Result) {
	view, problem := c.view(r, sub, res)
	if problem != nil {
		WriteProblem(w, problem)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	status := http.StatusOK
	if res.Status == store.Created {
		status = http.StatusCreated
	}
	if res.Status == store.Existing && res.Key == store.IdempotencyKey {
		h.Set("Idempotent-Replayed", "true")
	}
	h.Set("Location", "/v1/tasks/"+view.ID)
	b, _ := json.Marshal(view) // plain data cannot fail
	h.Set("Content-Length", strconv.Itoa(len(b)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // the client may be gone
}

// view returns the task of a result, or why there is none.
func (c *creator) view(r *http.Request, sub *accept.Submission, res *accept.Result) (*Task, *Problem) {
	switch res.Status {
	case store.Created:
		v := createdView(res.ID, &sub.Spec, sub.Queue, res.Task.Priority, res.Task.MaxAttempts, res.CreatedAt, res.Task.ExpiresAt)
		return &v, nil
	case store.Mismatch:
		return nil, NewProblem(http.StatusUnprocessableEntity, "idempotency_key_reused",
			"this Idempotency-Key was used for another request within the last 24 hours: use a new key for a new request")
	case store.Invalid:
		return nil, NewProblem(http.StatusUnprocessableEntity, "invalid_request", "the database cannot store a value of this task")
	case store.Skipped:
		return nil, NewProblem(http.StatusConflict, "skipped", "not stored, because another task of this atomic batch was refused")
	}
	had, err := c.tasks.Get(r.Context(), res.ID.String())
	if errors.Is(err, store.ErrNotFound) {
		return nil, NewProblem(http.StatusConflict, "gone", "the task of this key has been deleted: use a new key")
	}
	if err != nil {
		return nil, problemOf(err)
	}
	if res.Status == store.Conflict {
		return nil, conflictProblem(&had, res.Key)
	}
	if res.Key == store.IdempotencyKey {
		v := createdView(had.ID, had.Spec, had.Queue, had.Priority, had.MaxAttempts, had.CreatedAt, had.ExpiresAt)
		return &v, nil
	}
	v := viewOf(&had)
	return &v, nil
}

func conflictProblem(had *operate.Task, key store.KeyKind) *Problem {
	field, text := "id", "a task with this id exists already: /v1/tasks/"
	if key == store.UniqueKey {
		field, text = "unique.key", "another task has this unique key: /v1/tasks/"
	}
	p := NewProblem(http.StatusConflict, "already_exists", text+had.PublicID())
	p.Errors = []FieldError{{field, p.Detail}}
	return p
}

// batch handles POST /v1/tasks/batch.
func (c *creator) batch(w http.ResponseWriter, r *http.Request) {
	body, problem := c.read(w, r, maxBatch)
	if problem != nil {
		WriteProblem(w, problem)
		return
	}
	var req BatchRequest
	if err := decode(body, &req); err != nil {
		WriteProblem(w, err)
		return
	}
	reply, problem := c.submitBatch(r, &req, body)
	if problem != nil {
		WriteProblem(w, problem)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(reply.status())
	_ = json.NewEncoder(w).Encode(reply) // the client may be gone
}

// status is 201 when something was stored, 409 when an atomic batch was refused,
// and 200 when everything was there already or refused by itself.
func (b *BatchReply) status() int {
	status := http.StatusOK
	for _, item := range b.Items {
		switch item.Status {
		case "created":
			return http.StatusCreated
		case "skipped":
			status = http.StatusConflict
		}
	}
	return status
}

func (c *creator) submitBatch(r *http.Request, req *BatchRequest, body []byte) (*BatchReply, *Problem) {
	if len(req.Tasks) == 0 || len(req.Tasks) > task.MaxBatch {
		return nil, invalidProblem(task.Invalid{{Field: "tasks", Message: fmt.Sprintf("has %d entries: want 1 to %d", len(req.Tasks), task.MaxBatch)}})
	}
	reply := &BatchReply{Items: make([]BatchItem, len(req.Tasks))}
	var subs []accept.Submission
	var index []int
	var faults task.Invalid
	print := store.HashOf([]byte(r.URL.Path), body)
	for i := range req.Tasks {
		var bad task.Invalid
		sub := req.Tasks[i].submission(&bad)
		if len(bad) > 0 {
			for _, f := range bad {
				faults.Add(fmt.Sprintf("tasks[%d].%s", i, f.Field), "%s", f.Message)
			}
			reply.Items[i] = BatchItem{Status: "invalid", Error: invalidProblem(bad)}
			continue
		}
		if key := r.Header.Get("Idempotency-Key"); key != "" {
			sub.IdempotencyKey, sub.Fingerprint = fmt.Sprintf("%s#%d", key, i), print
		}
		subs, index = append(subs, sub), append(index, i)
	}
	if req.Atomic && len(faults) > 0 {
		return nil, invalidProblem(faults)
	}
	results, err := c.submit.SubmitMany(r.Context(), subs, req.Atomic)
	if err != nil {
		return nil, problemOf(err)
	}
	for n, i := range index {
		reply.Items[i] = c.item(r, &subs[n], &results[n])
	}
	return reply, nil
}

var statusNames = map[store.InsertStatus]string{
	store.Created: "created", store.Existing: "existing", store.Conflict: "conflict", store.Mismatch: "mismatch",
	store.Skipped: "skipped", store.Invalid: "invalid",
}

func (c *creator) item(r *http.Request, sub *accept.Submission, res *accept.Result) BatchItem {
	if res.Err != nil {
		return BatchItem{Status: "invalid", Error: problemOf(res.Err)}
	}
	view, problem := c.view(r, sub, res)
	return BatchItem{Status: statusNames[res.Status], Task: view, Error: problem}
}
