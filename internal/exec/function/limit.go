package function

import (
	"context"
	"sync"
	"time"
)

// Where a limit starts, and how long a run waits for room before it is put off.
const (
	startLimit  = 20
	patience    = time.Second // without any run that ends
	maxPatience = 20 * time.Second
	busyWait    = 2 * time.Second
)

// limiter bounds the runs under way on one host (additive increase,
// multiplicative decrease). It begins at 20 and grows by one with each run that
// went well, which doubles it in the time of one run, until the first that did
// not; from then on it grows by one in the time of one run. A run that went badly
// halves it, but for a floor; further ones that were under way at that moment do not
// count, for they tell of the same trouble. It grows only while it is what holds
// runs back.
type limiter struct {
	least, most int // runs at a time
	queue       int // waiting, at most

	mu       sync.Mutex
	limit    float64
	steady   bool // it was halved before
	cuts     int64
	moved    time.Time // when a run ended last
	inFlight int
	waiting  []chan struct{} // closed when there is room, oldest first
}

// ticket lets a run begin; it is given back with what came of it.
type ticket struct{ cuts int64 }

func newLimiter(least, most, queue int) *limiter {
	least = min(max(least, 1), most)
	return &limiter{least: least, most: most, queue: queue, limit: float64(max(min(startLimit, most), least))}
}

// acquire waits for room, and tells whether there is some: it gives up when no run
// has ended for so long, and after maxPatience in any case.
func (l *limiter) acquire(ctx context.Context, patience time.Duration) (ticket, bool) {
	l.mu.Lock()
	if l.inFlight < int(l.limit) && len(l.waiting) == 0 {
		defer l.mu.Unlock()
		return l.take(), true
	}
	if len(l.waiting) >= l.queue {
		l.mu.Unlock()
		return ticket{}, false
	}
	room := make(chan struct{})
	l.waiting = append(l.waiting, room)
	l.mu.Unlock()

	for began := time.Now(); !l.waited(ctx, room, patience, began); {
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.forget(room) {
		return ticket{}, false
	}
	return ticket{l.cuts}, true // whoever closed room has taken it for us
}

// waited waits for room for a while, and tells whether to wait no longer.
func (l *limiter) waited(ctx context.Context, room <-chan struct{}, patience time.Duration, began time.Time) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-room:
		return true
	case <-ctx.Done():
		return true
	case <-timer.C:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(l.moved) > patience || time.Since(began) > maxPatience
}

func (l *limiter) take() ticket {
	l.inFlight++
	return ticket{l.cuts}
}

// forget takes a waiting run out of the line; false when it has got its room.
func (l *limiter) forget(room chan struct{}) bool {
	for i, other := range l.waiting {
		if other == room {
			l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// release ends a run.
func (l *limiter) release(t ticket, e effect) {
	l.mu.Lock()
	defer l.mu.Unlock()
	full := 2*l.inFlight >= int(l.limit)
	l.inFlight--
	l.moved = time.Now()
	switch {
	case e == shrink && t.cuts == l.cuts:
		l.limit, l.steady = max(float64(l.least), l.limit/2), true
		l.cuts++
	case e == grow && full && l.steady:
		l.limit = min(float64(l.most), l.limit+1/l.limit)
	case e == grow && full:
		l.limit = min(float64(l.most), l.limit+1)
	}
	for len(l.waiting) > 0 && l.inFlight < int(l.limit) {
		l.take()
		close(l.waiting[0])
		l.waiting = l.waiting[1:]
	}
}

// idle tells whether no run is under way or waits.
func (l *limiter) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inFlight == 0 && len(l.waiting) == 0
}

func (l *limiter) stats() (limit, inFlight, waiting int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int(l.limit), l.inFlight, len(l.waiting)
}
