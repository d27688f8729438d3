package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/acks"
	"github.com/sendoff-dev/sendoff/internal/httpsig"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/server/body"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

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
	{store.ErrActionState, 409, "state_conflict", 0},
	{store.ErrNotFinal, 409, "state_conflict", 0},
	{store.ErrRunning, 409, "state_conflict", 0},
	{store.ErrInLine, 409, "state_conflict", 0},
	{store.ErrRate, 409, "state_conflict", 0},
	{store.ErrUnmet, 409, "state_conflict", 0},
	{store.ErrUnchangeable, 409, "state_conflict", 0},
	{store.ErrKeyHeld, 409, "already_exists", 0},
	{store.ErrQueueNotEmpty, 409, "queue_not_empty", 0},
	{store.ErrOldNode, 409, "old_node", 0},
	{store.ErrLeaseLost, 409, "lease_lost", 0},
	{acks.ErrNotWritten, 503, "unavailable", 1},
	{operate.ErrOtherNamespace, 403, "forbidden", 0},
	{operate.ErrNotDeclared, 409, "state_conflict", 0},
	{operate.ErrWorkerState, 409, "state_conflict", 0},
	{operate.ErrHostPaused, 409, "state_conflict", 0},
	{operate.ErrDropped, 409, "state_conflict", 0},
	{httpsig.ErrKeysInFile, 409, "state_conflict", 0},
	{httpsig.ErrTooManyKeys, 409, "state_conflict", 0},
	{store.ErrChanged, 409, "state_conflict", 0},
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
func problemOf(err error) *problem.Problem {
	if p, ok := errors.AsType[*problem.Problem](err); ok {
		return p
	}
	if invalid, ok := errors.AsType[task.Invalid](err); ok {
		return invalidProblem(invalid)
	}
	if over, ok := errors.AsType[store.OverQuota](err); ok {
		p := problem.New(http.StatusTooManyRequests, "quota_exceeded", over.Error())
		if over.Retry > 0 {
			p.RetryAfter = int(over.Retry/time.Second) + 1
		}
		return p
	}
	for _, row := range table {
		if errors.Is(err, row.err) {
			p := problem.New(row.status, row.code, detail(err, row.err))
			p.RetryAfter = row.retry
			return p
		}
	}
	p := problem.New(http.StatusServiceUnavailable, "unavailable", "the database does not answer: nothing was stored as far as we know, try again with the same Idempotency-Key")
	p.RetryAfter, p.Cause = 1, err
	return p
}

// tell hands an error that clients are not told to those who run the server.
func (cfg *Config) tell(p *problem.Problem) {
	if p.Cause != nil && cfg.Unknown != nil {
		cfg.Unknown(p.Cause)
	}
}

// detail is what a client is told: what comes from the database stays in our log.
func detail(err, known error) string {
	switch {
	case errors.Is(known, store.ErrFull):
		return known.Error() + ", or nearly so: nothing was stored, it goes on by itself when there is room; try again with the same Idempotency-Key"
	case errors.Is(known, store.ErrBroken):
		return known.Error() + ": the server stops; try again with the same Idempotency-Key"
	}
	return err.Error()
}

func invalidProblem(invalid task.Invalid) *problem.Problem {
	p := problem.New(http.StatusUnprocessableEntity, "invalid_request", invalid.Error())
	for _, f := range invalid {
		p.Errors = append(p.Errors, problem.FieldError(f))
	}
	return p
}

// fromHuma gives the errors that huma makes itself our shape.
func fromHuma(_ huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := problem.New(m.Status, "invalid_request", m.Detail)
	switch m.Status {
	case http.StatusNotFound:
		p.Code = "not_found"
	case http.StatusInternalServerError:
		p.Code = "internal"
	}
	for _, d := range m.Errors {
		field := d.Location[strings.LastIndexByte(d.Location, '.')+1:]
		p.Errors = append(p.Errors, problem.FieldError{Field: field, Message: d.Message})
		p.Detail += ": " + field + ": " + d.Message
	}
	return p, nil
}
