package sendoff

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// Failure is how an attempt has failed, as its app tells it; see [Tasks.Fail]. The zero value
// has it tried again as the task's policy says.
type Failure struct {
	Error string        // what went wrong, for people; the first 2 KiB are kept
	Final bool          // it is never tried again
	Delay time.Duration // until the next attempt, at most 24 h; 0 = the backoff
}

// Complete tells that a task is done whose push was answered 202 with "Sendoff-Ack: manual" (see
// push.Manual). token is that of the push, in Sendoff-Token; result, as JSON of at most 64 KiB, is kept as
// the answer, nil = nothing. When that attempt is over, because its time has passed, it was
// canceled or somebody else has told, [IsLeaseLost] is true of the error. Told again, it is no error.
func (t Tasks) Complete(ctx context.Context, id string, token int64, result any) error {
	body := map[string]any{}
	if result != nil {
		body["result"] = result
	}
	return t.tell(ctx, id, token, "complete", body)
}

// Fail tells that such a task has failed. Errors as of [Tasks.Complete].
func (t Tasks) Fail(ctx context.Context, id string, token int64, f Failure) error {
	body := map[string]any{"retry": !f.Final}
	if f.Error != "" {
		body["error"] = f.Error
	}
	if f.Delay != 0 {
		body["delay"] = f.Delay.String()
	}
	return t.tell(ctx, id, token, "fail", body)
}

// Heartbeat has such a task go on for a time from now, 1 s to 24 h. Errors as of [Tasks.Complete].
func (t Tasks) Heartbeat(ctx context.Context, id string, token int64, extend time.Duration) error {
	return t.tell(ctx, id, token, "heartbeat", map[string]any{"extend": extend.String()})
}

// Progress is how far an attempt is.
type Progress struct {
	Done  int64     `json:"done"`
	Total int64     `json:"total,omitempty"` // 0 = it is not known
	Text  string    `json:"text,omitempty"`  // for people, at most 500 bytes
	At    time.Time `json:"at,omitzero"`     // when it was told; set in answers
}

// Progress tells how far an attempt is that is under way, in place of what was told before. Any
// attempt can tell whose token is known: that of a push is in Sendoff-Token, that of a handler in
// its call. It is shown with the task. Errors as of [Tasks.Complete].
func (t Tasks) Progress(ctx context.Context, id string, token int64, p Progress) error {
	p.At = time.Time{}
	return t.tell(ctx, id, token, "progress", p)
}

func (t Tasks) tell(ctx context.Context, id string, token int64, what string, body any) error {
	path := taskPath(id, "/attempts/"+strconv.FormatInt(token, 10)+"/"+what)
	_, _, err := t.c.do(ctx, request{method: http.MethodPost, path: path, body: body, again: true}, nil)
	return err
}

// IsLeaseLost tells whether err says that an attempt is over: another one has begun, or the task
// has ended.
func IsLeaseLost(err error) bool { return hasCode(err, "lease_lost") }
