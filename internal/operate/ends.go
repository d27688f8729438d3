package operate

import (
	"sync"

	"github.com/sendoff-dev/sendoff/task"
)

// ends lets callers wait for the end of tasks on this node.
type ends struct {
	mu       sync.Mutex
	watchers map[task.ID][]chan struct{}
}

func newEnds() *ends { return &ends{watchers: map[task.ID][]chan struct{}{}} }

// watch returns a channel that gets a value when the task ends, and a function
// that must be called when nobody waits any more.
func (e *ends) watch(id task.ID) (<-chan struct{}, func()) {
	ch := make(chan struct{}, 1)
	e.mu.Lock()
	e.watchers[id] = append(e.watchers[id], ch)
	e.mu.Unlock()
	return ch, func() { e.forget(id, ch) }
}

func (e *ends) forget(id task.ID, ch chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	rest := e.watchers[id][:0:0]
	for _, other := range e.watchers[id] {
		if other != ch {
			rest = append(rest, other)
		}
	}
	if len(rest) == 0 {
		delete(e.watchers, id)
	} else {
		e.watchers[id] = rest
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
