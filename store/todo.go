package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/sendoff-dev/sendoff/task"
)

// Todos keeps work that is too much for the transaction that asks for it. A Todo is
// written in that transaction, so that no crash loses it, and is worked off later, in
// pages. What it asks for may be done twice.
type Todos interface {
	// TakeTodos returns up to limit rows that are due, those first that have been for
	// longest, and puts them off by the given microseconds: nobody else gets them until
	// then, and they come back when whoever took them is gone.
	TakeTodos(ctx context.Context, limit int, putOff int64) ([]Todo, error)

	// FinishTodos deletes rows that were worked off. One that asks for something else
	// by now stays.
	FinishTodos(ctx context.Context, done []Todo) error
}

// Todo is work that is left to do. Kind, Task and Token are its name.
type Todo struct {
	Kind  TodoKind
	Task  task.ID
	Token int64 // of the task when it was written; of Release, Revive and Callback its run
	At    int64 // when it is due

	// CancelCalls: of the task, those that it made in this epoch and earlier ones.
	Epoch        int32
	Correlations []uint64 // only these; nil = all

	// Release, Revive: of its followers, those after this one. Release, Callback: how it ended.
	Cursor task.ID
	End    task.End
}

// TodoKind says what is to be done.
type TodoKind int16

// The values are stored; never renumber them.
const (
	CancelCalls TodoKind = 1 // nobody waits for calls of a function any more: cancel them, with all that was called for them
	OpenGate    TodoKind = 2 // a gate, whose id stands for the task, has room: let in who waits; see Gates.Open, which finishes it
	Release     TodoKind = 3 // a task has ended: its followers count that; see Deps.Follow
	Revive      TodoKind = 4 // a task runs again: so do those that were canceled because of it
	Callback    TodoKind = 5 // a task has ended: call back who asked for that
)

// Reach says how far a step goes.
type Reach bool

// The reaches.
const (
	Alone     Reach = false // the task
	WithCalls Reach = true  // and later, by a Todo, the calls that a function has made
)

// Todo is what a transition leaves to be done; nil = nothing. waited tells whether the
// task had a Wait before, epoch is that of it. One that never waited has made no calls.
func (t *Transition) Todo(waited bool, epoch int32, now int64) *Todo {
	e := t.Effects
	if e == nil || !waited && t.Decision.To != task.Suspended {
		return nil
	}
	todo := &Todo{Kind: CancelCalls, Task: t.ID, Token: t.Token, At: now, Epoch: epoch}
	if e.Abandon {
		return todo
	}
	if todo.Correlations = e.Cancel; len(e.Cancel) == 0 {
		return nil
	}
	return todo
}

// CallbackOf is what the end of a task, in a run, leaves to be done for its callbacks;
// nil = it has none.
func CallbackOf(id task.ID, run, flags int32, end task.End, now int64) *Todo {
	if flags&FlagCallbacks == 0 {
		return nil
	}
	return &Todo{Kind: Callback, Task: id, Token: int64(run), At: now, End: end}
}

// Matches tells whether a task is one of the calls that t is about.
func (t *Todo) Matches(call *Row) bool {
	if call.Parent != t.Task || call.Flags&FlagParent == 0 || call.Epoch > t.Epoch {
		return false
	}
	return t.Correlations == nil || slices.Contains(t.Correlations, call.Correlation)
}

// Detail is what a row says beside its name, as it is stored.
func (t *Todo) Detail() []byte {
	if t.tells() {
		return append([]byte{byte(t.End)}, t.Cursor[:]...)
	}
	b := binary.BigEndian.AppendUint32(nil, uint32(t.Epoch))
	for _, c := range t.Correlations {
		b = binary.BigEndian.AppendUint64(b, c)
	}
	return b
}

// SetDetail reads what Detail wrote. What a newer version wrote is left alone.
func (t *Todo) SetDetail(b []byte) error {
	if t.tells() && len(b) == 1+len(t.Cursor) {
		t.End, t.Cursor = task.End(b[0]), task.ID(b[1:])
	}
	if t.Kind != CancelCalls {
		return nil
	}
	if len(b)%8 != 4 {
		return fmt.Errorf("todo %d of task %s has %d bytes: want 4 and 8 for each call", t.Kind, t.Task, len(b))
	}
	t.Epoch, t.Correlations = int32(binary.BigEndian.Uint32(b)), nil
	for b = b[4:]; len(b) > 0; b = b[8:] {
		t.Correlations = append(t.Correlations, binary.BigEndian.Uint64(b))
	}
	return nil
}

// tells tells whether it is about those who are told of the end of its task, or of its
// new life.
func (t *Todo) tells() bool { return t.Kind == Release || t.Kind == Revive || t.Kind == Callback }

// Ended says what a Todo of a task tells the followers that count its end: how the task,
// as it stands now, has ended; there says whether it is stored. Nothing when it is another
// life of the task by now that they wait for, nor when one that ran again is gone: its end
// was told by then. Followers that Revives holds for begin anew all the same, by what they
// have counted.
func (t *Todo) Ended(row *Row, there bool) (end task.End, tells bool) {
	switch {
	case t.Kind == Revive:
		return row.End(), there
	case !there:
		return t.End, true
	}
	return row.End(), row.State.Final()
}
