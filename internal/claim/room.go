package claim

import (
	"maps"
	"sync"

	"github.com/sendoff-dev/sendoff/store"
)

// Room counts the attempts under way on a node, by queue, over all loops that it
// is given to, and keeps the queues that have a limit within it: a loop reserves
// before it claims, so no two of them can take the same place. A queue without a
// limit costs its count and nothing else. Safe for concurrent use.
type Room struct {
	mu      sync.Mutex
	limits  map[int32]int // by queue; nil = none has one
	taken   map[int32]int // by queue: attempts under way, and places reserved for a claim
	total   int
	refused map[int32]map[*Loop]struct{} // by queue: who found no place, and is rung when there is one
}

// NewRoom returns a room in which no queue has a limit.
func NewRoom() *Room {
	return &Room{taken: map[int32]int{}, refused: map[int32]map[*Loop]struct{}{}}
}

// Limit sets how many attempts of a queue may be under way on this node at a
// time, by the ids of queues, in place of all limits before; 0 = none may. What
// runs beyond a limit that was lowered goes on, and nothing joins it until there
// are fewer.
func (r *Room) Limit(limits map[int32]int) {
	r.mu.Lock()
	if r.limits = maps.Clone(limits); len(limits) == 0 {
		r.limits = nil
	}
	var ring []*Loop
	for queue := range r.refused {
		ring = append(ring, r.waiters(queue)...)
	}
	r.mu.Unlock()
	ringAll(ring)
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

// reservation is places in queues that have a limit.
type reservation map[int32]int

// reserve cuts what a claim asks for down to the places that its queues have, and
// keeps these for it until enter. The first line of a queue gets all of them: the
// next ones are asked when it has shown to be empty. A loop that gets less than
// it asks for is rung when there is more.
func (r *Room) reserve(l *Loop, slots []store.ClaimSlot) ([]store.ClaimSlot, reservation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.limits == nil {
		return slots, nil
	}
	kept, reserved := slots[:0], reservation{}
	for _, s := range slots {
		queue := l.lines.queues[s.Lane]
		limit, limited := r.limits[queue]
		if !limited {
			kept = append(kept, s)
			continue
		}
		places := max(limit-r.taken[queue], 0)
		if places < s.Limit {
			s.Limit = places
			r.refuse(l, queue)
		}
		if s.Limit > 0 {
			kept = append(kept, s)
			reserved[queue] += s.Limit
			r.take(queue, s.Limit)
		}
	}
	return kept, reserved
}

// enter ends a claim: what it brought takes the places, the others are free.
func (r *Room) enter(reserved reservation, got map[int32]int) {
	if len(reserved) == 0 && len(got) == 0 {
		return
	}
	r.mu.Lock()
	var ring []*Loop
	for queue, n := range got {
		r.take(queue, n)
	}
	for queue, n := range reserved {
		ring = append(ring, r.free(queue, n)...)
	}
	r.mu.Unlock()
	ringAll(ring)
}

// leave ends an attempt.
func (r *Room) leave(queue int32) {
	r.mu.Lock()
	ring := r.free(queue, 1)
	r.mu.Unlock()
	ringAll(ring)
}

func (r *Room) take(queue int32, n int) {
	r.taken[queue] += n
	r.total += n
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

func (r *Room) refuse(l *Loop, queue int32) {
	if r.refused[queue] == nil {
		r.refused[queue] = map[*Loop]struct{}{}
	}
	r.refused[queue][l] = struct{}{}
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

func ringAll(loops []*Loop) {
	for _, l := range loops {
		l.Ring()
	}
}
