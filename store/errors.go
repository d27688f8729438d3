package store

import (
	"errors"

	"github.com/sendoff-dev/sendoff/task"
)

var (
	// ErrNotFound says that no such task (queue, node) is stored.
	ErrNotFound = errors.New("not found")

	// ErrLeaseLost says that the caller's token is not the task's any more:
	// somebody else owns it, or it has ended. Nothing was written.
	ErrLeaseLost = errors.New("lease lost: the task has been given to another attempt or has ended")

	// ErrFinal says that the task has ended, so the step makes no sense.
	ErrFinal = errors.New("the task has already ended")

	// ErrNotFinal says that the task has not ended yet.
	ErrNotFinal = errors.New("the task has not ended yet")

	// ErrRunning says that an attempt of the task is under way.
	ErrRunning = errors.New("the task is running")

	// ErrInLine says that the task waits in line: its limits, or others that come first,
	// have no room for it.
	ErrInLine = errors.New("the task waits in line: others come first")

	// ErrRate says that the task waits for its turn under a rate.
	ErrRate = errors.New("the task waits for its turn: a rate does not let more start")

	// ErrDuplicate says that the rule of a task that is to run again is not to wait for
	// others of its duplicate key, of which one has not ended. It names that one.
	ErrDuplicate = errors.New("another task of its duplicate key has not ended, cancel that one or wait for its end")

	// ErrUnmet says that tasks which the task depends on have not ended as it wants.
	ErrUnmet = errors.New("a task that it depends on has not ended as it wants: wait for that one, or retry it with its followers")

	// ErrNotFunction says that the step makes sense for functions only.
	ErrNotFunction = errors.New("the task is not a function")

	// ErrNothingToUndo says that a task can be canceled at once.
	ErrNothingToUndo = errors.New("the task has nothing to undo")

	// ErrCanceling says that the function was canceled before and undoes what it did.
	ErrCanceling = errors.New("the function is being canceled already")

	// ErrKeyHeld says that another task, which it names, holds the unique key of
	// one that is to run again.
	ErrKeyHeld = errors.New("another task holds its unique key, cancel that one or wait for its end")

	// ErrNodeLost says that the node's lease has run out. It must drop what it
	// holds and register again under a new id.
	ErrNodeLost = errors.New("the node's lease has run out")

	// ErrTooManyQueues says that a namespace has as many queues as it may have.
	ErrTooManyQueues = errors.New("too many queues: no more can be made on first use, see the queue listing")

	// ErrOldNode says that a node that is alive could not carry out or settle the
	// task, because it is of an earlier version.
	ErrOldNode = errors.New("a node of an earlier version is running: upgrade all nodes")

	// ErrQueueNotEmpty says that a queue has tasks that have not ended.
	ErrQueueNotEmpty = errors.New("the queue has tasks that have not ended: wait for them, or cancel them (purge)")

	// ErrChanged says that somebody else has changed what was to be changed, since the
	// caller looked at it.
	ErrChanged = errors.New("somebody else has changed it in the meantime: look again")

	// ErrClosed says that the store is closing and takes no more work.
	ErrClosed = errors.New("the store is closed")

	// ErrInUse says that another process has the database file open.
	ErrInUse = errors.New("another process is using this database file")

	// ErrFull says that the disk of the database is full, or that what is left of it is for what
	// was accepted before. Nothing was written; it
	// goes on by itself when there is room again.
	ErrFull = errors.New("the disk of the database is full")

	// ErrBroken says that the database file can no longer be relied on: it could
	// not be written, is damaged, or is gone. Only a restart helps.
	ErrBroken = errors.New("the database file has failed")

	// ErrBadValue says that one value cannot be stored; the others of the batch are not affected.
	ErrBadValue = errors.New("a value cannot be stored")
)

// KeyHeld is an ErrKeyHeld.
type KeyHeld struct {
	By task.ID // who has the key
}

// Error implements error.
func (e KeyHeld) Error() string { return ErrKeyHeld.Error() + ": " + e.By.String() }

// Is implements the interface of [errors.Is].
func (KeyHeld) Is(target error) bool { return target == ErrKeyHeld }
