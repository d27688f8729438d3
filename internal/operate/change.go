package operate

import (
	"context"
	"errors"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Change changes a task that has not started. task.Invalid, store.ErrNotFound,
// store.ErrUnchangeable, store.ErrKeyHeld, and those of a queue that is made.
func (ts *Tasks) Change(ctx context.Context, id string, r *task.Revision) (Task, error) {
	return ts.step(ctx, id, func(id task.ID) error {
		for range changeTries {
			if err := ts.change(ctx, id, r); !errors.Is(err, store.ErrChanged) {
				return err
			}
		}
		return store.ErrChanged
	})
}

func (ts *Tasks) change(ctx context.Context, id task.ID, r *task.Revision) error {
	t, err := ts.get(ctx, id)
	if err != nil {
		return err
	}
	asItIs := store.Change{ID: id, Was: t.Row.Spec}
	if _, _, err := asItIs.Next(&t.Row, 0); err != nil {
		return err
	}
	c, err := ts.cfg.Revise(ctx, &t.Row, ts.cfg.Lanes.ByID(t.Lane), r)
	if err != nil {
		return err
	}
	ts.tellChange(ctx, &t, c)
	woken, err := ts.cfg.Store.Change(ctx, c)
	ts.wake(woken)
	if err == nil && c.Due != nil {
		ts.cfg.Due(*c.Due) // a time that is past is one that a rate may have made later
	}
	return err
}

// tellChange has the audit say what of a task changes. Of a payload it has the size and a hash.
func (ts *Tasks) tellChange(ctx context.Context, t *Task, c *store.Change) {
	spec, err := task.DecodeSpec(c.Spec)
	if err != nil || store.AuditOf(ctx) == nil {
		return
	}
	due := int64(0)
	if t.State == task.Scheduled {
		due = t.At
	}
	was := factsOfTask(t.Spec, t.Queue, t.Priority, due, t.ExpiresAt)
	queue, priority, expires := t.Queue, t.Priority, t.ExpiresAt
	if c.Lane != nil {
		queue = ts.cfg.Lanes.ByID(*c.Lane).Queue
	}
	if c.Priority != nil {
		priority = *c.Priority
	}
	if c.ExpiresAt != nil {
		expires = *c.ExpiresAt
	}
	if c.Due != nil {
		due = *c.Due
	}
	becomes := factsOfTask(spec, queue, priority, due, expires)
	if c.Payload != nil {
		had, _ := ts.Payload(ctx, t.ID) // what cannot be read is not told
		was["payload"], becomes["payload"] = fingerprint(had), fingerprint(*c.Payload)
	}
	tellChange(ctx, was, becomes)
}
