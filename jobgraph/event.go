package jobgraph

import "time"

// Call is one of the calls of an attempt.
type Call string

// The calls, in their order.
const (
	CallCheck   Call = "check"
	CallRun     Call = "run"
	CallRecheck Call = "recheck"
	CallCleanup Call = "cleanup"
)

// EventKind is what an [Event] tells of.
type EventKind string

// The kinds of events.
const (
	AttemptBegan EventKind = "attempt" // an attempt begins
	CallEnded    EventKind = "call"    // a call has returned: Call, Err, Took
	WillRetry    EventKind = "retry"   // the attempt failed with Err, the next begins at Next or later
	JobEnded     EventKind = "end"     // the job has its State, for good
)

// Event is something that happened in a run. Those of a job come in the order in
// which they happened.
type Event struct {
	Kind    EventKind
	Job     string
	Attempt int // 0 for a job that ended without one
	At      time.Time
	Call    Call
	Err     error
	Took    time.Duration
	Next    time.Time
	State   State
	How     How
}
