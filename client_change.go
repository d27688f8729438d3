package sendoff

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// TaskChange is what is to become of a task that has not started. A zero field stays as it
// is.
type TaskChange struct {
	Delay     time.Duration     `json:"-"`                   // until its first attempt, from now on
	RunAt     time.Time         `json:"run_at,omitzero"`     // in place of Delay
	ExpiresAt time.Time         `json:"expires_at,omitzero"` // not started from then on
	Queue     string            `json:"queue,omitempty"`     // where it waits from now on
	Priority  *int              `json:"priority,omitempty"`  // 0 (first) to 9
	Timeout   time.Duration     `json:"-"`                   // of one attempt, 1 s to 24 h
	Retry     *RetryPolicy      `json:"retry,omitempty"`     // field by field
	Labels    map[string]string `json:"labels,omitempty"`    // are set; the others stay
	Payload   any               `json:"payload,omitempty"`   // encoded as JSON

	Body []byte `json:"body_base64,omitempty"` // any bytes, in place of Payload
}

// MarshalJSON implements json.Marshaler: the shape of the API.
func (c TaskChange) MarshalJSON() ([]byte, error) {
	type plain TaskChange
	return json.Marshal(struct {
		plain
		Delay   duration `json:"delay,omitempty"`
		Timeout duration `json:"timeout,omitempty"`
	}{plain(c), duration(c.Delay), duration(c.Timeout)})
}

// Change changes what is not zero in change, all at once, and puts those named in defaults
// back to their defaults, by their names in the API: "run_at" (at once), "expires_at"
// (never), "queue", "priority", "timeout", "retry", "labels", or a part such as
// "retry.max_attempts" or "labels.team". A task that has started, or has ended, stays as it
// is: see [IsConflict].
func (t Tasks) Change(ctx context.Context, id string, change TaskChange, defaults ...string) (*Task, error) {
	body, err := withNulls(change, defaults)
	if err != nil {
		return nil, err
	}
	var out Task
	if _, _, err := t.c.do(ctx, request{method: http.MethodPatch, path: taskPath(id, ""), body: body}, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// withNulls is v as a JSON object in which the named fields, or parts of them, are null.
func withNulls(v any, names []string) (map[string]json.RawMessage, error) {
	body, err := fieldsOf(v)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		group, one, nested := strings.Cut(name, ".")
		if !nested {
			body[name] = json.RawMessage("null")
			continue
		}
		inner := map[string]json.RawMessage{}
		if text, there := body[group]; there && string(text) != "null" {
			if inner, err = fieldsOf(text); err != nil {
				return nil, err
			}
		}
		inner[one] = json.RawMessage("null")
		if body[group], err = json.Marshal(inner); err != nil {
			return nil, err
		}
	}
	return body, nil
}

func fieldsOf(v any) (fields map[string]json.RawMessage, err error) {
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &fields)
	}
	return fields, err
}
