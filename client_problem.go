package sendoff

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/internal/retryafter"
)

// Problem is what the server answered instead of doing what was asked (RFC 9457).
// Nothing of a refused request was stored.
type Problem struct {
	Type   string         `json:"type,omitempty"`
	Title  string         `json:"title,omitempty"`
	Status int            `json:"status"`           // of the answer
	Detail string         `json:"detail,omitempty"` // what was wrong, and what would be right
	Code   string         `json:"code,omitempty"`   // for programs
	Fields []ProblemField `json:"errors,omitempty"` // what is wrong with which field

	RetryAfter time.Duration `json:"-"` // when to come back; 0 = not said
}

// ProblemField names a field as the request wrote it: "url", "retry.max_attempts".
type ProblemField struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// Error says in one line what the server said.
func (p *Problem) Error() string {
	var parts []string
	for _, f := range p.Fields {
		parts = append(parts, strings.TrimPrefix(f.Field+": "+f.Message, ": "))
	}
	text := p.Detail
	if len(parts) > 0 && !strings.Contains(text, p.Fields[0].Message) {
		text = strings.TrimPrefix(text+": "+strings.Join(parts, "; "), ": ")
	}
	if text == "" {
		text = p.Title
	}
	if text == "" {
		text = http.StatusText(p.Status)
	}
	return fmt.Sprintf("%s (%d)", text, p.Status)
}

// IsNotFound tells whether err says that there is no such task or queue. The 404
// of something that is no Sendoff server says nothing of that kind.
func IsNotFound(err error) bool { return hasStatus(err, http.StatusNotFound) }

// IsConflict tells whether err says that the request does not fit what is there:
// an id or a unique key is taken, a task has ended or is running.
func IsConflict(err error) bool { return hasStatus(err, http.StatusConflict) }

func hasStatus(err error, status int) bool {
	p, ok := errors.AsType[*Problem](err)
	return ok && p.Status == status && p.Code != ""
}

func hasCode(err error, code string) bool {
	p, ok := errors.AsType[*Problem](err)
	return ok && p.Code == code
}

// problemOf reads a refusal; it copes with the ones of proxies in between.
func problemOf(res *http.Response, body []byte) *Problem {
	var p Problem
	if json.Unmarshal(body, &p) != nil {
		p = Problem{Detail: firstLine(string(body))}
	}
	if p.Code == "" && res.StatusCode < 500 {
		p.Detail = strings.TrimSuffix("the answer is not that of a Sendoff server: "+cmp.Or(p.Detail, p.Title), ": ")
	}
	p.Status = res.StatusCode
	if wait, asks := retryafter.Of(res.Header, time.Now()); asks {
		p.RetryAfter = max(wait, time.Millisecond) // now, as opposed to not said
	}
	return &p
}

func firstLine(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "") + "..."
	}
	return text
}
