package store

import (
	"context"

	"github.com/sendoff-dev/sendoff/task"
)

// Operator does what a person asks for, one task at a time.
type Operator interface {
	// Cancel ends a task at once; see Functions.Undo for those that are to undo
	// something first. The attempt of a running one is recorded as
	// canceled, and the token advanced, so that it can settle nothing any more.
	// Canceling a canceled task is nil.
	// ErrNotFound, ErrFinal.
	Cancel(ctx context.Context, id task.ID, reach Reach) ([]Woken, error)

	// Retry starts a new run of an ended task: counters at zero, no expiry. A
	// function begins again from its input. Its parent is not told again. Unique
	// keys are the task's again. ErrNotFound, ErrNotFinal, ErrKeyHeld.
	Retry(ctx context.Context, id task.ID) ([]Woken, error)

	// RunNow makes a task ready that is scheduled, suspended or blocked; nil when
	// it is ready already.
	// ErrNotFound, ErrRunning, ErrFinal.
	RunNow(ctx context.Context, id task.ID) ([]Woken, error)

	// Delete erases a task that is not running, with its attempts, its payload
	// and those of its keys whose time is over. The parent of one that has not
	// ended is told that it was canceled. ErrNotFound, ErrRunning.
	Delete(ctx context.Context, id task.ID) ([]Woken, error)

	// Purge cancels up to limit tasks of the lanes that wait, those in ready
	// before those in timer, and returns how many it were. A parent that the end
	// of one in ready makes ready is left.
	Purge(ctx context.Context, lanes []int32, limit int) (int, []Woken, error)
}

// CanceledError is the error of an attempt that was under way when its task was
// canceled.
const CanceledError = "the task was canceled while it ran"
