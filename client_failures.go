package sendoff

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// FailureGroup is what failed alike: tasks of one queue, target and code, whose errors
// differ in nothing but ids, numbers, quoted text and addresses.
type FailureGroup struct {
	ID         string    `json:"id"` // Filter.Where takes it as failure
	Queue      string    `json:"queue"`
	Target     string    `json:"target,omitempty"` // host of the URL, or name of the function, process or handler
	Code       string    `json:"code,omitempty"`   // a status, or a word such as timeout
	Text       string    `json:"text,omitempty"`   // the first line of the error, without what differs; needs the scope payloads
	Count      int64     `json:"count"`            // ends; of tasks that were retried or deleted since, too
	FirstAt    time.Time `json:"first_at"`
	LastAt     time.Time `json:"last_at"`
	Sample     string    `json:"sample"`               // the task that failed last
	MutedUntil time.Time `json:"muted_until,omitzero"` // zero = it is not muted
	Redacted   bool      `json:"redacted,omitempty"`   // the text was left out
}

// Failures lists and mutes groups of failures: [Client.Failures]. Of errors, repeats and
// concurrent use holds what [Client] says.
type Failures struct{ c *Client }

// List goes through the groups, those that failed last first, and fetches page by page.
// Failures of the last 5 seconds may be missing. The first error ends it.
func (f Failures) List(ctx context.Context) iter.Seq2[FailureGroup, error] {
	return pages[FailureGroup](ctx, f.c, "/v1/failures", url.Values{}, 0)
}

// Get returns a group. See [IsNotFound].
func (f Failures) Get(ctx context.Context, id string) (*FailureGroup, error) {
	return f.one(ctx, http.MethodGet, failurePath(id), nil)
}

// Mute marks a group as known until a time. It may be repeated.
func (f Failures) Mute(ctx context.Context, id string, until time.Time) (*FailureGroup, error) {
	return f.one(ctx, http.MethodPost, failurePath(id)+"/mute", map[string]string{"until": until.UTC().Format(time.RFC3339Nano)})
}

// Unmute ends a mute. It may be repeated.
func (f Failures) Unmute(ctx context.Context, id string) (*FailureGroup, error) {
	return f.one(ctx, http.MethodPost, failurePath(id)+"/mute", struct{}{})
}

func (f Failures) one(ctx context.Context, method, path string, body any) (*FailureGroup, error) {
	var out FailureGroup
	if _, _, err := f.c.do(ctx, request{method: method, path: path, body: body, again: true}, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

func failurePath(id string) string { return "/v1/failures/" + url.PathEscape(id) }
