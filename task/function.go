package task

import (
	"errors"
	"time"
)

// Defaults and limits of functions.
const (
	DefaultExpiration      = 24 * time.Hour // of a call, from its acceptance to its end
	MaxExpiration          = 366 * 24 * time.Hour
	DefaultFunctionTimeout = 300 * time.Second // of one attempt
	MaxState               = 16_000_000        // bytes of a request to an endpoint, and of its answer
	MaxCalls               = 10_000            // in one poll
	MaxSignalName          = 200               // bytes
	MaxSignal              = 1 << 20           // bytes of the value of a signal
	MaxResults             = 1000              // delivered with one run
	Unlimited              = 1 << 30           // attempts of a function: its expiry bounds them
	UndoTime               = 5 * time.Minute   // of a function that is canceled, for undoing what it did
)

// FunctionRetry is the policy of functions that bring none: they are tried again
// until they expire.
var FunctionRetry = RetryPolicy{
	MaxAttempts: Unlimited, MaxAge: MaxExpiration, MinBackoff: 500 * time.Millisecond, MaxBackoff: 5 * time.Minute,
}

// Call asks for a function to be run on behalf of another one.
type Call struct {
	Correlation uint64 // given back with the result
	Spec        Spec
	Payload     []byte
	Queue       string // "" = that of the caller
	Priority    *int   // nil = that of the caller
	Delay       time.Duration
	Expiration  time.Duration // 0 = DefaultExpiration
	Detached    bool          // its result goes nowhere
}

// WaitedFor is how many of the calls their caller waits for.
func WaitedFor(calls []Call) (n int64) {
	for i := range calls {
		if !calls[i].Detached {
			n++
		}
	}
	return n
}

// Progress is what a run of a function leaves behind beside its outcome. All of
// it is written together with the outcome, or nothing.
type Progress struct {
	State   []byte // given back when the function is resumed; kept with the outcome Suspend only
	Append  *Segment
	Calls   []Call
	Open    int64         // calls that are waited for: those of Calls but the detached ones, and of earlier polls those whose results were not delivered up to Seen
	Seen    int64         // messages up to this one were delivered with this run
	Min     int32         // of the poll: resume when so many results are there
	Max     int32         // of the poll: deliver at most so many; 0 = any
	MaxWait time.Duration // resume after this time at the latest; 0 = when it expires
	Prompt  bool          // a call that failed or a signal resumes it alone

	Undo bool // there is something to undo

	PollError string // none of the calls can be made, and this is why: the function is resumed with it

	Cancel     []uint64 // calls to cancel, by correlation
	CancelOpen bool     // when it has ended, cancel the calls that are still open

	Next    *Call    // go on with this function and input in place of the old ones
	Untaken []Signal // with Next: what this run was told and nobody took; Next is told it first
	Restart bool     // forget everything but the input: the state is of no use any more
}

// Signal is a message to a function.
type Signal struct {
	Name  string
	Value []byte // encoded, as it was sent
}

// ErrStale says that a checkpoint came from an attempt that is not the task's any
// more, or does not continue what is stored: the attempt must end.
var ErrStale = errors.New("the attempt is not the current one any more")

// Segment is a piece of a journal.
type Segment struct {
	Offset int64 // bytes that are there already
	Bytes  []byte
}

// Need says how many messages end the suspension of a function that asked for
// results between min and max and has open calls. A function without open calls
// is resumed by its timer, or by any message.
func Need(least, most int32, open int64) int32 {
	need := max(1, least)
	if most > 0 {
		need = min(need, most)
	}
	need = min(need, MaxResults)
	if open > 0 && open < int64(need) {
		need = int32(open)
	}
	if open == 0 {
		need = 1
	}
	return need
}
