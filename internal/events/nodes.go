package events

import (
	"slices"
	"time"
)

// What a node tells the others: its last events, as long as one of these listens.
const (
	maxTold   = 1000
	toldFor   = 15 * time.Second
	elsewhere = 10 * time.Second // that a word of a listener elsewhere is good for
)

// Told is what a node tells the others, in a row of its own that they read about once a
// second while one of them listens. Nodes of several versions read it: its names stay.
type Told struct {
	Listens bool    `json:"listens,omitempty"` // somebody listens at this node
	First   uint64  `json:"first,omitempty"`   // number of the first of Events, by this node's own count
	Events  []Event `json:"events,omitempty"`
}

type numbered struct {
	n uint64
	Event
}

// note is called with mu held.
func (h *Hub) note(e Event) {
	n := uint64(1)
	if len(h.own) > 0 {
		n = h.own[len(h.own)-1].n + 1
	}
	if len(h.own) == 2*maxTold {
		h.own = slices.Delete(h.own, 0, maxTold)
	}
	h.own = append(h.own, numbered{n, e})
}

// Tell is what this node tells the others now.
func (h *Hub) Tell() Told {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := Told{Listens: h.listeners.Load() > 0}
	if h.until.Load() <= time.Now().UnixMicro() {
		return t // nobody listens elsewhere
	}
	since := time.Now().Add(-toldFor).UnixMicro()
	for _, e := range h.own[max(len(h.own)-maxTold, 0):] {
		if e.At < since {
			continue
		}
		if len(t.Events) == 0 {
			t.First = e.n
		}
		t.Events = append(t.Events, e.Event)
	}
	return t
}

// Listening says that somebody listens at another node.
func (h *Hub) Listening() { h.listen(time.Now().Add(elsewhere)) }

// Listened tells whether somebody listens at this node.
func (h *Hub) Listened() bool { return h.listeners.Load() > 0 }

// Hear takes what the other nodes tell. What they have told before is not heard again,
// and a Reset stands for what was missed.
func (h *Hub) Hear(all map[string]Told) {
	h.mu.Lock()
	defer h.mu.Unlock()
	heard := make(map[string]uint64, len(all))
	for node, t := range all {
		if t.Listens {
			h.Listening()
		}
		last, known := h.heard[node]
		heard[node] = last
		if end := t.First + uint64(len(t.Events)); len(t.Events) > 0 && end > last+1 {
			h.hear(t, last, known)
			heard[node] = end - 1
		}
	}
	h.heard = heard
}

// hear takes what a node tells after the last event that was heard of it.
func (h *Hub) hear(t Told, last uint64, known bool) {
	if !h.Listened() {
		return
	}
	if known && t.First > last+1 {
		h.put(Event{Type: Reset, At: time.Now().UnixMicro()})
	}
	skip := uint64(0)
	if last >= t.First {
		skip = last + 1 - t.First
	}
	for _, e := range t.Events[skip:] {
		h.put(e)
	}
}
