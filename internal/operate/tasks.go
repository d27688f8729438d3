// Package operate is what a person does, or a program on a person's behalf:
// look at tasks, wait for them, cancel, retry, run now, delete; pause, resume,
// purge and measure queues; see the nodes.
package operate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Store is what operating needs of a database.
type Store interface {
	store.Reader
	store.Operator
	store.Catalog
	store.Members
	store.Functions
	Now() int64
}

// Catalog is what operating needs to know of names.
type Catalog interface {
	ByID(lane int32) store.Lane
	Lanes(match func(store.Lane) bool) []store.Lane
	Queue(name string) (store.Queue, bool)
	Queues() []store.Queue
	SetPaused(queue string, paused bool)
	Lane(ctx context.Context, queue, pool string) (store.Lane, error)
	Refresh(ctx context.Context) error
}

// Config of an Operator. All are required.
type Config struct {
	Store     Store
	Catalog   Catalog
	Wake      func([]store.Woken)
	Stopped   func(task.ID)              // a task was canceled: stop its attempt, here or elsewhere
	Changed   func()                     // queues changed: tell the other nodes
	ClientKey func(id string) store.Hash // the key of an id chosen by a client
}

// Operator is safe for concurrent use.
type Operator struct {
	cfg     Config
	ends    *ends
	depths  shared[[]store.LaneStats]
	turns   chan struct{} // of heavy reading
	reading chan struct{} // journals
}

// New returns an Operator.
func New(cfg Config) *Operator {
	o := &Operator{
		cfg: cfg, ends: newEnds(cfg.Store.Rows), turns: make(chan struct{}, heavyAtATime), reading: make(chan struct{}, stepReaders),
	}
	o.depths.read = cfg.Store.Stats
	return o
}

// Task is a task as it is shown.
type Task struct {
	store.Row
	Spec  *task.Spec
	Queue string

	EarlierRun bool // in a tree: its caller made it before it was begun again
}

// PublicID is the id the task goes by outside.
func (t *Task) PublicID() string { return t.Spec.PublicID(t.ID) }

// Attempts is how many attempts of this run were spent or are under way.
func (t *Task) Attempts() int32 {
	if t.State == task.Running || t.State == task.Succeeded {
		return t.Failures + 1
	}
	return t.Failures
}

func (o *Operator) view(row store.Row) Task {
	spec, err := task.DecodeSpec(row.Spec)
	if err != nil {
		spec = &task.Spec{Kind: row.Kind}
	}
	if row.Flags&store.FlagCanceling != 0 && !row.State.Final() {
		row.Reason = task.Canceling
	}
	return Task{Row: row, Spec: spec, Queue: o.cfg.Catalog.ByID(row.Lane).Queue}
}

// Resolve finds a task by its id, by the id a client chose, or by the number
// that Dispatchr's clients get. store.ErrNotFound.
func (o *Operator) Resolve(ctx context.Context, id string) (task.ID, error) {
	if parsed, err := task.ParseID(id); err == nil {
		if rows, err := o.cfg.Store.Rows(ctx, []task.ID{parsed}); err != nil || len(rows) == 1 {
			return parsed, err
		}
	}
	found, err := o.cfg.Store.FindKey(ctx, store.DefaultNamespace, store.ClientIDKey, o.cfg.ClientKey(id))
	if !errors.Is(err, store.ErrNotFound) {
		return found, err
	}
	if n, ok := task.ParseNumber(id); ok {
		found, err = o.byNumber(ctx, n)
	}
	return found, named(id, err)
}

// named says which task an error of the store is about.
func named(id string, err error) error {
	if held, ok := errors.AsType[store.KeyHeld](err); ok {
		return fmt.Errorf("task %q: %w", id, held)
	}
	for _, known := range []error{store.ErrNotFound, store.ErrFinal, store.ErrNotFinal, store.ErrRunning, store.ErrNotFunction} {
		if errors.Is(err, known) {
			return fmt.Errorf("task %q: %w", id, known)
		}
	}
	return err
}

func (o *Operator) byNumber(ctx context.Context, n int64) (task.ID, error) {
	from, to := task.NumberRange(n)
	rows, _, err := o.cfg.Store.List(ctx, store.Query{From: from, Before: to, Limit: 10000})
	if err != nil {
		return task.ID{}, err
	}
	for _, row := range rows {
		if row.ID.Number() == n {
			return row.ID, nil
		}
	}
	return task.ID{}, store.ErrNotFound
}

// Get returns a task. store.ErrNotFound.
func (o *Operator) Get(ctx context.Context, id string) (Task, error) {
	found, err := o.Resolve(ctx, id)
	if err != nil {
		return Task{}, err
	}
	return o.get(ctx, found)
}

