package store

import (
	"context"
	"errors"

	"github.com/sendoff-dev/sendoff/task"
)

// Actions keeps what is done to many tasks at once, and does it in steps. What an action is
// to do and how far it came is opaque to the store.
type Actions interface {
	// PutAction keeps a new action; CreatedAt is set by the store.
	PutAction(ctx context.Context, a Action) error

	// Action returns an action. ErrNotFound.
	Action(ctx context.Context, id task.ID) (Action, error)

	// ListActions lists actions of a namespace, those below an id, the newest first; the zero
	// ID is above all.
	ListActions(ctx context.Context, namespace int32, before task.ID, limit int) ([]Action, error)

	// SteerAction pauses, resumes or aborts an action of a namespace. ErrNotFound, and
	// ErrActionState when that is not possible as it stands.
	SteerAction(ctx context.Context, namespace int32, id task.ID, to ActionState) error

	// TakeActions gives actions that are to be gone on with to whoever asks, with a new Fence,
	// and to nobody else for lease microseconds.
	TakeActions(ctx context.Context, lease int64, limit int) ([]Action, error)

	// StepAction acts on tasks and writes how far the action came, together. ErrNotYours when
	// the action was given to another one, paused or aborted: then nothing is done.
	StepAction(ctx context.Context, s ActionStep) ([]Woken, error)

	// ActionItems lists the tasks that were acted on, in order, those behind a number.
	ActionItems(ctx context.Context, id task.ID, after int64, limit int) ([]ActionItem, error)

	// DropActions deletes up to limit actions that ended before a time, with their items.
	DropActions(ctx context.Context, before int64, limit int) (int, error)
}

// KeepActions is for how long an action is kept that has ended, in microseconds: 30 days.
const KeepActions int64 = 30 * 24 * 3600 * 1_000_000

// MaxActionItems is how many of its tasks an action keeps.
const MaxActionItems = 100_000

// Errors of actions.
var (
	ErrNotYours    = errors.New("the action is not carried out here any more")
	ErrActionState = errors.New("the action is not in a state in which that is possible")
	ErrNothingToDo = errors.New("there is nothing to do for the task in its state")
)

// Action is something that is done to many tasks.
type Action struct {
	ID         task.ID
	Namespace  int32
	State      ActionState
	Fence      int64 // of whoever carries it out
	Until      int64 // when somebody else may do that
	CreatedAt  int64
	FinishedAt int64
	Items      int64 // that are kept
	Body       []byte
	Progress   []byte
}

// ActionState is the state of an action.
type ActionState int16

// The values are stored; never renumber them.
const (
	ActionCounting ActionState = 1 // nothing was done yet
	ActionRunning  ActionState = 2
	ActionPaused   ActionState = 3
	ActionDone     ActionState = 4
	ActionAborted  ActionState = 5
)

// Open tells whether an action is to be gone on with.
func (s ActionState) Open() bool { return s == ActionCounting || s == ActionRunning }

// CanBecome tells whether somebody may steer an action from one state to another.
func (s ActionState) CanBecome(to ActionState) bool {
	switch to {
	case ActionPaused:
		return s.Open()
	case ActionRunning:
		return s == ActionPaused
	case ActionAborted:
		return s.Open() || s == ActionPaused
	}
	return false
}

// Verb is what is done to each task.
type Verb string

// The verbs.
const (
	CancelThem Verb = "cancel"
	RetryThem  Verb = "retry"
	RunThem    Verb = "run"
	DeleteThem Verb = "delete"

	RescheduleThem Verb = "reschedule" // as the Changes of a step say
	MoveThem       Verb = "move"       // to another queue, so as well
)

// Can tells whether the verb does something to a task: nil, or why not.
func (v Verb) Can(row *Row) error {
	switch v {
	case CancelThem:
		if row.State.Final() {
			return ErrFinal
		}
		return nil
	case RetryThem:
		return row.CanRetry()
	case RunThem:
		if row.State == task.Ready {
			return ErrNothingToDo
		}
		return row.CanRunNow()
	case RescheduleThem, MoveThem:
		return row.CanChange()
	}
	return row.CanDelete()
}

// Changes tells whether the verb gives each task a Change.
func (v Verb) Changes() bool { return v == RescheduleThem || v == MoveThem }

// Do does it to one task, by itself.
func (v Verb) Do(ctx context.Context, with Operator, id task.ID, c *Change) ([]Woken, error) {
	switch v {
	case CancelThem:
		return with.Cancel(ctx, id, WithCalls)
	case RetryThem:
		return with.Retry(ctx, id)
	case RunThem:
		return with.RunNow(ctx, id)
	case RescheduleThem, MoveThem:
		return with.Change(ctx, c)
	}
	return with.Delete(ctx, id)
}

// ActionStep is a part of an action. Tasks are given as they were seen: those that are not
// like that any more are passed over.
type ActionStep struct {
	ID      task.ID
	Fence   int64
	Lease   int64 // microseconds until somebody else may go on
	Verb    Verb
	Tasks   []Row
	Changes []*Change                       // one for each of Tasks, when the verb has them
	Report  func(errs []error) ActionReport // gets what came of each task, perhaps once more
}

// Change is the change of a task of the step; nil when its verb has none.
func (s *ActionStep) Change(i int) *Change {
	if !s.Verb.Changes() {
		return nil
	}
	return s.Changes[i]
}

// ActionReport is how far an action came.
type ActionReport struct {
	State    ActionState
	Progress []byte
	Items    []ActionItem // behind those that there are
}

// ActionItem is a task that was acted on.
type ActionItem struct {
	Seq  int64 // from 1
	Task task.ID
	Run  int32 // in which it is since then
}

// SameLife tells whether a task is still as it was seen.
func (r *Row) SameLife(seen *Row) bool {
	return r.State == seen.State && r.Run == seen.Run && r.Token == seen.Token && r.FinishedAt == seen.FinishedAt
}

// PassedOver tells whether an error says that nothing was done to a task because of how it
// stands; all others are of the database.
func PassedOver(err error) bool {
	for _, why := range []error{
		ErrNotFound, ErrFinal, ErrNotFinal, ErrRunning, ErrInLine, ErrRate, ErrDuplicate, ErrUnmet, ErrKeyHeld, ErrChanged, ErrNothingToDo, ErrCanceling,
		ErrUnchangeable,
	} {
		if errors.Is(err, why) {
			return true
		}
	}
	return false
}
