package operate

import (
	"context"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// FunctionStore is what Functions needs of a database beyond that of their tasks.
type FunctionStore interface {
	Resume(ctx context.Context, id task.ID, after int64, limit, maxBytes int) (store.Resumption, error)
	Journal(ctx context.Context, id task.ID) ([]task.Segment, error)
	Signal(ctx context.Context, id task.ID, name string, body []byte) ([]store.Woken, error)
	Restart(ctx context.Context, id task.ID) ([]store.Woken, error)
	Lost(ctx context.Context, held []store.Held) ([]task.ID, error)
}

// Functions looks at durable functions and steers them, as far as they are more than
// tasks. Safe for concurrent use.
type Functions struct {
	store   FunctionStore
	tasks   *Tasks
	reading chan struct{} // journals
}

// NewFunctions returns a Functions over the same database as tasks.
func NewFunctions(s FunctionStore, tasks *Tasks) *Functions {
	return &Functions{store: s, tasks: tasks, reading: make(chan struct{}, stepReaders)}
}

// Restart begins a function again from its input, whatever its state, and
// cancels the calls that were made for it. store.ErrNotFound,
// store.ErrNotFunction.
func (f *Functions) Restart(ctx context.Context, id string) (Task, error) {
	return f.tasks.step(ctx, id, func(id task.ID) error {
		woken, err := f.store.Restart(ctx, id)
		if err != nil {
			return err
		}
		f.tasks.cfg.Stopped(id)
		f.tasks.wake(woken)
		return f.tasks.cancelStale(ctx, id)
	})
}

// Signal gives a message to a function that has not ended. task.Invalid for its
// name, store.ErrNotFound, store.ErrFinal, store.ErrNotFunction.
func (f *Functions) Signal(ctx context.Context, id, name string, value []byte) error {
	var bad task.Invalid
	bad.CheckName("name", name, task.MaxSignalName)
	if err := bad.Err(); err != nil {
		return err
	}
	found, err := f.tasks.Resolve(ctx, id)
	if err != nil {
		return err
	}
	woken, err := f.store.Signal(ctx, found, name, value)
	f.tasks.wake(woken)
	f.tasks.Told(found)
	return named(id, err)
}
