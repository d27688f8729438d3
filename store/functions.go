package store

import (
	"context"

	"github.com/sendoff-dev/sendoff/task"
)

// Called is a call as it is stored, made in an epoch of its caller. One with gates does not
// ask them in the transaction that ends an attempt of its caller: it is due a moment later,
// and asks as every task that is due.
func Called(call *NewTask, epoch int32, now int64) NewTask {
	c := *call
	c.Epoch, c.Keys = epoch, nil
	if len(c.Gates) > 0 && c.Due(now) <= now {
		c.Delay, c.RunAt = 0, now+1
	}
	return c
}

// Functions keeps what durable functions need beside their tasks: state, journal
// and the messages that wait for them.
type Functions interface {
	// Resume returns what the function of a task has to know to go on: its state
	// and its messages behind the one with the number after, oldest first, at most
	// limit of them, and after the first not beyond maxBytes of bodies. A task that
	// never waited has the zero value.
	Resume(ctx context.Context, id task.ID, after int64, limit, maxBytes int) (Resumption, error)

	// Journal returns the segments of a journal in order.
	Journal(ctx context.Context, id task.ID) ([]task.Segment, error)

	// Append adds to the journals of running functions, fenced by their tokens,
	// and returns one error each: nil, ErrLeaseLost, or ErrBadValue when another
	// segment has the offset. The same checkpoint sent again is nil.
	Append(ctx context.Context, checkpoints []Checkpoint) ([]error, error)

	// Signal gives a message to a function that has not ended. ErrNotFound,
	// ErrFinal, and ErrNotFunction for a task of another kind.
	Signal(ctx context.Context, id task.ID, name string, body []byte) ([]Woken, error)

	// Undo begins to cancel a function that has something to undo: it is marked, expires
	// in grace microseconds at the latest, and is due at once unless it is running; the
	// attempt of a running one goes on, and is Lost when the function has expired.
	// ErrNotFound, ErrFinal, ErrNothingToUndo, and ErrCanceling when it was marked
	// before.
	Undo(ctx context.Context, id task.ID, grace int64) ([]Woken, error)

	// Restart begins a function again from its input, whatever its state: a new
	// run and a new epoch, counters at zero. The attempt of a running one can
	// settle nothing any more. One that was being canceled is not any more, and does
	// not expire. A Todo is left to cancel the calls that it made. ErrNotFound,
	// ErrNotFunction; ErrUnmet for one that waits for others to end.
	Restart(ctx context.Context, id task.ID) ([]Woken, error)

	// Tree returns the tasks of a tree in the order of their ids, which is about
	// that of their creation, at most limit of them, beginning after an id; root
	// is the id of its first task, which is among them.
	Tree(ctx context.Context, root, after task.ID, limit int) ([]Row, error)
}

// MessageKind says what a message to a function is.
type MessageKind int16

// The values are stored; never renumber them.
const (
	Result    MessageKind = 1 // a call has ended
	Signal    MessageKind = 2 // somebody sent it
	PollError MessageKind = 3 // its calls could not be made
)

// Message is something that a function is told when it is resumed.
type Message struct {
	Seq         int64 // rises from 1 in the order of arrival
	Kind        MessageKind
	From        task.ID // Result: the call
	Correlation uint64  // Result
	State       task.State
	Reason      task.Reason
	Name        string // Signal
	Error       string // Result of a task that failed, PollError
	Body        []byte // Result: the answer's body; Signal: its value
}

// Urgent tells whether a function that waits for many may want to know of this
// one at once: a call failed, or somebody sent it something.
func (m *Message) Urgent() bool {
	return m.Kind == Signal || m.Kind == Result && m.State != task.Succeeded
}

// Resumption is what a function has to know to go on.
type Resumption struct {
	Epoch    int32
	Open     int64
	Writer   int64 // token of the attempt that left the state; 0 = none did
	State    []byte
	Journal  int64 // bytes
	Messages []Message
	More     bool // messages that were left out
}

// Page cuts messages that are to be delivered at once; see [Fit]. more says that
// some are left.
func Page(messages []Message, limit, maxBytes int) (page []Message, more bool) {
	n := Fit(len(messages), func(i int) int { return len(messages[i].Body) }, limit, maxBytes)
	return messages[:n:n], n < len(messages)
}

// Checkpoint adds to the journal of a running function.
type Checkpoint struct {
	ID    task.ID
	Token int64
	task.Segment
}

// Wait is the mailbox of a function, as it is stored from its first poll, signal or
// restart on.
type Wait struct {
	Task task.ID
	task.Mailbox
}

// CanUndo tells whether a task is canceled by having it undo what it did: nil, or why
// not.
func (r *Row) CanUndo() error {
	switch {
	case r.State.Final():
		return ErrFinal
	case r.Flags&FlagCanceling != 0:
		return ErrCanceling
	case r.Flags&FlagUndo == 0:
		return ErrNothingToUndo
	}
	return nil
}

// RestartedError is the error of an attempt that was under way when its
// function was restarted.
const RestartedError = "the function was restarted while it ran"

// Undone is a function that begins to undo what it did: it expires at until, or before.
func (r Row) Undone(until int64) Row {
	r.Flags |= FlagCanceling
	if r.ExpiresAt == 0 || r.ExpiresAt > until {
		r.ExpiresAt = until
	}
	return r
}

// CanTell tells whether a signal can be given to a task: nil, or why not.
func (r *Row) CanTell() error {
	switch {
	case r.Kind != task.Function:
		return ErrNotFunction
	case r.State.Final():
		return ErrFinal
	}
	return nil
}

// CanRestart tells whether a task can begin again from its input: nil, or why not. One
// that has ended is retried.
func (r *Row) CanRestart() error {
	if r.Kind != task.Function {
		return ErrNotFunction
	}
	if r.Place() == InRelation {
		return ErrUnmet
	}
	return nil
}

// RestartedTransition is how the attempt of a running function ends when it is
// restarted. Whoever applies it advances the token as well.
func RestartedTransition(row *Row) Transition {
	return Transition{
		ID: row.ID, Token: row.Token, Outcome: task.Interrupt, Error: RestartedError,
		Decision: task.Decision{To: task.Ready, Reason: task.Restarted, Failures: row.Failures, Crashes: row.Crashes},
	}
}

// Restarted is a function at the beginning of a new run, before it enters for
// [task.Restarted]. One that was being canceled is not any more, and does not expire.
func (r Row) Restarted() Row {
	r.Run++
	r.Failures, r.Crashes, r.FirstStarted = 0, 0, 0
	if r.Flags&FlagCanceling != 0 {
		r.ExpiresAt = 0
	}
	r.Flags &^= FlagUndo | FlagCanceling
	return r
}
