package sendoff

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// StepRecord is a step of a durable function, as the server has it on record.
type StepRecord struct {
	Name       string          `json:"name"`
	Key        string          `json:"key,omitempty"` // see [StepKey]
	State      State           `json:"state"`
	Site       string          `json:"site,omitempty"`
	Attempts   int             `json:"attempts,omitempty"` // that it took; 0 while it has no end
	StartedAt  time.Time       `json:"started_at,omitzero"`
	FinishedAt time.Time       `json:"finished_at,omitzero"`
	Duration   time.Duration   `json:"-"`
	Result     json.RawMessage `json:"result,omitempty"`
	Error      *FunctionError  `json:"error,omitempty"`
}

type wireStep struct {
	*plainStepRecord
	Duration duration `json:"duration,omitempty"`
}

type plainStepRecord StepRecord

// MarshalJSON implements json.Marshaler: the shape of the API.
func (s StepRecord) MarshalJSON() ([]byte, error) {
	p := plainStepRecord(s)
	return json.Marshal(wireStep{&p, duration(s.Duration)})
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *StepRecord) UnmarshalJSON(b []byte) error {
	w := wireStep{plainStepRecord: (*plainStepRecord)(s)}
	err := json.Unmarshal(b, &w)
	s.Duration = time.Duration(w.Duration)
	return err
}

// StepFilter selects a page of steps. The zero value is the first 50.
type StepFilter struct {
	Newest bool   // first
	Limit  int    // at most 500; a page also ends at 1 MiB of results
	Cursor string // StepPage.Next of the page before
}

// StepPage is a page of the steps of a function.
type StepPage struct {
	Items  []StepRecord  `json:"items"`
	Counts map[State]int `json:"counts"`                // of all steps by their state
	Next   string        `json:"next_cursor,omitempty"` // "" at the end
	Note   string        `json:"note,omitempty"`        // why there are none: its SDK keeps no journal here, for instance
}

// Steps returns steps of a durable function in the order in which they were
// asked for. They are those of its journal now: a tail call, and beginning it
// again, start with none. A step that is under way is on record after a second.
// See [IsNotFound], and [IsConflict] for a task that is no function, and for a
// cursor of a journal that is gone.
func (t Tasks) Steps(ctx context.Context, id string, f StepFilter) (*StepPage, error) {
	q := url.Values{}
	if f.Newest {
		q.Set("order", "newest")
	}
	if f.Limit > 0 {
		q.Set("limit", strconv.Itoa(min(f.Limit, maxPage)))
	}
	if f.Cursor != "" {
		q.Set("cursor", f.Cursor)
	}
	var page StepPage
	if _, _, err := t.c.do(ctx, request{method: http.MethodGet, path: taskPath(id, "/steps"), query: q}, &page); err != nil {
		return nil, err
	}
	return &page, nil
}
