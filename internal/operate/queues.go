package operate

import (
	"context"
	"fmt"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Queue is a queue as it is shown.
type Queue struct {
	Name      string
	Paused    bool
	CreatedAt int64
}

// Queues lists all queues by name.
func (o *Operator) Queues(ctx context.Context) ([]Queue, error) {
	if err := o.cfg.Catalog.Refresh(ctx); err != nil {
		return nil, err
	}
	var out []Queue
	for _, q := range o.cfg.Catalog.Queues() {
		out = append(out, Queue{q.Name, q.Paused, q.CreatedAt})
	}
	return out, nil
}

// Queue returns one queue. store.ErrNotFound.
func (o *Operator) Queue(ctx context.Context, name string) (Queue, error) {
	q, err := o.queue(ctx, name)
	return Queue{q.Name, q.Paused, q.CreatedAt}, err
}

// queue reads all queues anew: another node may have made, deleted or paused this
// one since our copy was read.
func (o *Operator) queue(ctx context.Context, name string) (store.Queue, error) {
	if err := o.cfg.Catalog.Refresh(ctx); err != nil {
		return store.Queue{}, err
	}
	q, ok := o.cfg.Catalog.Queue(name)
	if !ok {
		return q, unknownQueue(name)
	}
	return q, nil
}

// SetPaused pauses or resumes a queue, from its return on and on all nodes.
// Attempts under way go on. store.ErrNotFound.
func (o *Operator) SetPaused(ctx context.Context, name string, paused bool) (Queue, error) {
	q, err := o.queue(ctx, name)
	if err != nil {
		return Queue{}, err
	}
	woken, err := o.cfg.Store.SetPaused(ctx, q.ID, paused)
	if err != nil {
		return Queue{}, err
	}
	o.cfg.Catalog.SetPaused(name, paused)
	o.cfg.Changed()
	o.wake(woken)
	return Queue{name, paused, q.CreatedAt}, nil
}

// ErrKeepsName says that a queue cannot be deleted.
var ErrKeepsName = fmt.Errorf("the queue %q cannot be deleted: tasks without a queue go there", task.DefaultQueue)

// DeleteQueue forgets a queue: its name is free again, and tasks of it that have
// ended keep it. store.ErrNotFound, store.ErrQueueNotEmpty, ErrKeepsName.
func (o *Operator) DeleteQueue(ctx context.Context, name string) error {
	if name == task.DefaultQueue {
		return ErrKeepsName
	}
	q, err := o.queue(ctx, name)
	if err != nil {
		return err
	}
	if err := o.cfg.Store.Forget(ctx, q.ID); err != nil {
		return fmt.Errorf("queue %q: %w", name, err)
	}
	o.cfg.Changed()
	return o.cfg.Catalog.Refresh(ctx)
}

// Purge cancels what waits in a queue, ready or scheduled, and returns how many
// tasks it were. Running ones go on. store.ErrNotFound.
func (o *Operator) Purge(ctx context.Context, name string) (int, error) {
	if _, err := o.queue(ctx, name); err != nil {
		return 0, err
	}
	lanes := o.lanesOf(name)
	const batch = 1000
	for total := 0; ; {
		n, woken, err := o.cfg.Store.Purge(ctx, lanes, batch)
		o.wake(woken)
		if total += n; err != nil || n < batch {
			return total, err
		}
	}
}
