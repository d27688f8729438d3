package api

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/sendoff-dev/sendoff/task"
)

// Retention is how long ended tasks stay visible, by how they ended, in an answer.
type Retention struct {
	Succeeded string `json:"succeeded,omitempty" doc:"0s: it goes at once, with the next sweep."`
	Failed    string `json:"failed,omitempty"`
	Canceled  string `json:"canceled,omitempty"`
}

// retentionView is nil when nothing was set.
func retentionView(r task.Retention) *Retention {
	if r == (task.Retention{}) {
		return nil
	}
	return &Retention{keptText(r.Succeeded), keptText(r.Failed), keptText(r.Canceled)}
}

func keptText(d time.Duration) string {
	if d == task.NotKept {
		return "0s"
	}
	return spanText(d)
}

// RetentionRequest is how long ended tasks stay visible, by how they ended, in a request.
type RetentionRequest struct {
	Succeeded json.RawMessage `json:"succeeded,omitempty" doc:"1 ms to 100 years, or 0: it goes at once, with the next sweep. Default as its queue, and that as the server is configured: 24h."`
	Failed    json.RawMessage `json:"failed,omitempty" doc:"The same; default 336h."`
	Canceled  json.RawMessage `json:"canceled,omitempty" doc:"The same; default 24h."`
}

// UnmarshalJSON takes one duration for all as well. An error is left for what is no object.
func (q *RetentionRequest) UnmarshalJSON(b []byte) error {
	type plain RetentionRequest
	if kind := kindOf(bytes.TrimSpace(b)); kind == "string" || kind == "number" {
		b = bytes.Clone(b)
		*q = RetentionRequest{b, b, b}
		return nil
	}
	return json.Unmarshal(b, (*plain)(q))
}

// retention is what was given, and notes what cannot be read.
func (q *RetentionRequest) retention(bad *task.Invalid) task.Retention {
	read := func(field string, raw json.RawMessage) time.Duration {
		d, given := duration(bad, field, raw)
		if given && d == 0 {
			return task.NotKept
		}
		if d == task.NotKept { // a text of its own for it there is not
			task.RetentionSpan.Check(bad, field, d)
		}
		return d
	}
	return task.Retention{
		Succeeded: read("retention.succeeded", q.Succeeded), Failed: read("retention.failed", q.Failed), Canceled: read("retention.canceled", q.Canceled),
	}
}

// retentionOf is a retention as a request has it; nil when nothing is set.
func retentionOf(r task.Retention) *RetentionRequest {
	if r == (task.Retention{}) {
		return nil
	}
	text := func(d time.Duration) json.RawMessage {
		if d == task.NotKept {
			return json.RawMessage(`"0s"`)
		}
		return spanJSON(d)
	}
	return &RetentionRequest{text(r.Succeeded), text(r.Failed), text(r.Canceled)}
}
