package store

import (
	"context"

	"github.com/sendoff-dev/sendoff/task"
)

// Inserter stores new tasks.
type Inserter interface {
	// Insert stores tasks and their keys and says of each what became of it,
	// in order. Ids must be new; the same call repeated after an unknown
	// outcome stores nothing twice. When atomic is set and one task is refused
	// by a key (Conflict or Mismatch), none is stored and the others are
	// Skipped. A task that brings signals (Tell) is the only one of its call.
	Insert(ctx context.Context, tasks []NewTask, atomic bool) ([]Inserted, []Woken, error)
}

// InlinePayload is the largest payload kept in the task row. A larger one would
// be written again with every transition.
const InlinePayload = 1024

// NewTask is a task that was checked and is ready to be stored.
type NewTask struct {
	ID          task.ID
	Lane        int32
	Priority    int16
	Kind        task.Kind
	MaxAttempts int32
	Delay       int64 // microseconds from now; 0 = none
	RunAt       int64 // absolute, used when Delay is 0; 0 = at once
	ExpiresAt   int64 // do not start from then on; 0 = never
	Group       string
	Parent      task.ID
	Root        task.ID // first task of the tree; zero when it is this one
	Correlation uint64  // of the call, as the parent chose it
	Epoch       int32   // of the parent when it made the call
	Deliver     bool    // the end is told to the parent (FlagParent)
	Once        bool    // what has begun is never begun again (FlagOnce)
	Retention   bool    // its Spec says how long it is kept (FlagRetention)
	Callbacks   bool    // each of its ends leaves a Todo of kind Callback (FlagCallbacks)
	Spec        []byte
	Payload     []byte
	Keys        []Key
	Gates       []Gate    // limits, order, duplicates: it runs when it is inside of all of them
	Deps        []task.ID // tasks that have to end first: stored ones, or earlier ones of the same call
	When        task.When // how they have to end
	Tell        []Message // of kind Signal, to a function: this one, or the one that has its client id or unique key
}

// Due returns when the task is due, given the time of its insert.
func (t *NewTask) Due(now int64) int64 {
	if t.Delay > 0 {
		return now + t.Delay
	}
	return t.RunAt
}

// InsertStatus says what became of a task that was to be stored.
type InsertStatus int

// The statuses.
const (
	Created  InsertStatus = iota + 1 // stored
	Existing                         // a key says that it is there already: ID is that task
	Conflict                         // refused by a client id or a unique key: ID has it
	Mismatch                         // the idempotency key was used for another request
	Skipped                          // not stored, because another task of the batch was refused
	Invalid                          // the database could not store its values
	Dropped                          // not stored: its rule for duplicates says so; ID is who is there
	Missing                          // not stored, because it depends on a task that is not stored: ID is that one
)

// Refused tells whether a status spoils an atomic batch.
func (s InsertStatus) Refused() bool {
	return s == Conflict || s == Mismatch || s == Invalid || s == Missing
}

// Inserted is the answer to one NewTask.
type Inserted struct {
	Status    InsertStatus
	ID        task.ID // the task that is there now
	Key       KeyKind // the key that decided, when not Created
	CreatedAt int64
}

// Woken says that a lane has tasks again. Position is the smallest one among
// those that became ready, so that claimers lower their cursors to it.
type Woken struct {
	Lane     int32
	Priority int16
	Position int64
}

// Collect keeps the smallest position for each lane and priority.
func Collect(woken []Woken, w Woken) []Woken {
	for i := range woken {
		if woken[i].Lane == w.Lane && woken[i].Priority == w.Priority {
			woken[i].Position = min(woken[i].Position, w.Position)
			return woken
		}
	}
	return append(woken, w)
}
