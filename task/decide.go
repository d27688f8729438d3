package task

import (
	"cmp"
	"time"
)

// Class is what an executor says of an attempt that ended.
type Class int16

// The values are stored as the outcome of the last attempt; never renumber them.
const (
	NoOutcome Class = 0
	Success   Class = 1  // the work is done
	Failure   Class = 2  // it did not work this time: spend an attempt, try again
	Reject    Class = 3  // it will never work: do not try again
	Throttle  Class = 4  // come back after RetryAfter; no attempt spent
	Interrupt Class = 5  // our side stopped before the end; no attempt spent
	Crash     Class = 6  // the process that ran it died of it, or together with it
	Expire    Class = 7  // its time to start had passed
	Cancel    Class = 8  // it was told to stop, and stopped
	Snooze    Class = 9  // the handler wants to run again after RetryAfter; no attempt spent
	Suspend   Class = 10 // a function waits: for calls, a time, a signal
	Continue  Class = 11 // a function goes on with another function or input
	Block     Class = 12 // a function's code does not fit what was recorded: somebody has to act
	Detach    Class = 13 // it goes on, and its app tells how it ends within Outcome.Within; never stored
)

var classNames = map[Class]string{
	NoOutcome: "", Success: "success", Failure: "failure", Reject: "reject", Throttle: "throttle",
	Interrupt: "interrupt", Crash: "crash", Expire: "expire", Cancel: "cancel", Snooze: "snooze",
	Suspend: "suspend", Continue: "continue", Block: "block",
	Detach: "detach",
}

func (c Class) String() string { return nameOf(classNames, c, "outcome") }

// Outcome is the end of one attempt, in an executor's words.
type Outcome struct {
	Class      Class
	Code       int32         // HTTP status or exit code; 0 = none
	Error      string        // what went wrong, for a person; empty on success
	Cause      Cause         // why there was no answer
	RetryAfter time.Duration // asked for by the target; 0 = use the policy
	Within     time.Duration // of Detach: how long the app has to tell how it ends
	Why        Reason        // of Throttle, when it is not that the target asked for it
	Answer     Answer        // what came back
	Progress   *Progress     // of a function; nil = none
	Blame      Blame         // of a failure: whether the task itself is what ended its target
	Unstarted  bool          // of an interrupt: nothing was begun, so there was no attempt
}

// Blame says what a failed attempt has shown of a task that may be what ends the
// process that carries it out.
type Blame int8

// The values are not stored.
const (
	NoBlame Blame = iota // nothing
	Cleared              // its target has lived to answer
	Guilty               // its target ended, or broke down, with nothing but this task to blame
)

// Answer is what the target sent back, kept as it was up to a cap.
type Answer struct {
	Header    []Header
	Body      []byte
	Truncated bool // the body was longer than what is kept
}

// Empty tells whether there is nothing in the answer worth a row of its own.
func (a Answer) Empty() bool { return len(a.Body) == 0 && len(a.Header) == 0 && !a.Truncated }

// Header is one header line; names keep the spelling they came with. One that begins with
// a colon is ours and not of an answer.
type Header struct{ Name, Value string }

// What a process has printed is kept beside its answer: the last of it, and whether there
// was more.
const (
	OutputHeader    = ":output"
	OutputCutHeader = ":output-cut"
)

// Output is what the process that carried an attempt out has printed: the last of it, and
// whether there was more.
func (a Answer) Output() (text string, cut bool) {
	for _, h := range a.Header {
		switch h.Name {
		case OutputHeader:
			text = h.Value
		case OutputCutHeader:
			cut = true
		}
	}
	return text, cut
}

// Attempt is what [Decide] needs to know about a task whose attempt ended.
type Attempt struct {
	Failures     int32 // attempts spent in this run before this one
	Crashes      int32 // deaths of its process in this run before this one
	FirstStarted int64 // start of the first attempt of this run, microseconds
	Now          int64 // microseconds
	Retry        RetryPolicy
	Canceling    bool // it was canceled and has run on only to undo what it did
	Apart        bool // it ran in a process of its own, whose death ended nothing else
	Once         bool // what has begun is never begun again
}

// Decision is where a task goes after an attempt.
type Decision struct {
	To       State
	Reason   Reason
	Delay    time.Duration // for Scheduled, Suspended and Blocked: from now
	Failures int32         // the new count
	Crashes  int32         // the new count
	Spent    bool          // of a crash or an interrupt: an attempt is spent
}

