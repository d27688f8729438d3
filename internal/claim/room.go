package claim

import (
	"maps"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/store"
)

// Room counts the attempts under way on a node, by queue, over all loops that it
// is given to, and keeps the queues that have a limit within it: a loop reserves
// before it claims, so no two of them can take the same place. A queue without a
// limit costs its count and nothing else. Safe for concurrent use.
type Room struct {
	mu      sync.Mutex
	limits  map[int32]int     // by queue: how many attempts may be under way
	paces   map[int32]*bucket // by queue: how often they may start
	taken   map[int32]int     // by queue: attempts under way, and places reserved for a claim
	total   int
	refused map[int32]map[*Loop]struct{} // by queue: who found no place, and is rung when there is one
	lately  map[int32]Lately             // by queue with a limit, since it was asked last
	pressed chan struct{}                // capacity 1
}

// Bound is a set of limits.
type Bound uint8

// The limits.
const (
	BySlots Bound = 1 << iota // attempts under way
	ByRate                    // starts
)

// Lately is what has happened in a queue with a limit.
type Lately struct {
	Peak    int   // attempts under way at a time
	Started int   // attempts
	Pressed Bound // limits that have kept a loop from starting what may have been there
}

// NewRoom returns a room in which no queue has a limit.
func NewRoom() *Room {
	return &Room{
		limits: map[int32]int{}, paces: map[int32]*bucket{}, taken: map[int32]int{}, refused: map[int32]map[*Loop]struct{}{},
		lately: map[int32]Lately{}, pressed: make(chan struct{}, 1),
	}
}

// Limit sets how many attempts of a queue may be under way on this node at a
// time, by the ids of queues, in place of all limits before; 0 = none may. What
// runs beyond a limit that was lowered goes on, and nothing joins it until there
// are fewer.
func (r *Room) Limit(limits map[int32]int) {
	r.mu.Lock()
	r.limits = maps.Clone(limits)
	if r.limits == nil {
		r.limits = map[int32]int{}
	}
	ring := r.everybody()
	r.mu.Unlock()
	ringAll(ring)
}

// Pace sets how often attempts of a queue may start on this node; a Pace without
// Every is none. credit is how many may start at once that could not before. What
// could have started at once, and must not any more, is returned.
func (r *Room) Pace(queue int32, p Pace, credit float64) (over float64) {
	r.mu.Lock()
	now := time.Now()
	b := r.paces[queue]
	switch {
	case p.Every == 0 && b != nil:
		over = b.level
		delete(r.paces, queue)
	case p.Every == 0:
	case b == nil:
		b = &bucket{at: now}
		r.paces[queue] = b
		fallthrough
	default:
		over = b.change(now, p, credit)
	}
	ring := r.waiters(queue)
	r.mu.Unlock()
	ringAll(ring)
	return max(over, 0)
}

// Uses is how many attempts of a queue are under way, as Running has it, and how many
// starts are promised to claims under way and attempts that have not begun.
func (r *Room) Uses(queue int32) (running, starts int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if b := r.paces[queue]; b != nil {
		starts = b.reserved
	}
	return r.taken[queue], starts
}

// Running is how many attempts of a queue are under way, and places reserved for
// claims under way if it has a limit.
func (r *Room) Running(queue int32) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.taken[queue]
}

// Total is Running over all queues.
func (r *Room) Total() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total
}

// Lately returns what has happened in the queues that have limits since it was called
// last.
func (r *Room) Lately() map[int32]Lately {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.lately
	r.lately = map[int32]Lately{}
	for queue, n := range r.taken {
		if l := was[queue]; r.limited(queue) && l.Peak < n {
			l.Peak = n
			was[queue] = l
		}
	}
	return was
}

// Pressed is told when a limit has kept a loop from starting something, for the first
// time since Lately was called.
func (r *Room) Pressed() <-chan struct{} { return r.pressed }

// reservation is places in queues that have a limit.
type reservation map[int32]places

type places struct {
	n   int
	cut Bound // why they are no more
}

// reserve cuts what a claim asks for down to the places that its queues have, and
// keeps these for it until enter. The first line of a queue gets all of them: the
// next ones are asked when it has shown to be empty. A loop that gets less than
// it asks for is rung when there is more.
func (r *Room) reserve(l *Loop, slots []store.ClaimSlot) ([]store.ClaimSlot, reservation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.limits)+len(r.paces) == 0 {
		return slots, nil
	}
	now := time.Now()
	kept, reserved := slots[:0], reservation{}
	for _, s := range slots {
		queue := l.lines.queues[s.Lane]
		free, why := r.places(queue, s.Limit, now)
		had := reserved[queue]
		if s.Limit = free; why != 0 {
			if r.refuse(l, queue, why); free+had.n == 0 {
				r.press(queue, why)
			}
		}
		if s.Limit > 0 {
			kept = append(kept, s)
			if why != 0 || r.limited(queue) {
				reserved[queue] = places{had.n + free, had.cut | why}
				r.take(queue, free)
				if b := r.paces[queue]; b != nil {
					b.reserved += free
				}
			}
		}
	}
	return kept, reserved
}

