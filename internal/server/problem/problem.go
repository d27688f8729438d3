// Package problem is the shape in which the doors of our own refuse: an error
// answer as RFC 9457 has it. Which error is answered how is for each door to say;
// this package knows no errors but its own.
package problem

import (
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
)

// ContentType is that of every problem.
const ContentType = "application/problem+json"

// Problem is an error answer (RFC 9457).
type Problem struct {
	Type   string       `json:"type" doc:"Names the kind of problem; about:blank when the status says it all."`
	Title  string       `json:"title" doc:"Text of the status."`
	Status int          `json:"status"`
	Detail string       `json:"detail,omitempty" doc:"What was wrong with this request, and what would be right."`
	Code   string       `json:"code" doc:"For programs: invalid_request, not_found, state_conflict, ..."`
	Errors []FieldError `json:"errors,omitempty" doc:"The fields at fault."`
	Scope  string       `json:"scope,omitempty" doc:"Of 403: the scope that the key does not have."`

	RetryAfter int   `json:"-"` // seconds, for the header of that name; 0 = none
	Cause      error `json:"-"` // for the log of whoever runs the server; clients are not told
}

// FieldError names a field and what is wrong with it.
type FieldError struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// New returns a problem of a status.
func New(status int, code, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Cause }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.RetryAfter))
	}
	return h
}

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return ContentType }

// Write sends a problem as the answer.
func Write(w http.ResponseWriter, p *Problem) {
	maps.Copy(w.Header(), p.GetHeaders())
	w.Header().Set("Content-Type", ContentType)
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client may be gone
}
