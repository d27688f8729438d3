package process

import (
	"fmt"
	"strings"
	"time"
)

// How an attempt can end.
type ending int

const (
	unstarted ending = iota // no worker began it
	ok
	failed
	stopped // it was told to stop, and has
	crashed // its process ended
)

// Result is the end of an attempt.
type Result struct {
	how    ending
	exit   exit          // of crashed, and of a command
	stage  string        // that stopped it: see ladder
	result []byte        // JSON; nil = nothing
	err    *frameError   // of failed
	late   bool          // of stopped: its time was over
	output *output       // what it has printed; nil = nothing could be
	took   time.Duration // from its start
}

// Stopped tells whether the attempt was told to stop, and has.
func (r *Result) Stopped() bool { return r.how == stopped }

// Crashed tells whether its process ended, and how.
func (r *Result) Crashed() (how string, ok bool) {
	if r.how == crashed {
		return r.exit.String(), true
	}
	return "", false
}

// Failed is what it failed with; "" = it did not fail.
func (r *Result) Failed() string {
	if r.how != failed {
		return ""
	}
	return strings.TrimPrefix(r.err.Type+": "+r.err.Message, ": ")
}

// Again tells whether a call that ended so is made again, as far as the call itself says.
func (r *Result) Again(c *Call) bool {
	switch {
	case r.how == failed && r.err.Snooze:
		return true
	case r.how == failed && r.err.Permanent:
		return false
	}
	return c.Attempt < c.MaxAttempts && (r.how == failed || r.how == crashed || r.how == stopped && r.late)
}

// Unstarted tells whether no worker has begun it.
func (r *Result) Unstarted() bool { return r.how == unstarted }

// exit is how a process ended.
type exit struct {
	Code   int    `json:"code"`   // -1 = a signal ended it
	Signal int    `json:"signal"` // 0 = it ended by itself
	OOM    bool   `json:"oom"`    // the system ended it for want of memory
	Why    string `json:"-"`      // the pool ended it; "" = it did not
}

func (e exit) String() string {
	switch {
	case e.Why != "":
		return "was ended: " + e.Why
	case e.OOM:
		return "was ended by the system: out of memory"
	case e.Signal != 0:
		return "was killed by " + signalName(e.Signal)
	}
	return fmt.Sprintf("exited with status %d", e.Code)
}

// read takes the end of an attempt from a frame. told says that it was told to stop.
func (r *Result) read(f *frame, told bool) {
	switch {
	case f.Outcome == "canceled" && told:
		r.how = stopped
	case f.Outcome == "canceled":
		r.how, r.err = failed, &frameError{Message: "it canceled itself"}
	case f.Outcome == "ok":
		r.how, r.result = ok, f.Result
		if string(r.result) == "null" {
			r.result = nil
		}
	default:
		r.how, r.err = failed, f.Error
		if r.err == nil {
			r.err = &frameError{Message: fmt.Sprintf("its worker said outcome %q without an error", f.Outcome)}
		}
	}
}
