// Package operate is what a person does, or a program on a person's behalf, a
// type for each noun: Tasks are looked at, waited for, canceled, retried, run now
// and deleted; Functions are tasks with calls, steps and signals; Queues are
// paused, resumed, purged and measured; Limits are configured; Waits are what tasks wait for.
package operate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sendoff-dev/sendoff/internal/need"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// taskReader looks tasks up.
type taskReader interface {
	Rows(ctx context.Context, ids []task.ID) ([]store.Row, error)
	List(ctx context.Context, q store.Query) (rows []store.Row, next task.ID, err error)
	ListBy(ctx context.Context, by store.Order, lanes []int32, after store.Mark, limit int) ([]store.Mark, error)
	FindKey(ctx context.Context, namespace int32, kind store.KeyKind, hash store.Hash) (task.ID, error)
	Payload(ctx context.Context, id task.ID) ([]byte, error)
	Attempts(ctx context.Context, id task.ID, after int64, limit, maxBytes int) (rows []store.AttemptRow, more bool, err error)
	LastAttempt(ctx context.Context, id task.ID) (store.AttemptRow, error)
	Progress(ctx context.Context, id task.ID) (store.Progress, bool, error)
}

// taskSteerer changes what becomes of a task.
type taskSteerer interface {
	Cancel(ctx context.Context, id task.ID, reach store.Reach) ([]store.Woken, error)
	Undo(ctx context.Context, id task.ID, grace int64) ([]store.Woken, error)
	Retry(ctx context.Context, id task.ID) ([]store.Woken, error)
	RunNow(ctx context.Context, id task.ID) ([]store.Woken, error)
	RunBeyond(ctx context.Context, id task.ID) ([]store.Woken, error)
	Delete(ctx context.Context, id task.ID) ([]store.Woken, error)
	Change(ctx context.Context, c *store.Change) ([]store.Woken, error)
}

// callReader finds the calls that were made for a task.
type callReader interface {
	Tree(ctx context.Context, root, after task.ID, limit int) ([]store.Row, error)
	Resume(ctx context.Context, id task.ID, after int64, limit, maxBytes int) (store.Resumption, error)
}

// followSteerer starts tasks anew that depend on others.
type followSteerer interface {
	RetryFollowers(ctx context.Context, id task.ID) ([]store.Woken, error)
}

// TaskStore is what Tasks needs of a database; see store for what the methods promise.
type TaskStore interface {
	taskReader
	taskSteerer
	followSteerer
	callReader
}

// Lanes is what operating on tasks needs to know of names.
type Lanes interface {
	ByID(lane int32) store.Lane
	Lanes(match func(store.Lane) bool) []store.Lane
	Lane(ctx context.Context, namespace int32, queue, pool string) (store.Lane, error)
	Refresh(ctx context.Context) error
}

// TasksConfig is the Config of Tasks. All fields but Changed are required.
type TasksConfig struct {
	Store     TaskStore
	Lanes     Lanes
	Wake      func([]store.Woken)
	Stopped   func(task.ID)              // a task was canceled: stop its attempt, here or elsewhere
	Left      func(task.ID)              // a step has left a store.Todo
	Changed   func(*Task)                // a step was made; nil = nobody is told
	Due       func(at int64)             // a task is due at a time, microseconds
	ClientKey func(id string) store.Hash // the key of an id chosen by a client
	Alone     func() bool                // no other node shares the database: nobody else ends tasks

	// Revise checks what is to become of a task, and turns it into a change.
	Revise func(ctx context.Context, row *store.Row, lane store.Lane, r *task.Revision) (*store.Change, error)
}

// Tasks looks at tasks, waits for them and steers them. Safe for concurrent use.
type Tasks struct {
	cfg   TasksConfig
	ends  *ends
	heavy heavy
}

// NewTasks returns a Tasks.
func NewTasks(cfg TasksConfig) *Tasks {
	need.Fields(cfg, "Store", "Lanes", "Wake", "Stopped", "Left", "Due", "ClientKey", "Alone", "Revise")
	return &Tasks{cfg: cfg, ends: newEnds(cfg.Store.Rows, cfg.Alone), heavy: make(heavy, heavyAtATime)}
}

