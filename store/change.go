package store

import (
	"errors"
	"slices"

	"github.com/sendoff-dev/sendoff/task"
)

// Change is what is to become of a task that has not started. A nil field stays as it is.
type Change struct {
	ID          task.ID
	Was         []byte // its Spec, as whoever asks has seen it
	Spec        []byte
	MaxAttempts int32 // goes with Spec
	Lane        *int32
	Priority    *int16
	Due         *int64    // when it is due; what is past, or 0, is at once
	ExpiresAt   *int64    // 0 = never
	Payload     *[]byte   // what it is submitted with
	Gates       *[]Gate   // those that it has with a new payload
	Unique      *Renaming // of its unique key
}

// Renaming gives a unique key another hash.
type Renaming struct{ From, To Hash }

// ErrUnchangeable says that a task cannot be changed as it stands. See [Unchangeable].
var ErrUnchangeable = errors.New("the task cannot be changed as it stands")

// Unchangeable is an ErrUnchangeable.
type Unchangeable struct {
	State  task.State
	Reason task.Reason
	Why    string
}

// Error implements error.
func (e Unchangeable) Error() string {
	text := "the task is " + e.State.String()
	if e.Reason != task.NoReason {
		text += " (" + e.Reason.String() + ")"
	}
	return text + ": " + e.Why
}

// Is implements the interface of [errors.Is].
func (Unchangeable) Is(target error) bool { return target == ErrUnchangeable }

// Move is how a task comes to stand where it does after a change.
type Move int

// The moves.
const (
	Stays  Move = iota // where it is, perhaps under another lane, priority or time
	Defers             // it gives up its places, and is due later
	Comes              // it is due now
)

// Next is the task as the change leaves it, and how it moves there. The error is
// [Unchangeable], or ErrChanged.
func (c *Change) Next(row *Row, now int64) (next Row, move Move, err error) {
	next = *row
	if c.Due != nil {
		next.At, move = row.due(*c.Due, now)
	}
	if err := c.can(row, move); err != nil {
		return next, move, err
	}
	next.Spec, next.MaxAttempts = c.Spec, c.MaxAttempts
	next.Lane, next.Priority, next.ExpiresAt = or(c.Lane, row.Lane), or(c.Priority, row.Priority), or(c.ExpiresAt, row.ExpiresAt)
	if c.Gates != nil {
		next.Gates = EncodeGates(*c.Gates)
	}
	if c.Payload != nil {
		next.Flags = next.Flags&^FlagBody | PayloadFlag(*c.Payload)
	}
	if move == Defers {
		next.State, next.Reason = task.Scheduled, task.Delayed
		next.Flags &^= FlagHolds | FlagSlot
	}
	return next, move, nil
}

func or[T any](given *T, stays T) T {
	if given != nil {
		return *given
	}
	return stays
}

// CanChange tells whether a task can be changed as it stands: nil, or Unchangeable.
func (r *Row) CanChange() error {
	c := Change{Was: r.Spec}
	return c.can(r, Stays)
}

// can tells whether the change can be made: nil, or why not.
func (c *Change) can(row *Row, move Move) error {
	refused := Unchangeable{State: row.State, Reason: row.Reason}
	switch {
	case row.State.Final():
		refused.Why = "it has ended; only a task that has not started can be changed"
	case row.State == task.Running || row.State == task.Suspended:
		refused.Why = "it has started; only a task that has not started can be changed"
	case row.FirstStarted != 0:
		refused.Why = "it was started before; only a task that has not started can be changed"
	case c.Gates != nil && row.AtGates() && move != Defers:
		refused.Why = "its payload is its duplicate key, by which it has its place already; delay it as well, or cancel it and submit another one"
	case string(row.Spec) != string(c.Was):
		return ErrChanged
	default:
		return nil
	}
	return refused
}

// due is what a task keeps in At that is to be due at a time, and how it moves. One that
// waits for others is due besides; one that waits for its turn is due already.
func (r *Row) due(at, now int64) (int64, Move) {
	switch {
	case r.Reason == task.Depends && r.Place() == InRelation && at > now:
		return at, Stays
	case r.Reason == task.Depends && r.Place() == InRelation:
		return 0, Stays
	case at > now:
		return at, Defers
	case r.State == task.Scheduled && r.Flags&FlagSlot == 0:
		return r.At, Comes
	}
	return r.At, Stays
}

// AtGates tells whether a task that has not ended has come to its gates: it is inside of
// one, waits in line, or has been given a time by a rate.
func (r *Row) AtGates() bool {
	return r.Flags&FlagGate != 0 && (r.State == task.Ready || r.InGateLine() || r.Flags&(FlagHolds|FlagSlot) != 0)
}

// Standing is where a task waits that is ready or has a timer, as one that is listed anew.
func (r *Row) Standing() Placement {
	p := Placement{Entry: Entry{State: r.State, Reason: r.Reason, Lane: r.Lane, Priority: r.Priority}, Due: r.At, Flags: r.Flags}
	if r.State == task.Ready {
		p.Entry = Enter(r.Entrant(), r.Reason)
	}
	return p
}

// LineMove is a place in line under another lane or priority.
type LineMove struct{ From, To LineEntry }

// LineMoves are the places in line of a task that has changed; one that it has not is
// among them. It keeps its number: where there is an order to keep it stays where it is,
// at a limit it stands among those of its priority by the time since when it waits.
func (r *Row) LineMoves(next *Row) ([]LineMove, error) {
	gates, err := DecodeGates(r.Gates)
	moves := make([]LineMove, len(gates))
	for i := range gates {
		g := GateRow{ID: gates[i].ID(), Kind: gates[i].Kind}
		moves[i] = LineMove{g.Place(r), g.Place(next)}
	}
	return moves, err
}

// Renamed is what a Renaming does to the keys of a task.
type Renamed struct {
	Names   []HeldKey  // that the task has from now on
	Entries []KeyEntry // to write
	Gone    []KeyName  // to delete
}

// Rename gives the unique key of a task another hash, given what stands behind its keys and
// the new one (absent = free). ErrKeyHeld when another task holds that.
func Rename(id task.ID, keys []HeldKey, as Renaming, taken map[KeyName]*Taken, now int64) (Renamed, error) {
	r := Renamed{Names: slices.Clone(keys)}
	for i := range r.Names {
		was := r.Names[i].KeyName
		if was.Kind != UniqueKey || was.Hash != as.From || as.From == as.To {
			continue
		}
		r.Names[i].Hash = as.To
		name := r.Names[i].KeyName
		if held := taken[name]; held != nil && held.Entry.Task != id && held.holds(now) {
			return r, KeyHeld{held.Entry.Task}
		}
		if had := taken[was]; had != nil && had.Entry.Task == id {
			e := had.Entry
			e.Hash = as.To
			r.Entries, r.Gone = append(r.Entries, e), append(r.Gone, was)
		}
	}
	return r, nil
}

// EncodeHeldKeys returns the stored form of names, as EncodeKeyNames does.
func EncodeHeldKeys(names []HeldKey) []byte {
	keys := make([]Key, len(names))
	for i, n := range names {
		keys[i] = Key{Namespace: n.Namespace, Kind: n.Kind, Hash: n.Hash, WhileOpen: n.WhileOpen}
	}
	return EncodeKeyNames(keys)
}
