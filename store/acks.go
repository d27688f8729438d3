package store

import (
	"context"

	"github.com/sendoff-dev/sendoff/task"
)

// Acks keeps attempts that go on without a node until their app tells how they end, each up to
// a time of its own. Such a task is running for the reason task.Acknowledging, keeps its token and
// its places at gates, belongs to no node and is listed among the timers. To be settled it is
// first taken back by a node, which is what decides between several who want to.
type Acks interface {
	// Detach takes an attempt from its node, for within microseconds from now, and returns when
	// that is over. ErrLeaseLost when the attempt does not run; done again it changes nothing.
	Detach(ctx context.Context, h Held, within int64) (until int64, err error)

	// Attach gives a detached attempt to a node, in a claim of its own. ErrLeaseLost when it is
	// not detached (any more), or is to be Overdue and is not; ErrNodeLost when the node has no
	// live lease.
	Attach(ctx context.Context, a Attach) (Row, error)

	// Extend has a detached attempt go on for within microseconds from now, and returns when
	// that is over. ErrLeaseLost.
	Extend(ctx context.Context, h Held, within int64) (until int64, err error)

	// Overdue lists up to limit detached attempts whose time has passed, the longest ago first.
	Overdue(ctx context.Context, limit int) ([]Held, error)
}

// Attach is a detached attempt to be given to a node.
type Attach struct {
	Held
	Claim   task.ID // of it alone, new
	Node    task.ID
	Overdue bool // only when its time has passed
}

// Detached tells whether a task runs without a node.
func (r *Row) Detached() bool { return r.State == task.Running && r.Reason == task.Acknowledging }

// Attached is the task as the node has it that has attached it, without its payload.
func (r *Row) Attached() Claimed {
	return Claimed{
		ID: r.ID, Token: r.Token, Lane: r.Lane, Priority: r.Priority, Position: r.At, Kind: r.Kind, Flags: r.Flags, Run: r.Run,
		Failures: r.Failures, Crashes: r.Crashes, MaxAttempts: r.MaxAttempts, CreatedAt: r.CreatedAt, ReadyAt: r.At, ExpiresAt: r.ExpiresAt,
		FirstStarted: r.FirstStarted, StartedAt: r.LastStarted, LastCode: r.LastCode, Parent: r.Parent, Root: r.Root, Gates: r.Gates, Spec: r.Spec,
	}
}
