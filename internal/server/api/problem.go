package api

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/server/body"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Problem is an error answer (RFC 9457).
type Problem struct {
	Type   string       `json:"type" doc:"Names the kind of problem; about:blank when the status says it all."`
	Title  string       `json:"title" doc:"Text of the status."`
	Status int          `json:"status"`
	Detail string       `json:"detail,omitempty" doc:"What was wrong with this request, and what would be right."`
	Code   string       `json:"code" doc:"For programs: invalid_request, not_found, state_conflict, ..."`
	Errors []FieldError `json:"errors,omitempty" doc:"The fields at fault."`

	retryAfter int
	unknown    error // of the database, which clients are not told
}

// FieldError names a field and what is wrong with it.
type FieldError struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	return h
}

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return problemType }

const problemType = "application/problem+json"

// NewProblem returns a problem of a status.
func NewProblem(status int, code, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// table says how errors are answered.
var table = []struct {
	err    error
	status int
	code   string
	retry  int
}{
	{store.ErrNotFound, 404, "not_found", 0},
	{store.ErrFinal, 409, "state_conflict", 0},
	{store.ErrNotFunction, 409, "state_conflict", 0},
	{store.ErrNotFinal, 409, "state_conflict", 0},
	{store.ErrRunning, 409, "state_conflict", 0},
	{store.ErrKeyHeld, 409, "already_exists", 0},
	{store.ErrQueueNotEmpty, 409, "queue_not_empty", 0},
	{operate.ErrKeepsName, 409, "state_conflict", 0},
	{store.ErrTooManyQueues, 422, "too_many_queues", 0},
	{accept.ErrBusy, 503, "busy", 1},
	{body.ErrBusy, 503, "busy", 1},
	{operate.ErrBusy, 503, "busy", 1},
	{body.ErrSlow, 408, "too_slow", 0},
	{accept.ErrNoAccept, 503, "not_here", 0},
	{store.ErrFull, 503, "disk_full", 5},
	{store.ErrBroken, 503, "unavailable", 5},
	{operate.ErrBadCursor, 422, "invalid_request", 0},
	{operate.ErrOtherJournal, 409, "state_conflict", 0},
	{context.DeadlineExceeded, 503, "unavailable", 1},
	{context.Canceled, 503, "unavailable", 1}, // the server stops; or the client is gone and sees nothing
}

// problemOf turns an error of the rooms into an answer. Unknown ones come from
// the database: the text stays in our log.
func problemOf(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if invalid, ok := errors.AsType[task.Invalid](err); ok {
		return invalidProblem(invalid)
	}
	for _, row := range table {
		if errors.Is(err, row.err) {
			p := NewProblem(row.status, row.code, detail(err, row.err))
			p.retryAfter = row.retry
			return p
		}
	}
	p := NewProblem(http.StatusServiceUnavailable, "unavailable", "the database does not answer: nothing was stored as far as we know, try again with the same Idempotency-Key")
	p.retryAfter, p.unknown = 1, err
	return p
}

// tell hands an error that clients are not told to those who run the server.
func (cfg *Config) tell(p *Problem) {
	if p.unknown != nil && cfg.Unknown != nil {
		cfg.Unknown(p.unknown)
	}
}

// detail is what a client is told: what comes from the database stays in our log.
func detail(err, known error) string {
	switch {
	case errors.Is(known, store.ErrFull):
		return known.Error() + ": nothing was stored, it goes on by itself when there is room; try again with the same Idempotency-Key"
	case errors.Is(known, store.ErrBroken):
		return known.Error() + ": the server stops; try again with the same Idempotency-Key"
	}
	return err.Error()
}

func invalidProblem(invalid task.Invalid) *Problem {
	p := NewProblem(http.StatusUnprocessableEntity, "invalid_request", invalid.Error())
	for _, f := range invalid {
		p.Errors = append(p.Errors, FieldError(f))
	}
	return p
}

// fromHuma gives the errors that huma makes itself our shape.
func fromHuma(_ huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := NewProblem(m.Status, "invalid_request", m.Detail)
	switch m.Status {
	case http.StatusNotFound:
		p.Code = "not_found"
	case http.StatusInternalServerError:
		p.Code = "internal"
	}
	for _, d := range m.Errors {
		field := d.Location[strings.LastIndexByte(d.Location, '.')+1:]
		p.Errors = append(p.Errors, FieldError{field, d.Message})
		p.Detail += ": " + field + ": " + d.Message
	}
	return p, nil
}

// WriteProblem sends a problem as the answer.
func WriteProblem(w http.ResponseWriter, p *Problem) {
	maps.Copy(w.Header(), p.GetHeaders())
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client may be gone
}
