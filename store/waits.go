package store

import (
	"context"

	"github.com/sendoff-dev/sendoff/task"
)

// Waits tells what a task waits for, as far as its row does not.
type Waits interface {
	// Ahead counts the ready tasks that are before a place in line: those of its lane
	// that are more urgent, and those as urgent with a smaller position. It counts up
	// to limit.
	Ahead(ctx context.Context, place ReadyEntry, limit int) (int, error)

	// AheadAt counts the tasks that are before a place in line at a gate, up to limit.
	AheadAt(ctx context.Context, place LineEntry, limit int) (int, error)

	// Mailbox returns what has been counted of the messages to a function; the zero
	// value when it has none.
	Mailbox(ctx context.Context, id task.ID) (task.Mailbox, error)
}

// InLine is the entry in ready of a task that waits there.
func (r *Row) InLine() ReadyEntry {
	e := Enter(r.Entrant(), r.Reason)
	return ReadyEntry{Lane: e.Lane, Priority: e.Priority, Position: r.At, ID: r.ID}
}
