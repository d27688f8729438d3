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
	breaks   int64     // connections that broke
	moved    time.Time // when a run ended last
	inFlight int
	waiting  []chan struct{} // closed when there is room, oldest first
	empty    chan struct{}   // closed when no run is under way; nil = nobody waits for that
	apart    *time.Timer     // a run has the host for itself until it fires; nil = none has
}

// ticket lets a run begin; it is given back with what came of it.
type ticket struct {
	cuts, breaks int64
	apart        *time.Timer // set when the run has the host for itself
}

func newLimiter(least, most, queue int) *limiter {
	least = min(max(least, 1), most)
	return &limiter{least: least, most: most, queue: queue, limit: float64(max(min(startLimit, most), least))}
}

// acquire waits for room, and tells whether there is some: it gives up when no run
// has ended for so long, and after maxPatience in any case.
func (l *limiter) acquire(ctx context.Context, patience time.Duration) (ticket, bool) {
	l.mu.Lock()
	if l.apart == nil && l.inFlight < int(l.limit) && len(l.waiting) == 0 {
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
	return ticket{cuts: l.cuts, breaks: l.breaks}, true // whoever closed room has taken it for us
}

// acquireApart waits for the host to itself, for a while, and tells whether it has it:
// nothing else begins meanwhile, nor for so long afterwards.
func (l *limiter) acquireApart(ctx context.Context, patience, length time.Duration) (ticket, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.apart != nil {
		return ticket{}, false
	}
	t := ticket{cuts: l.cuts, apart: time.NewTimer(patience)}
	l.apart = t.apart
	if l.inFlight > 0 && !l.becameEmpty(ctx, t.apart.C) {
		l.together(t.apart)
		return ticket{}, false
	}
	t.apart.Stop()
	t.apart = time.AfterFunc(length, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.together(t.apart)
	})
	l.apart, t.breaks = t.apart, l.breaks
	l.inFlight++
	return t, true
}

// becameEmpty waits until no run is under way, and tells whether that came to be; mu is
// held before and after.
func (l *limiter) becameEmpty(ctx context.Context, enough <-chan time.Time) bool {
	empty := make(chan struct{})
	l.empty = empty
	l.mu.Unlock()
	select {
	case <-empty:
	case <-enough:
	case <-ctx.Done():
	}
	l.mu.Lock()
	l.empty = nil
	return l.inFlight == 0
}

// together ends the time in which a run has the host to itself.
func (l *limiter) together(apart *time.Timer) {
	if apart != nil && l.apart == apart {
		apart.Stop()
		l.apart = nil
		l.admit()
	}
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
	return ticket{cuts: l.cuts, breaks: l.breaks}
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

// release ends a run whose connection broke, or did not, and tells whether that broke
// alone: no other run was under way, and none of those that it began beside has broken.
func (l *limiter) release(t ticket, e effect, broke bool) (alone bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if broke {
		alone = l.inFlight == 1 && t.breaks == l.breaks
		l.breaks++
	}
	full := 2*l.inFlight >= int(l.limit)
	if l.inFlight--; l.inFlight == 0 && l.empty != nil {
		close(l.empty)
		l.empty = nil
	}
	l.moved = time.Now()
	switch {
	case alone: // one run is not too many
	case e == shrink && t.cuts == l.cuts:
		l.limit, l.steady = max(float64(l.least), l.limit/2), true
		l.cuts++
	case e == grow && full && l.steady:
		l.limit = min(float64(l.most), l.limit+1/l.limit)
	case e == grow && full:
		l.limit = min(float64(l.most), l.limit+1)
	}
	l.together(t.apart)
	l.admit()
	return alone
}

// admit lets those begin that wait, as far as there is room.
func (l *limiter) admit() {
	for l.apart == nil && len(l.waiting) > 0 && l.inFlight < int(l.limit) {
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
