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
	Address    string            `json:"address,omitempty"`     // of a push: the IP address and port that were connected
	Reused     bool              `json:"reused,omitempty"`      // of a push: the connection was there already
	Phases     *Phases           `json:"phases,omitempty"`      // of a push: how long its parts took; nil = not known, as of a success without content
	FailedIn   string            `json:"failed_in,omitempty"`   // of a push: the phase that did not end: dns, connect, tls, first_byte, body
	Result     json.RawMessage   `json:"result,omitempty"`      // what this run of a function, or the process, returned
	Output     string            `json:"output,omitempty"`      // what the process has printed: the last 16 KiB
	OutputCut  bool              `json:"output_truncated,omitempty"`
	Failure    *FunctionError    `json:"failure,omitempty"`  // what this run of a function failed with
	LeftOut    int64             `json:"left_out,omitempty"` // attempts between the one before and this one that are not kept
}

// Phases are the parts of a push, one after the other; 0 = there was no such part.
type Phases struct {
	DNS       time.Duration // the name was looked up
	Connect   time.Duration // TCP
	TLS       time.Duration // the handshake
	FirstByte time.Duration // from the connection to the first byte of the answer: the request was sent, and the app worked
	Body      time.Duration // the rest of the answer
}

type wirePhases struct {
	DNS       duration `json:"dns,omitempty"`
	Connect   duration `json:"connect,omitempty"`
	TLS       duration `json:"tls,omitempty"`
	FirstByte duration `json:"first_byte,omitempty"`
	Body      duration `json:"body,omitempty"`
}

// MarshalJSON implements json.Marshaler: the shape of the API.
func (p Phases) MarshalJSON() ([]byte, error) {
	return json.Marshal(wirePhases{duration(p.DNS), duration(p.Connect), duration(p.TLS), duration(p.FirstByte), duration(p.Body)})
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *Phases) UnmarshalJSON(b []byte) error {
	var w wirePhases
	err := json.Unmarshal(b, &w)
	*p = Phases{time.Duration(w.DNS), time.Duration(w.Connect), time.Duration(w.TLS), time.Duration(w.FirstByte), time.Duration(w.Body)}
	return err
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
