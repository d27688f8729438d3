package sendoff

import (
	"encoding/json"
	"fmt"
	"time"
)

// Attempt is one try to carry a task out.
type Attempt struct {
	Number     int               `json:"number"` // from 1, in its run
	Run        int               `json:"run,omitempty"`
	Token      int64             `json:"token,omitempty"` // the fence: a later attempt has a larger one
	Node       string            `json:"node,omitempty"`  // that carried it out
	StartedAt  time.Time         `json:"started_at,omitzero"`
	FinishedAt time.Time         `json:"finished_at,omitzero"`
	Duration   time.Duration     `json:"-"`
	Outcome    string            `json:"outcome"`          // success, failure, reject, throttle, interrupt, crash, cancel, snooze, expire, suspend, continue, block, running
	Status     int               `json:"status,omitempty"` // HTTP status; 0 = no answer
	Error      string            `json:"error,omitempty"`
	Cause      string            `json:"cause,omitempty"`       // why there was no answer: refused, reset, timeout, dns, tls; empty = there was one, or none of these fits
	Headers    map[string]string `json:"headers,omitempty"`     // of the answer
	Body       string            `json:"body,omitempty"`        // of the answer, up to 64 KiB
	BodyRaw    []byte            `json:"body_base64,omitempty"` // in place of Body when it is no text
	Truncated  bool              `json:"truncated,omitempty"`   // the body was longer
	Result     json.RawMessage   `json:"result,omitempty"`      // what this run of a function returned
	Failure    *FunctionError    `json:"failure,omitempty"`     // what this run of a function failed with
	LeftOut    int64             `json:"left_out,omitempty"`    // attempts between the one before and this one that are not kept
}

// Running tells whether the attempt is under way.
func (a *Attempt) Running() bool { return a.Outcome == "running" }

type wireAttempt struct {
	*plainAttempt
	Duration duration `json:"duration,omitempty"`
}

type plainAttempt Attempt

// MarshalJSON implements json.Marshaler: the shape of the API.
func (a Attempt) MarshalJSON() ([]byte, error) {
	p := plainAttempt(a)
	return json.Marshal(wireAttempt{&p, duration(a.Duration)})
}

// UnmarshalJSON implements json.Unmarshaler.
func (a *Attempt) UnmarshalJSON(b []byte) error {
	w := wireAttempt{plainAttempt: (*plainAttempt)(a)}
	err := json.Unmarshal(b, &w)
	a.Duration = time.Duration(w.Duration)
	return err
}

// Queue is a named line of tasks. It is made by its first task.
type Queue struct {
	Name      string    `json:"name"`
	Paused    bool      `json:"paused"`
	CreatedAt time.Time `json:"created_at,omitzero"`
}

// QueueStats is how much waits in a queue.
type QueueStats struct {
	Queue       string        `json:"queue"`
	Paused      bool          `json:"paused"`
	Ready       int64         `json:"ready"`
	Scheduled   int64         `json:"scheduled"`
	Running     int64         `json:"running"`
	Suspended   int64         `json:"suspended"`
	Blocked     int64         `json:"blocked"`
	Failed      int64         `json:"failed"`
	OldestReady time.Duration `json:"-"` // how long the oldest ready task has waited; 0 = there is none
}

type wireStats struct {
	*plainStats
	OldestReady duration `json:"oldest_ready,omitempty"`
}

type plainStats QueueStats

// MarshalJSON implements json.Marshaler: the shape of the API.
func (s QueueStats) MarshalJSON() ([]byte, error) {
	p := plainStats(s)
	return json.Marshal(wireStats{&p, duration(s.OldestReady)})
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *QueueStats) UnmarshalJSON(b []byte) error {
	w := wireStats{plainStats: (*plainStats)(s)}
	err := json.Unmarshal(b, &w)
	s.OldestReady = time.Duration(w.OldestReady)
	return err
}

type items[T any] struct {
	Items []T `json:"items"`
}

// duration is a time.Duration as the API writes it: "1m30s", or seconds.
type duration time.Duration

func (d duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

func (d *duration) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		parsed, err := time.ParseDuration(text)
		*d = duration(parsed)
		return err
	}
	var seconds float64
	if err := json.Unmarshal(b, &seconds); err != nil {
		return fmt.Errorf("duration %s: want a text such as \"90s\", or seconds", b)
	}
	*d = duration(seconds * float64(time.Second))
	return nil
}