// Decide turns the outcome of an attempt into the task's next state. It is the
// only place with this rule. random, in [0, 1), spreads the backoff.
//
// A failure spends an attempt, and ends the task as poison when it is the
// [BlameBudget]th in a row that the task is to blame for; a throttle, an interrupt and a
// snooze spend none, and are bounded by the policy's MaxAge alone. A wait asked for by the target
// replaces the policy's backoff and is cut at [MaxRetryAfter]. What is being canceled
// ends canceled, whatever it ends with.
func Decide(a Attempt, o Outcome, random float64) Decision {
	d := decide(a, o, random)
	if a.Canceling && d.To.Final() {
		d.To, d.Reason = Canceled, Requested
	}
	return d
}

func decide(a Attempt, o Outcome, random float64) Decision {
	d := Decision{Failures: a.Failures, Crashes: a.Crashes}
	switch o.Class {
	case Success:
		d.To = Succeeded
	case Interrupt:
		if a.Once && !o.Unstarted {
			return lost(a)
		}
		d.To, d.Reason = Ready, Interrupted
	case Cancel:
		d.To, d.Reason = Canceled, Requested
	case Expire:
		d.To, d.Reason = Failed, Expired
	case Reject:
		d.To, d.Reason, d.Failures = Failed, Rejected, a.Failures+1
	case Throttle:
		d.later(a, cmp.Or(o.Why, Throttled), wait(a, o, a.Failures+1, random))
	case Snooze:
		d.later(a, Snoozed, wait(a, o, 1, random))
	case Crash:
		if a.Once {
			return lost(a)
		}
		if !a.Apart {
			return DecideCrash(a)
		}
		d.crashedApart(a, o, random)
	case Suspend:
		d = Decision{To: Suspended}
		if o.Progress != nil {
			d.Delay = o.Progress.MaxWait
		}
	case Continue:
		d = Decision{To: Ready, Reason: Continued}
	case Block:
		d.To, d.Reason, d.Delay = Blocked, Mismatch, blockedFor
	default: // Failure, and anything an executor should not have said
		d.Failures++
		switch o.Blame {
		case Cleared:
			d.Crashes = 0
		case Guilty:
			d.Crashes++
		}
		if o.Blame == Guilty && d.Crashes >= BlameBudget {
			d.To, d.Reason = Failed, Poison
			return d
		}
		if d.Failures >= a.Retry.WithDefaults().MaxAttempts {
			d.To, d.Reason = Failed, Exhausted
			return d
		}
		d.later(a, Backoff, wait(a, o, d.Failures, random))
	}
	return d
}

// blockedFor is how often the endpoint of a blocked function is asked whether its
// code fits now.
const blockedFor = 5 * time.Minute

// DecideCrash says what becomes of a task whose process died during an attempt:
// it goes back to be run alone, and ends failed with reason poison once
// [CrashBudget] is spent.
func DecideCrash(a Attempt) Decision {
	d := Decision{To: Ready, Reason: Interrupted, Failures: a.Failures, Crashes: a.Crashes + 1}
	if d.Crashes >= CrashBudget {
		d.To, d.Reason = Failed, Poison
	}
	return d
}

// crashedApart is the crash of a process that ran nothing but the task: it is evidence,
// and not only a suspicion.
func (d *Decision) crashedApart(a Attempt, o Outcome, random float64) {
	d.Failures, d.Crashes, d.Spent = a.Failures+1, a.Crashes+1, true
	switch {
	case d.Crashes >= CrashBudget:
		d.To, d.Reason = Failed, Poison
	case d.Failures >= a.Retry.WithDefaults().MaxAttempts:
		d.To, d.Reason = Failed, Exhausted
	default:
		d.later(a, Backoff, wait(a, o, d.Failures, random))
	}
}

// lost ends what is never begun twice, and had begun when what ran it was gone.
func lost(a Attempt) Decision {
	return Decision{To: Failed, Reason: Lost, Failures: a.Failures + 1, Crashes: a.Crashes, Spent: true}
}

// DecideLost says what becomes of a task whose node was lost. Only a local task
// runs inside the node and can be what killed it; all others were interrupted.
func DecideLost(kind Kind, a Attempt) Decision {
	switch {
	case a.Once:
		return lost(a)
	case kind == Local:
		return DecideCrash(a)
	}
	return Decision{To: Ready, Reason: Interrupted, Failures: a.Failures, Crashes: a.Crashes}
}

func (d *Decision) later(a Attempt, why Reason, delay time.Duration) {
	due := time.Duration(a.Now-a.FirstStarted)*time.Microsecond + delay
	if due > a.Retry.WithDefaults().MaxAge {
		d.To, d.Reason = Failed, Exhausted
		return
	}
	d.To, d.Reason, d.Delay = Scheduled, why, delay
}

func wait(a Attempt, o Outcome, failures int32, random float64) time.Duration {
	if o.RetryAfter > 0 {
		return min(o.RetryAfter, MaxRetryAfter)
	}
	return a.Retry.Backoff(failures, random)
}
