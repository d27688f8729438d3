package engine

import (
	"context"
	"time"

	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/task"
)

// Errors of Tasks, Queues and Functions, besides those of package store, such as
// store.ErrNotFound, and of the database.
var (
	ErrTooMany      = operate.ErrBusy         // too many listings are under way; try again
	ErrBadCursor    = operate.ErrBadCursor    // a cursor is not of this listing
	ErrOtherJournal = operate.ErrOtherJournal // a cursor is of steps that are gone
	ErrKeepsName    = operate.ErrKeepsName    // the queue "default" cannot be deleted
)

// Tasks looks at tasks, waits for them and steers them. An id is the one that you
// chose, the one that the engine made, or its number. Safe for concurrent use.
type Tasks struct {
	tasks *operate.Tasks
	waits *operate.Waits
}

// Filter selects tasks. A zero field selects all. Queue, Root and the time of creation
// are looked up; for the others at most 10,000 tasks are looked at for a page.
type Filter struct {
	States                        []task.State
	Queue                         string
	Name                          string
	Function                      string            // name of a durable function
	Root                          string            // id of the first function of a tree: the calls below it
	Labels                        map[string]string // all of them
	TargetHost                    string            // host or host:port of the URL
	CreatedAfter, CreatedBefore   time.Time
	FinishedAfter, FinishedBefore time.Time
	Limit                         int    // tasks of a page, 1 to 500; default 50
	Cursor                        string // Next of the page before
}

// Page is a part of a listing, newest first.
type Page struct {
	Items   []TaskInfo
	Next    string // cursor of the next page; "" at the end
	Partial bool   // the page is not full because too many tasks were looked at: go on at Next
}

// AttemptPage is a part of the attempts of a task, oldest first.
type AttemptPage struct {
	Items []Attempt
	Next  string // cursor of the next page; "" at the end
}

// Get returns a task. store.ErrNotFound.
func (t *Tasks) Get(ctx context.Context, id string) (TaskInfo, error) {
	got, err := t.tasks.Get(ctx, id)
	if err != nil {
		return TaskInfo{}, err
	}
	v := infoOf(&got)
	if p, err := t.tasks.Progress(ctx, &got); err != nil {
		return v, err
	} else if p != nil {
		v.Progress = &Progress{p.Done, p.Total, p.Text, timeOf(p.At)}
	}
	return v, nil
}

// Wait returns a task when it has ended, or as it is after atMost. When ctx ends first
// it returns the error of ctx, and the task as it was last seen. store.ErrNotFound.
func (t *Tasks) Wait(ctx context.Context, id string, atMost time.Duration) (TaskInfo, error) {
	got, err := t.tasks.Wait(ctx, id, atMost)
	if got.Spec == nil {
		return TaskInfo{}, err
	}
	return infoOf(&got), err
}

// List returns a page of tasks. ErrBadCursor, ErrTooMany, and store.ErrNotFound for a
// root that is not there; a queue that is not known has no tasks.
func (t *Tasks) List(ctx context.Context, f Filter) (Page, error) {
	page, err := t.tasks.List(ctx, operate.Filter{
		States: f.States, Queue: f.Queue, Name: f.Name, Function: f.Function, Root: f.Root, Labels: f.Labels, TargetHost: f.TargetHost,
		CreatedAfter: f.CreatedAfter, CreatedBefore: f.CreatedBefore, FinishedAfter: f.FinishedAfter, FinishedBefore: f.FinishedBefore,
		Limit: f.Limit, Cursor: f.Cursor,
	})
	return Page{Items: infosOf(page.Items), Next: page.Next, Partial: page.Partial}, err
}

// Many reads tasks by their UUIDs, in no order; those that are gone are left out. It
// is for a view that follows many of them.
func (t *Tasks) Many(ctx context.Context, ids []task.ID) ([]TaskInfo, error) {
	tasks, err := t.tasks.Rows(ctx, ids)
	return infosOf(tasks), err
}

// Payload returns what a task was submitted with. store.ErrNotFound.
func (t *Tasks) Payload(ctx context.Context, id string) ([]byte, error) {
	found, err := t.tasks.Resolve(ctx, id)
	if err != nil {
		return nil, err
	}
	return t.tasks.Payload(ctx, found)
}

// Attempts returns a page of the attempts of a task that are kept, the first 10 and the
// last 90: at most limit of them, 0 = 100, the most. cursor is the Next of the page
// before. store.ErrNotFound, ErrBadCursor.
func (t *Tasks) Attempts(ctx context.Context, id, cursor string, limit int) (AttemptPage, error) {
	page, err := t.tasks.Attempts(ctx, id, cursor, limit)
	out := AttemptPage{Items: make([]Attempt, len(page.Items)), Next: page.Next}
	for i := range page.Items {
		out.Items[i] = attemptOf(&page.Items[i])
	}
	return out, err
}

// Cancel ends a task and stops its attempt; with a function go the calls that were
// made for it. A function that has something to undo does that first, for at most
// task.UndoTime. store.ErrNotFound, store.ErrFinal.
func (t *Tasks) Cancel(ctx context.Context, id string) (TaskInfo, error) {
	return shown(t.tasks.Cancel(ctx, id))
}

// CancelNow is Cancel, and the function undoes nothing; what it called does.
func (t *Tasks) CancelNow(ctx context.Context, id string) (TaskInfo, error) {
	return shown(t.tasks.CancelNow(ctx, id))
}

// Retry starts a new run of an ended task. store.ErrNotFound, store.ErrNotFinal,
// store.ErrKeyHeld.
func (t *Tasks) Retry(ctx context.Context, id string) (TaskInfo, error) {
	return shown(t.tasks.Retry(ctx, id))
}

// RunNow makes a task ready that waits for its time. store.ErrNotFound,
// store.ErrRunning, store.ErrFinal; store.ErrInLine, store.ErrRate and store.ErrUnmet for
// one that waits for others.
func (t *Tasks) RunNow(ctx context.Context, id string) (TaskInfo, error) {
	return shown(t.tasks.RunNow(ctx, id))
}

// Delete erases a task that is not running. store.ErrNotFound, store.ErrRunning.
func (t *Tasks) Delete(ctx context.Context, id string) error { return t.tasks.Delete(ctx, id) }

func shown(t operate.Task, err error) (TaskInfo, error) {
	if err != nil {
		return TaskInfo{}, err
	}
	return infoOf(&t), nil
}
