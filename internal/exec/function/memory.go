package function

import (
	"container/list"
	"sync"

	"github.com/sendoff-dev/sendoff/task"
)

// memory is what this node remembers of the calls it ran last. Whatever is
// forgotten costs no more than a longer request or a later verdict.
type memory struct {
	size int

	mu     sync.Mutex
	byTask map[task.ID]*list.Element
	recent list.List // of *recollection, newest first
}

type recollection struct {
	id       task.ID
	endpoint string
	writer   int64 // token of the attempt whose answer came from Sendoff's SDK; 0 = none
	broken   int   // attempts in a row whose connection was closed without an answer
	invalid  int   // attempts in a row whose answer made no sense
	restarts int   // times it was begun again because its state could not be read
}

func newMemory(size int) *memory { return &memory{size: size, byTask: map[task.ID]*list.Element{}} }

// of returns what is remembered of a call; it must be used with mu held.
func (m *memory) of(id task.ID) *recollection {
	if e, ok := m.byTask[id]; ok {
		m.recent.MoveToFront(e)
		return e.Value.(*recollection)
	}
	r := &recollection{id: id}
	m.byTask[id] = m.recent.PushFront(r)
	if m.recent.Len() > m.size {
		last := m.recent.Back()
		delete(m.byTask, m.recent.Remove(last).(*recollection).id)
	}
	return r
}

// holds tells whether the endpoint may still hold the journal in memory that the
// attempt with this token left.
func (m *memory) holds(id task.ID, endpoint string, writer int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.byTask[id]
	if !ok || writer == 0 {
		return false
	}
	r := e.Value.(*recollection)
	return r.endpoint == endpoint && r.writer == writer
}

// answered notes an answer of Sendoff's SDK to the attempt with this token.
func (m *memory) answered(id task.ID, endpoint string, token int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.of(id)
	r.endpoint, r.writer, r.broken, r.invalid = endpoint, token, 0, 0
}

// wentOn notes an answer of another SDK with which the call goes on.
func (m *memory) wentOn(id task.ID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.byTask[id]; ok {
		r := e.Value.(*recollection)
		r.writer, r.broken, r.invalid = 0, 0, 0
	}
}

// broke counts a connection that was closed without an answer.
func (m *memory) broke(id task.ID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.of(id).broken++
}

// breaks is how many connections of a call in a row were closed without an answer.
func (m *memory) breaks(id task.ID) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.byTask[id]; ok {
		return e.Value.(*recollection).broken
	}
	return 0
}

// unbroken notes that there was an answer.
func (m *memory) unbroken(id task.ID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.byTask[id]; ok {
		e.Value.(*recollection).broken = 0
	}
}

// restart tells whether a call may be begun again because its state cannot be read,
// and counts that: what comes back each time is no matter of the state.
func (m *memory) restart(id task.ID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.of(id)
	r.restarts++
	return r.restarts <= maxRestarts
}

// failed counts an answer that made no sense.
func (m *memory) failed(id task.ID) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.of(id)
	r.invalid++
	return r.invalid
}

// forget drops a call: it has ended, or its row of troubles has.
func (m *memory) forget(id task.ID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.byTask[id]; ok {
		m.recent.Remove(e)
		delete(m.byTask, id)
	}
}