// Resolve finds a task by its id, by the id a client chose, or by the number
// that Dispatchr's clients get. store.ErrNotFound.
func (ts *Tasks) Resolve(ctx context.Context, id string) (task.ID, error) {
	if parsed, err := task.ParseID(id); err == nil {
		if rows, err := ts.rows(ctx, []task.ID{parsed}); err != nil || len(rows) == 1 {
			return parsed, err
		}
	}
	found, err := ts.cfg.Store.FindKey(ctx, space(ctx), store.ClientIDKey, ts.cfg.ClientKey(id))
	if !errors.Is(err, store.ErrNotFound) {
		return found, err
	}
	if n, ok := task.ParseNumber(id); ok {
		found, err = ts.byNumber(ctx, n)
	}
	return found, named(id, err)
}

// named says which task an error of the store is about.
func named(id string, err error) error {
	if held, ok := errors.AsType[store.KeyHeld](err); ok {
		return fmt.Errorf("task %q: %w", id, held)
	}
	if stands, ok := errors.AsType[store.Unchangeable](err); ok {
		return fmt.Errorf("task %q: %w", id, stands)
	}
	for _, known := range []error{store.ErrNotFound, store.ErrChanged, store.ErrFinal, store.ErrNotFinal, store.ErrRunning, store.ErrNotFunction, store.ErrInLine, store.ErrRate, store.ErrUnmet} {
		if errors.Is(err, known) {
			return fmt.Errorf("task %q: %w", id, known)
		}
	}
	return err
}

