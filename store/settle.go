package store

import (
	"context"
	"strings"

	"github.com/sendoff-dev/sendoff/task"
)

// Settler ends attempts.
type Settler interface {
	// Settle applies transitions, each fenced by its token, and returns one
	// error per transition: nil, or ErrLeaseLost. It is idempotent: a transition
	// that was already applied by the same token with the same outcome is nil.
	Settle(ctx context.Context, transitions []Transition) ([]error, []Woken, error)
}

// Transition is the end of an attempt, as it is to be written.
type Transition struct {
	ID        task.ID
	Token     int64
	Outcome   task.Class
	Decision  task.Decision
	Code      int32
	Error     string
	Cause     task.Cause
	Answer    task.Answer
	Effects   *Effects // nil = the task concerns no other one
	Flags     int32    // of the task when it was claimed: what to expect; the row counts, and what was not expected may be told later than what else the call tells
	Parent    task.ID  // likewise, with FlagParent
	Gates     []byte   // of the task, with FlagGate; nil = the floor reads them
	Unstarted bool     // of an interrupt: nothing was begun, so there is no attempt to record
	Cut       bool     // by a person, while it runs: its node has not stopped it yet
}

// Applied tells whether a task with this token, state and last outcome is as the
// transition left it: then it is a repeated one, and not one that came too late.
func (t *Transition) Applied(token int64, state task.State, outcome task.Class) bool {
	return token == t.Token && state != task.Running && outcome == t.Outcome
}

// Number is the number of the attempt within its run, from 1.
func (t *Transition) Number() int32 {
	if t.Outcome == task.Failure || t.Outcome == task.Reject || t.Decision.Spent {
		return t.Decision.Failures
	}
	return t.Decision.Failures + 1
}

// Recorded tells whether the attempt gets a row of its own: all but a success
// that brought nothing back, and one that was put off before anything was sent or begun.
func (t *Transition) Recorded() bool {
	putOff := t.Outcome == task.Throttle && t.Code == 0 || t.Unstarted
	return !t.Answer.Empty() || t.Outcome != task.Success && !putOff
}

// InlineAnswer is how many bytes of an answer, headers included, the row of a task holds.
const InlineAnswer = 512

// InRow tells whether the attempt gets no row of its own because that of the task, which
// has ended with it, says all there is to say: a success with a small answer. It is
// shown as any other, and gets its own row when the task runs again.
func (t *Transition) InRow() bool {
	size := len(t.Answer.Body)
	for _, h := range t.Answer.Header {
		size += len(h.Name) + len(h.Value)
	}
	return t.Outcome == task.Success && t.Decision.To == task.Succeeded && t.Error == "" && t.Cause == task.NoCause &&
		size > 0 && size <= InlineAnswer && !t.Answer.Truncated && !ManyAttempts(t.Token)
}

// BeginsAgain tells whether a function starts over from its input, which is a new run
// of its task: its number goes up.
func (t *Transition) BeginsAgain() bool {
	e := t.Effects
	return e != nil && e.Restart && e.Next == nil && !t.Decision.To.Final()
}

// MaxError is how much of an attempt's error text is kept, in bytes.
const MaxError = 2048

// CleanText makes text storable in both dialects: valid UTF-8 without NUL, at
// most limit bytes.
func CleanText(s string, limit int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "")
}

// Effects is what a settle writes beside the task itself, in the same
// transaction, and only when the fence held. A final transition of a task with
// FlagParent delivers its end to the parent (see Message), with the answer's
// body, with effects or without; one of a function ends its wait, and its state goes.
type Effects struct {
	Append *task.Segment
	Seen   int64 // with Suspended or Restart: messages up to this one are used up, besides those that were before

	// Of a transition to Suspended only:
	State  []byte    // in place of the one kept; nil = none
	Calls  []NewTask // of the task's current epoch, without keys
	Open   int64     // calls whose results have not been used up, those of Calls included
	Need   int32     // messages beyond Seen that end it; when they are there already the task is ready at once
	Prompt bool      // one of them that is Urgent ends it alone

	// State, journal and results go, and a new epoch begins: results of earlier
	// calls are dropped from now on. Signals that came after Seen stay.
	// Without Next the function begins again: see Transition.BeginsAgain.
	Restart bool
	Next    *Next

	Undo Undo // whether the function has something to undo; the zero value changes nothing

	// Calls of the task for which nobody waits any more, and that a Todo is to cancel:
	// some by their correlations, or all, with Restart or a final transition.
	Cancel  []uint64
	Abandon bool

	// The run knew that the function is being canceled. One that did not is due again
	// at once, whatever it waits for.
	Told bool

	// To the task itself. With Suspended: kind PollError. With Restart: signals
	// that were told before and not taken; they come before those that stay.
	Tell []Message
}

// Hurries tells whether a function with these flags is due again at once after a run
// with effects e, because it does not know yet that it is being canceled.
func (e *Effects) Hurries(flags int32) bool {
	return e != nil && !e.Told && flags&FlagCanceling != 0
}

// Undo says whether a function has something to undo.
type Undo int16

// The values are not stored.
const (
	UndoAsBefore  Undo = iota // nobody said so
	UndoSomething             // FlagUndo is set
	UndoNothing               // FlagUndo is cleared
)

// In returns the flags of a task as u leaves them.
func (u Undo) In(flags int32) int32 {
	switch u {
	case UndoSomething:
		return flags | FlagUndo
	case UndoNothing:
		return flags &^ FlagUndo
	case UndoAsBefore:
	}
	return flags
}

// Next replaces what a function is to do.
type Next struct {
	Spec    []byte
	Payload []byte
}

// TokensLater is what is added to every token when a database goes on from a copy of another:
// more than the attempts that a task can have had in that one since.
const TokensLater = 1 << 20