func (o *Operator) get(ctx context.Context, id task.ID) (Task, error) {
	rows, err := o.cfg.Store.Rows(ctx, []task.ID{id})
	if err != nil {
		return Task{}, err
	}
	if len(rows) == 0 {
		return Task{}, named(id.String(), store.ErrNotFound)
	}
	return o.view(rows[0]), nil
}

// Wait returns a task when it has ended, or as it is after the given time. When
// ctx ends first it returns the error of ctx, and the task as it was last seen.
func (o *Operator) Wait(ctx context.Context, id string, atMost time.Duration) (Task, error) {
	found, err := o.Resolve(ctx, id)
	if err != nil {
		return Task{}, err
	}
	ended, stop := o.ends.watch(found)
	defer stop()
	deadline := time.NewTimer(atMost)
	defer deadline.Stop()
	for {
		t, err := o.get(ctx, found)
		if err != nil || t.State.Final() {
			return t, err
		}
		select {
		case <-ended:
		case <-deadline.C:
			return t, nil
		case <-ctx.Done():
			return t, ctx.Err()
		}
	}
}

// Ended tells those who wait for a task.
func (o *Operator) Ended(id task.ID) { o.ends.tell(id) }

// Payload returns what the task was submitted with. store.ErrNotFound.
func (o *Operator) Payload(ctx context.Context, id task.ID) ([]byte, error) {
	payload, err := o.cfg.Store.Payload(ctx, id)
	return payload, named(id.String(), err)
}

// Cancel ends a task and stops its attempt; with a function go the calls that
// were made for it. A function that has something to undo does that first, for at
// most task.UndoTime, and its calls end with it. It may be repeated: nothing happens
// while a function does that. store.ErrNotFound, store.ErrFinal.
func (o *Operator) Cancel(ctx context.Context, id string) (Task, error) {
	return o.step(ctx, id, func(id task.ID) error {
		switch err := o.undo(ctx, id); {
		case errors.Is(err, store.ErrCanceling):
			return nil
		case errors.Is(err, store.ErrNothingToUndo), errors.Is(err, store.ErrFinal):
			return o.end(ctx, id)
		default:
			return err
		}
	})
}

// CancelNow is Cancel, and nothing of what there is to undo is undone, but what was
// called undoes its own.
func (o *Operator) CancelNow(ctx context.Context, id string) (Task, error) {
	return o.step(ctx, id, func(id task.ID) error { return o.end(ctx, id) })
}

// end cancels a task with the calls that were made for it.
func (o *Operator) end(ctx context.Context, id task.ID) error {
	if err := o.cancel(ctx, id); err != nil {
		return err
	}
	return o.CancelCalls(ctx, id, nil, true)
}

// Retry starts a new run of an ended task. store.ErrNotFound, store.ErrNotFinal,
// store.ErrKeyHeld.
func (o *Operator) Retry(ctx context.Context, id string) (Task, error) {
	return o.step(ctx, id, func(id task.ID) error {
		woken, err := o.cfg.Store.Retry(ctx, id)
		o.wake(woken)
		return err
	})
}

// RunNow makes a scheduled task ready. store.ErrNotFound, ErrRunning, ErrFinal.
func (o *Operator) RunNow(ctx context.Context, id string) (Task, error) {
	return o.step(ctx, id, func(id task.ID) error {
		woken, err := o.cfg.Store.RunNow(ctx, id)
		o.wake(woken)
		return err
	})
}

// Delete erases a task. store.ErrNotFound, store.ErrRunning.
func (o *Operator) Delete(ctx context.Context, id string) error {
	found, err := o.Resolve(ctx, id)
	if err != nil {
		return err
	}
	woken, err := o.cfg.Store.Delete(ctx, found)
	o.wake(woken)
	return named(id, err)
}

func (o *Operator) step(ctx context.Context, id string, do func(task.ID) error) (Task, error) {
	found, err := o.Resolve(ctx, id)
	if err != nil {
		return Task{}, err
	}
	if err := do(found); err != nil {
		return Task{}, named(id, err)
	}
	t, err := o.get(ctx, found)
	if err != nil || t.State.Final() {
		return t, err
	}
	if l := o.cfg.Catalog.ByID(t.Lane); l.Forgotten { // its queue is in use again
		_, err = o.cfg.Catalog.Lane(ctx, l.Queue, l.Pool)
	}
	return t, err
}

func (o *Operator) wake(woken []store.Woken) {
	if len(woken) > 0 {
		o.cfg.Wake(woken)
	}
}

// Nodes lists the nodes that are alive.
func (o *Operator) Nodes(ctx context.Context) ([]store.Node, error) { return o.cfg.Store.Nodes(ctx) }

func unknownQueue(name string) error { return fmt.Errorf("queue %q: %w", name, store.ErrNotFound) }
