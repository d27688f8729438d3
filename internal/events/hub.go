package events

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// kept is how many events a Hub has at least, once there were so many.
const kept = 4096

// lasts is how long a Hub goes on when the last listener has gone: it may come back.
const lasts = time.Minute

// Hub is safe for concurrent use.
type Hub struct {
	listeners atomic.Int32
	until     atomic.Int64 // somebody listens elsewhere, or did here lately; microseconds of this machine

	mu      sync.Mutex
	ring    []Event // the last ones
	last    uint64  // number of the last of them; events are numbered from 1
	changed chan struct{}
	closed  bool
	began   func()

	own   []numbered // of this node, for the others
	heard map[string]uint64
}

// NewHub returns a Hub without events. began is called when somebody begins to listen
// whom the other nodes do not know of.
func NewHub(began func()) *Hub {
	return &Hub{changed: make(chan struct{}), heard: map[string]uint64{}, began: began}
}

// Wanted tells whether anybody listens: otherwise events need not be made.
func (h *Hub) Wanted() bool { return h.listeners.Load() > 0 || h.until.Load() > time.Now().UnixMicro() }

// listen has the hub take events for a while.
func (h *Hub) listen(until time.Time) {
	for at := until.UnixMicro(); ; {
		was := h.until.Load()
		if was >= at || h.until.CompareAndSwap(was, at) {
			return
		}
	}
}

// Publish takes an event of this node.
func (h *Hub) Publish(e Event) {
	if !h.Wanted() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.note(e)
	h.put(e)
}

// PublishHere takes an event that every node sees by itself.
func (h *Hub) PublishHere(e Event) {
	if !h.Wanted() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.put(e)
}

// put is called with mu held.
func (h *Hub) put(e Event) {
	if len(h.ring) == 2*kept {
		h.ring = slices.Delete(h.ring, 0, kept)
	}
	h.ring = append(h.ring, e)
	h.last++
	h.wake()
}

func (h *Hub) wake() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// Close ends all listening: the node stops.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.wake()
}

// Listener hears what happens from its beginning on. It is for one goroutine.
type Listener struct {
	hub  *Hub
	last uint64 // number of the last event that it has had
	page []Event
}

// Listen returns a Listener, which is to be closed. after is the number of the last event
// that it has had before; 0 = none. known tells whether the hub still has what came after that.
func (h *Hub) Listen(after uint64) (l *Listener, known bool) {
	if h.listeners.Add(1) == 1 {
		h.began()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	known = after <= h.last && after+uint64(len(h.ring)) >= h.last
	if after == 0 || !known {
		return &Listener{hub: h, last: h.last}, known
	}
	return &Listener{hub: h, last: after}, true
}

// Close ends the listening.
func (l *Listener) Close() {
	l.hub.listen(time.Now().Add(lasts))
	l.hub.listeners.Add(-1)
}

// Next waits for the next event and returns it with its number, or nil when none came in
// the given time. over says that none comes any more: ctx or the hub has ended. Whoever is
// too slow gets a Reset.
func (l *Listener) Next(ctx context.Context, atMost time.Duration) (e *Event, number uint64, over bool) {
	late := time.NewTimer(atMost)
	defer late.Stop()
	for len(l.page) == 0 {
		changed, over := l.fill()
		switch {
		case over:
			return nil, 0, true
		case changed == nil:
			continue
		}
		select {
		case <-changed:
		case <-late.C:
			return nil, 0, false
		case <-ctx.Done():
			return nil, 0, true
		}
	}
	e, l.page = &l.page[0], l.page[1:]
	return e, l.last - uint64(len(l.page)), false
}

// fill takes what there is; changed is closed when there may be more.
func (l *Listener) fill() (changed <-chan struct{}, over bool) {
	h := l.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	missed := h.last - l.last
	switch {
	case missed == 0:
		return h.changed, h.closed
	case missed > uint64(len(h.ring)):
		l.page = []Event{{Type: Reset, At: time.Now().UnixMicro()}}
	default:
		l.page = slices.Clone(h.ring[uint64(len(h.ring))-missed:])
	}
	l.last = h.last
	return nil, false
}
