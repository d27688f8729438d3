package sendoff

import (
	"encoding/json"
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
	Status     int               `json:"status,omitempty"` // HTTP status, or exit status of a process; 0 = no answer
	Error      string            `json:"error,omitempty"`
	Cause      string            `json:"cause,omitempty"`       // why there was no answer: refused, reset, timeout, dns, tls; empty = there was one, or none of these fits
	Headers    map[string]string `json:"headers,omitempty"`     // of the answer
	Body       string            `json:"body,omitempty"`        // of the answer, up to 64 KiB
	BodyRaw    []byte            `json:"body_base64,omitempty"` // in place of Body when it is no text
	Truncated  bool              `json:"truncated,omitempty"`   // the body was longer
	Result     json.RawMessage   `json:"result,omitempty"`      // what this run of a function, or the process, returned
	Output     string            `json:"output,omitempty"`      // what the process has printed: the last 16 KiB
	OutputCut  bool              `json:"output_truncated,omitempty"`
	Failure    *FunctionError    `json:"failure,omitempty"`  // what this run of a function failed with
	LeftOut    int64             `json:"left_out,omitempty"` // attempts between the one before and this one that are not kept
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
