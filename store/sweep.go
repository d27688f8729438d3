package store

import (
	"context"

	"github.com/sendoff-dev/sendoff/task"
)

// Sweeper does what time does.
type Sweeper interface {
	// PromoteDue makes up to limit due tasks ready. next is when the next one
	// is due, 0 when nothing waits; when it is not after Now, more are due.
	PromoteDue(ctx context.Context, limit int) (promoted int, next int64, woken []Woken, err error)

	// Rescue takes back the tasks of up to limit claims that nobody looks
	// after: those of nodes without a live lease, and those of node self that
	// are not among known, the claims it holds. Claims of self that were made
	// less than a second ago are left alone. Lost nodes are removed.
	Rescue(ctx context.Context, self task.ID, known []task.ID, limit int) (Rescued, error)

	// Retain deletes ended tasks that are older than their own retention, or that of their
	// lane, for the state they ended in, looking at up to limit tasks from cursor on, in id order. Those that
	// it comes across and that are to be ended by Expire are in its answer. Keys that ran
	// out are deleted as well.
	Retain(ctx context.Context, keep Keep, cursor task.ID, limit int) (Retained, error)

	// Expire ends those of the tasks as failed which wait for others and have expired, in
	// the order given, and returns how many it were. The others are left, those among them
	// that the end of one before has let go on or ended.
	Expire(ctx context.Context, ids []task.ID) (ended int, woken []Woken, err error)
}

// Retained is what a look at tasks for their retention did and found.
type Retained struct {
	Next    task.ID // where to go on; zero = the end was reached
	Deleted int
	Overdue []task.ID // wait for others, and have expired
}

// ExpiredError is what others are told of a task that has expired while it waited for its
// turn.
const ExpiredError = "it was not started before it expired"

// Overdue tells whether a task waits for others, and has expired. Nothing but Expire ends
// such a one when its turn never comes: it has no timer, so that waiting costs nothing.
func (r *Row) Overdue(now int64) bool {
	return r.Place() == InRelation && r.ExpiresAt != 0 && r.ExpiresAt <= now
}

// Rescued is what a rescue did.
type Rescued struct {
	Claims int // claims that were closed
	Tasks  int // tasks taken back
	Poison int // of these, ended as poison
	Lost   int // of these, ended because they are never begun twice
	Woken  []Woken
}

// LostTransition is how the attempt of a running task ends when its node was
// lost. Whoever applies it advances the token as well, so that a node which
// only slept settles nothing afterwards.
func LostTransition(row *Row) Transition {
	t := Transition{ID: row.ID, Token: row.Token, Outcome: task.Interrupt, Error: "the node that ran it was lost"}
	if row.Kind == task.Local {
		t.Outcome, t.Error = task.Crash, "the process that ran it was lost"
	}
	t.Decision = task.DecideLost(row.Kind, task.Attempt{
		Failures: row.Failures, Crashes: row.Crashes, FirstStarted: row.FirstStarted, Once: row.Flags&FlagOnce != 0,
	})
	return t
}

// Keep is the retention of all tasks. Every field of its retentions is set.
type Keep struct {
	task.Retention                          // of tasks in lanes that have none of their own
	Lanes          map[int32]task.Retention // of those that have
}

// Over tells whether a task has ended, and its retention with it. Of one with FlagRetention
// the row has the spec.
func (k Keep) Over(row *Row, now int64) bool {
	if !row.State.Final() {
		return false
	}
	kept, own := k.Lanes[row.Lane]
	if !own {
		kept = k.Retention
	}
	if row.Flags&FlagRetention != 0 {
		if spec, err := task.DecodeSpec(row.Spec); err == nil {
			kept = spec.Retention.Or(kept)
		}
	}
	return row.FinishedAt <= now-kept.Of(row.State).Microseconds()
}
