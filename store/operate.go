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
	// keys are the task's again. It waits again for what it depends on; ErrUnmet when
	// that has ended in a way which does not let it run. ErrNotFound, ErrNotFinal,
	// ErrKeyHeld.
	Retry(ctx context.Context, id task.ID) ([]Woken, error)

	// RunNow makes a task ready that is scheduled, suspended or blocked; nil when
	// it is ready already.
	// ErrNotFound, ErrRunning, ErrFinal; ErrUnmet for one that waits for others to end,
	// ErrInLine and ErrRate for one that waits for room.
	RunNow(ctx context.Context, id task.ID) ([]Woken, error)

	// RunBeyond is RunNow for a task that waits for room as well: it is let in whatever is
	// full, and counts there beyond what is allowed.
	RunBeyond(ctx context.Context, id task.ID) ([]Woken, error)

	// Change changes a task that has not started, all at once; a claim that was faster
	// wins. One that is made due later gives up its places at its gates, and comes to
	// them as a new one when it is due; otherwise it keeps them, its position in ready,
	// and its number in line. ErrNotFound; ErrUnchangeable, ErrChanged when it is not as
	// the caller has seen it, ErrKeyHeld when its unique key is held in its new queue.
	Change(ctx context.Context, c *Change) ([]Woken, error)

	// Delete erases a task that is not running, with its attempts, its payload
	// and those of its keys whose time is over. The parent of one that has not
	// ended is told that it was canceled. ErrNotFound, ErrRunning.
	Delete(ctx context.Context, id task.ID) ([]Woken, error)

	// Purge cancels up to limit tasks of the lanes that wait, those in ready
	// before those in timer, and these before those that wait for others, and returns
	// how many it were. What the end of one makes ready is left.
	Purge(ctx context.Context, lanes []int32, limit int) (int, []Woken, error)
}

// CanceledError is the error of an attempt that was under way when its task was
// canceled.
const CanceledError = "the task was canceled while it ran"

// CanCancel tells whether a task can be canceled: nil, or why not. There is nothing to
// do for one that is canceled already.
func (r *Row) CanCancel() error {
	if r.State.Final() && r.State != task.Canceled {
		return ErrFinal
	}
	return nil
}

// CanceledTransition is how the attempt of a running task ends when the task is
// canceled. Whoever applies it advances the token as well.
func CanceledTransition(row *Row, why task.Reason) Transition {
	return Transition{
		ID: row.ID, Token: row.Token, Outcome: task.Cancel, Error: CanceledError, Cut: true,
		Decision: task.Decision{To: task.Canceled, Reason: why, Failures: row.Failures, Crashes: row.Crashes},
	}
}

// CanRetry tells whether a new run of a task can be started: nil, or why not.
func (r *Row) CanRetry() error {
	if !r.State.Final() {
		return ErrNotFinal
	}
	return nil
}

// Retried is a task at the beginning of a new run, before it enters for
// [task.Retried]: it does not expire, and tells its parent nothing.
func (r Row) Retried() Row {
	r.Run++
	r.Failures, r.Crashes, r.FirstStarted, r.ExpiresAt, r.FinishedAt = 0, 0, 0, 0, 0
	r.Flags &^= FlagParent | FlagUndo | FlagCanceling | FlagHolds | FlagSlot
	return r
}

// CanRunNow tells whether a task can be made ready before its time: nil, or why not.
// There is nothing to do for one that is ready.
func (r *Row) CanRunNow() error {
	switch {
	case r.InGateLine():
		return ErrInLine
	case r.State == task.Scheduled && r.Flags&FlagSlot != 0:
		return ErrRate
	}
	return r.CanRunBeyond()
}

// CanRunBeyond tells whether a task can be made ready whatever room there is.
func (r *Row) CanRunBeyond() error {
	switch {
	case r.State == task.Running:
		return ErrRunning
	case r.State.Final():
		return ErrFinal
	case r.Reason == task.Depends && r.Place() == InRelation:
		return ErrUnmet
	}
	return nil
}

// CanDelete tells whether a task can be erased: nil, or why not.
func (r *Row) CanDelete() error {
	if r.State == task.Running {
		return ErrRunning
	}
	return nil
}