func (r *Room) limited(queue int32) bool {
	_, slots := r.limits[queue]
	return slots || r.paces[queue] != nil
}

// places is how many of the attempts that a loop asks for may start, and what keeps
// it from more.
func (r *Room) places(queue int32, asked int, now time.Time) (free int, why Bound) {
	free = asked
	if limit, limited := r.limits[queue]; limited && limit-r.taken[queue] < free {
		free, why = max(limit-r.taken[queue], 0), BySlots
	}
	if b := r.paces[queue]; b != nil {
		starts := b.free(now)
		if starts < free {
			free, why = starts, ByRate
		} else if starts == 0 {
			why |= ByRate
		}
	}
	return free, why
}

// enter ends a claim: what it brought takes the places, the others are free. Where there is
// a rate, the starts stay reserved until the attempts begin: of these buckets.
func (r *Room) enter(reserved reservation, got map[int32]int) (starts map[int32]*bucket) {
	if len(reserved) == 0 && len(got) == 0 {
		return nil
	}
	r.mu.Lock()
	var ring []*Loop
	now := time.Now()
	for queue, n := range got {
		r.take(queue, n)
		if r.limited(queue) {
			l := r.lately[queue]
			l.Started += n
			r.lately[queue] = l
		}
		if p := reserved[queue]; p.cut != 0 && n >= p.n {
			r.press(queue, p.cut)
		}
		if b := r.paces[queue]; b != nil {
			b.keep(now, reserved[queue].n, n)
			if starts == nil {
				starts = map[int32]*bucket{}
			}
			starts[queue] = b
		}
	}
	for queue, p := range reserved {
		if b := r.paces[queue]; b != nil && got[queue] == 0 {
			b.keep(now, p.n, 0)
		}
		ring = append(ring, r.free(queue, p.n)...)
	}
	r.mu.Unlock()
	ringAll(ring)
	return starts
}

// begin makes the start of an attempt, once.
func (r *Room) begin(f *flight) {
	r.mu.Lock()
	ring := r.start(f, 1)
	r.mu.Unlock()
	ringAll(ring)
}

// start ends the reservation of an attempt's start, made or not.
func (r *Room) start(f *flight, made int) []*Loop {
	b := f.start
	if f.start = nil; b == nil || b != r.paces[f.queue] {
		return nil
	}
	b.spend(time.Now(), min(1, b.reserved), made)
	return r.waiters(f.queue)
}

// leave ends an attempt. One that has not begun was no start.
func (r *Room) leave(f *flight) {
	r.mu.Lock()
	ring := append(r.start(f, 0), r.free(f.queue, 1)...)
	r.mu.Unlock()
	ringAll(ring)
}

func (r *Room) take(queue int32, n int) {
	r.taken[queue] += n
	r.total += n
	if r.limited(queue) {
		l := r.lately[queue]
		l.Peak = max(l.Peak, r.taken[queue])
		r.lately[queue] = l
	}
}

// free gives places back, and returns whom to ring for it.
func (r *Room) free(queue int32, n int) []*Loop {
	r.total -= n
	if r.taken[queue] -= n; r.taken[queue] == 0 {
		delete(r.taken, queue)
	}
	if limit, limited := r.limits[queue]; limited && r.taken[queue] >= limit {
		return nil
	}
	return r.waiters(queue)
}

func (r *Room) press(queue int32, why Bound) {
	l := r.lately[queue]
	if l.Pressed&why != why {
		select {
		case r.pressed <- struct{}{}:
		default:
		}
	}
	l.Pressed |= why
	r.lately[queue] = l
}

// refuse notes who is to be rung, and does it when time has brought a start.
func (r *Room) refuse(l *Loop, queue int32, why Bound) {
	if r.refused[queue] == nil {
		r.refused[queue] = map[*Loop]struct{}{}
	}
	r.refused[queue][l] = struct{}{}
	b := r.paces[queue]
	if b == nil || b.ringing || why&ByRate == 0 {
		return
	}
	if wait := b.wait(); wait > 0 {
		b.ringing = true
		time.AfterFunc(wait, func() {
			r.mu.Lock()
			b.ringing = false
			ring := r.waiters(queue)
			r.mu.Unlock()
			ringAll(ring)
		})
	}
}

// waiters takes those off the list who found no place in a queue.
func (r *Room) waiters(queue int32) []*Loop {
	if r.refused[queue] == nil {
		return nil
	}
	var loops []*Loop
	for l := range r.refused[queue] {
		loops = append(loops, l)
	}
	delete(r.refused, queue)
	return loops
}

func (r *Room) everybody() (ring []*Loop) {
	for queue := range r.refused {
		ring = append(ring, r.waiters(queue)...)
	}
	return ring
}

func ringAll(loops []*Loop) {
	for _, l := range loops {
		l.Ring()
	}
}