func (ts *Tasks) byNumber(ctx context.Context, n int64) (task.ID, error) {
	from, to := task.NumberRange(n)
	rows, _, err := ts.cfg.Store.List(ctx, store.Query{From: from, Before: to, Limit: 10000})
	if err == nil {
		rows, err = ts.Seen(ctx, rows)
	}
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
func (ts *Tasks) Get(ctx context.Context, id string) (Task, error) {
	found, err := ts.Resolve(ctx, id)
	if err != nil {
		return Task{}, err
	}
	return ts.get(ctx, found)
}

// rows reads tasks, those that whoever asks may see.
func (ts *Tasks) rows(ctx context.Context, ids []task.ID) ([]store.Row, error) {
	rows, err := ts.cfg.Store.Rows(ctx, ids)
	if err != nil {
		return nil, err
	}
	return ts.Seen(ctx, rows)
}

func (ts *Tasks) get(ctx context.Context, id task.ID) (Task, error) {
	rows, err := ts.rows(ctx, []task.ID{id})
	if err != nil {
		return Task{}, err
	}
	if len(rows) == 0 {
		return Task{}, named(id.String(), store.ErrNotFound)
	}
	return view(rows[0], ts.cfg.Lanes), nil
}

// Rows reads tasks again by their ids, in no order; those that are gone are left
// out. It is for a view that follows many tasks.
func (ts *Tasks) Rows(ctx context.Context, ids []task.ID) ([]Task, error) {
	rows, err := ts.rows(ctx, ids)
	tasks := make([]Task, len(rows))
	for i, row := range rows {
		tasks[i] = view(row, ts.cfg.Lanes)
	}
	return tasks, err
}

// Wait returns a task when it has ended, or as it is after the given time. When
// ctx ends first it returns the error of ctx, and the task as it was last seen.
func (ts *Tasks) Wait(ctx context.Context, id string, atMost time.Duration) (Task, error) {
	found, err := task.ParseID(id)
	if err != nil {
		found, err = ts.Resolve(ctx, id)
	}
	if err != nil {
		return Task{}, err
	}
	t, err := ts.await(ctx, found, atMost)
	if errors.Is(err, store.ErrNotFound) { // an id that its client chose may look like ours
		if other, e := ts.Resolve(ctx, id); e == nil && other != found {
			return ts.await(ctx, other, atMost)
		}
	}
	return t, err
}

func (ts *Tasks) await(ctx context.Context, id task.ID, atMost time.Duration) (Task, error) {
	end := ts.Expect(id)
	defer end.Stop()
	t, err := ts.get(ctx, id)
	if err != nil || t.State.Final() {
		return t, err
	}
	return end.wait(ctx, t, atMost)
}

// Expected is the end of a task that may not be there yet.
type Expected struct {
	tasks *Tasks
	id    task.ID
	ended <-chan struct{}
	stop  func()
}

// Expect is for who waits for a task that is about to be stored under the id: its end is
// not missed, however soon it comes, and need not be looked for before it does. Stop it.
func (ts *Tasks) Expect(id task.ID) *Expected {
	ended, stop := ts.ends.watch(id)
	return &Expected{ts, id, ended, stop}
}

// Wait is as [Tasks.Wait].
func (e *Expected) Wait(ctx context.Context, atMost time.Duration) (Task, error) {
	return e.wait(ctx, Task{}, atMost)
}

// wait is Wait for who has seen the task.
func (e *Expected) wait(ctx context.Context, seen Task, atMost time.Duration) (Task, error) {
	deadline := time.NewTimer(atMost)
	defer deadline.Stop()
	for over := false; ; {
		select {
		case <-e.ended:
		case <-deadline.C:
			over = true
		case <-ctx.Done():
			return seen, ctx.Err()
		}
		t, err := e.tasks.get(ctx, e.id)
		if err != nil || over || t.State.Final() {
			return t, err
		}
		seen = t
	}
}

// Stop ends the waiting.
func (e *Expected) Stop() { e.stop() }

// Ended tells those who wait for a task.
func (ts *Tasks) Ended(id task.ID) { ts.ends.tell(id) }

// Told wakes those who wait for messages to a function: it has one.
func (ts *Tasks) Told(id task.ID) { ts.ends.tell(id) }

// Payload returns what the task was submitted with. store.ErrNotFound.
func (ts *Tasks) Payload(ctx context.Context, id task.ID) ([]byte, error) {
	payload, err := ts.cfg.Store.Payload(ctx, id)
	return payload, named(id.String(), err)
}

// Retry starts a new run of an ended task. store.ErrNotFound, store.ErrNotFinal,
// store.ErrKeyHeld.
func (ts *Tasks) Retry(ctx context.Context, id string) (Task, error) {
	return ts.step(ctx, id, func(id task.ID) error {
		woken, err := ts.cfg.Store.Retry(ctx, id)
		ts.wake(woken)
		return err
	})
}

// RetryFollowers is Retry, and those that were canceled because the task did not succeed
// wait for it again. store.ErrNotFound, store.ErrNotFinal, store.ErrKeyHeld.
func (ts *Tasks) RetryFollowers(ctx context.Context, id string) (Task, error) {
	return ts.step(ctx, id, func(id task.ID) error {
		woken, err := ts.cfg.Store.RetryFollowers(ctx, id)
		ts.wake(woken)
		if err == nil {
			ts.cfg.Left(id)
		}
		return err
	})
}

// RunBeyond is RunNow for a task that waits for room as well: it counts beyond what its
// limits allow. store.ErrNotFound, ErrRunning, ErrFinal, ErrUnmet.
func (ts *Tasks) RunBeyond(ctx context.Context, id string) (Task, error) {
	return ts.step(ctx, id, func(id task.ID) error {
		woken, err := ts.cfg.Store.RunBeyond(ctx, id)
		ts.wake(woken)
		return err
	})
}

// RunNow makes a scheduled task ready. store.ErrNotFound, ErrRunning, ErrFinal, and
// ErrInLine, ErrRate or ErrUnmet for one that waits for others.
func (ts *Tasks) RunNow(ctx context.Context, id string) (Task, error) {
	return ts.step(ctx, id, func(id task.ID) error {
		woken, err := ts.cfg.Store.RunNow(ctx, id)
		ts.wake(woken)
		return err
	})
}

// Delete erases a task. store.ErrNotFound, store.ErrRunning.
func (ts *Tasks) Delete(ctx context.Context, id string) error {
	found, err := ts.Resolve(ctx, id)
	if err != nil {
		return err
	}
	woken, err := ts.cfg.Store.Delete(ctx, found)
	ts.wake(woken)
	return named(id, err)
}

func (ts *Tasks) step(ctx context.Context, id string, do func(task.ID) error) (Task, error) {
	found, err := ts.Resolve(ctx, id)
	if err != nil {
		return Task{}, err
	}
	if err := do(found); err != nil {
		return Task{}, named(id, err)
	}
	t, err := ts.get(ctx, found)
	if err == nil && ts.cfg.Changed != nil {
		ts.cfg.Changed(&t)
	}
	if err != nil || t.State.Final() {
		return t, err
	}
	if l := ts.cfg.Lanes.ByID(t.Lane); l.Forgotten { // its queue is in use again
		_, err = ts.cfg.Lanes.Lane(ctx, l.Namespace, l.Queue, l.Pool)
	}
	return t, err
}

func (ts *Tasks) wake(woken []store.Woken) {
	if len(woken) > 0 {
		ts.cfg.Wake(woken)
	}
}
