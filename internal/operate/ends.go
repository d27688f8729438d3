package operate

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// ends lets callers wait for the end of tasks, and for messages to them. What happens
// on this node is told at once; for the others one look at a time serves all who wait.
type ends struct {
	rows  func(ctx context.Context, ids []task.ID) ([]store.Row, error)
	alone func() bool // no other node shares the database

	mu       sync.Mutex
	watchers map[task.ID][]chan struct{}
	stop     context.CancelFunc // of the looking; nil while nobody waits
}

const (
	lookEvery  = 500 * time.Millisecond // where nothing but an expiry ends a task that this node is not told of
	lookSoon   = 25 * time.Millisecond  // where other nodes end tasks
	lookForOne = 100 * time.Microsecond // more for each task that is waited for
	lookAt     = 1000                   // tasks at a time
)

func newEnds(rows func(context.Context, []task.ID) ([]store.Row, error), alone func() bool) *ends {
	return &ends{rows: rows, alone: alone, watchers: map[task.ID][]chan struct{}{}}
}

// rest is the time between two looks.
func (e *ends) rest() time.Duration {
	if e.alone() {
		return lookEvery
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return min(lookSoon+time.Duration(len(e.watchers))*lookForOne, lookEvery)
}

// watch returns a channel that gets a value when the task ends or something on this
// node tells of it, and a function
// that must be called when nobody waits any more.
func (e *ends) watch(id task.ID) (<-chan struct{}, func()) {
	ch := make(chan struct{}, 1)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.watchers[id] = append(e.watchers[id], ch)
	if e.stop == nil {
		var ctx context.Context
		ctx, e.stop = context.WithCancel(context.Background())
		go e.look(ctx)
	}
	return ch, func() { e.forget(id, ch) }
}

func (e *ends) forget(id task.ID, ch chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	rest := slices.DeleteFunc(e.watchers[id], func(other chan struct{}) bool { return other == ch })
	if e.watchers[id] = rest; len(rest) == 0 {
		delete(e.watchers, id)
	}
	if len(e.watchers) == 0 {
		e.stop()
		e.stop = nil
	}
}

func (e *ends) tell(id task.ID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ch := range e.watchers[id] {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// look finds what ended without this node being told: on other nodes, or by its
// expiry.
func (e *ends) look(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(e.rest()):
		}
		e.mu.Lock()
		ids := slices.Collect(maps.Keys(e.watchers))
		e.mu.Unlock()
		for some := range slices.Chunk(ids, lookAt) {
			e.lookAt(ctx, some)
		}
	}
}

// lookAt tells those who wait for tasks that have ended or are gone.
func (e *ends) lookAt(ctx context.Context, ids []task.ID) {
	rows, err := e.rows(ctx, ids)
	if err != nil {
		return // the next look is soon
	}
	open := map[task.ID]bool{}
	for i := range rows {
		open[rows[i].ID] = !rows[i].State.Final()
	}
	for _, id := range ids {
		if !open[id] {
			e.tell(id)
		}
	}
}
