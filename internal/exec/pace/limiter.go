package pace

import (
	"context"
	"sync"
	"time"
)

// forgiven is how long nothing must have been too much until the limit doubles again
// as it did in the beginning.
const forgiven = 2 * time.Minute

// Limits of the attempts on one host.
type Limits struct {
	Least int // at a time, whatever goes wrong; default 1
	Most  int // at a time
	Start int // at a time in the beginning; default Most
	Line  int // that wait for room, at most

	// Longest is how long one waits for room while others end; default 20 s.
	Longest time.Duration

	// Foresee lets only those wait that are likely to get room within their patience:
	// waiting takes room from other hosts.
	Foresee bool

	// Slots are shared with other hosts; nil = they are not.
	Slots *Slots
}

// Limiter bounds the attempts under way on one host (additive increase,
// multiplicative decrease). The limit grows by one with each attempt that went well,
// which doubles it in the time of one, until the first that did not; from then on it
// grows by one in the time of one attempt, until nothing was too much for two minutes.
// An attempt that was too much halves it, but for a floor; further ones that were under
// way at that moment do not count, for they tell of the same trouble. It grows only
// while it is what holds attempts back. Safe for concurrent use.
type Limiter struct {
	Limits

	mu       sync.Mutex
	limit    float64
	steady   bool // it was halved before
	cut      time.Time
	slowed   slowdown
	ill      float64 // share of the last attempts that went badly
	cuts     int64
	breaks   int64         // connections that broke
	moved    time.Time     // when an attempt ended last, or the first of those under way began
	took     time.Duration // attempts, on average
	inFlight int
	waiting  []chan struct{} // closed when there is room, oldest first
	empty    chan struct{}   // closed when no attempt is under way; nil = nobody waits for that
	apart    *time.Timer     // an attempt has the host for itself until it fires; nil = none has
}

// slowdown says why a limit is lower than it was.
type slowdown struct {
	since  time.Time // zero = it is not
	before float64
	why    Why
	text   string
}

// Ticket lets an attempt begin; it is given back with what came of it.
type Ticket struct {
	Began        time.Time
	cuts, breaks int64
	apart        *time.Timer // set when the attempt has the host for itself
}

// Effect is what an attempt says about how many its host can take at a time.
type Effect int8

// The effects.
const (
	Hold   Effect = iota // nothing
	Grow                 // it can take more
	Shrink               // it should get fewer
	Doubt                // it should get fewer, if most of the last attempts say so
)

// End is what came of an attempt.
type End struct {
	Effect Effect
	Broke  bool   // its connection broke
	Why    Why    // of Shrink and Doubt
	Text   string // the same, for people
}

// NewLimiter returns a limiter that has seen nothing yet.
func NewLimiter(l Limits) *Limiter {
	l.Least = min(max(l.Least, 1), l.Most)
	if l.Longest == 0 {
		l.Longest = 20 * time.Second
	}
	if l.Start == 0 {
		l.Start = l.Most
	}
	return &Limiter{Limits: l, limit: float64(max(min(l.Start, l.Most), l.Least))}
}

// Acquire waits for room, and tells whether there is some: it gives up when no attempt
// has ended for so long, and after Longest in any case.
func (l *Limiter) Acquire(ctx context.Context, patience time.Duration) (Ticket, bool) {
	l.mu.Lock()
	if len(l.waiting) == 0 && l.room() {
		defer l.mu.Unlock()
		return l.take(), true
	}
	if len(l.waiting) >= l.Line || l.Foresee && l.hopeless(patience) {
		l.mu.Unlock()
		return Ticket{}, false
	}
	room := make(chan struct{})
	l.waiting = append(l.waiting, room)
	l.mu.Unlock()

	for began := time.Now(); !l.waited(ctx, room, patience, began); {
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.forget(room) {
		return Ticket{}, false
	}
	return Ticket{Began: time.Now(), cuts: l.cuts, breaks: l.breaks}, true // whoever closed room has taken it for us
}

// AcquireApart waits for the host to itself, for a while, and tells whether it has it:
// nothing else begins meanwhile, nor for so long afterwards.
func (l *Limiter) AcquireApart(ctx context.Context, patience, length time.Duration) (Ticket, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.apart != nil {
		return Ticket{}, false
	}
	t := Ticket{cuts: l.cuts, apart: time.NewTimer(patience)}
	l.apart = t.apart
	if l.inFlight > 0 && !l.becameEmpty(ctx, t.apart.C) {
		l.together(t.apart)
		return Ticket{}, false
	}
	t.apart.Stop()
	t.apart = time.AfterFunc(length, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.together(t.apart)
	})
	l.apart = t.apart
	taken := l.take()
	t.Began, t.breaks = taken.Began, taken.breaks
	return t, true
}

// becameEmpty waits until no attempt is under way, and tells whether that came to be; mu
// is held before and after.
func (l *Limiter) becameEmpty(ctx context.Context, enough <-chan time.Time) bool {
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

// together ends the time in which an attempt has the host to itself.
func (l *Limiter) together(apart *time.Timer) {
	if apart != nil && l.apart == apart {
		apart.Stop()
		l.apart = nil
		l.admit()
	}
}

// waited waits for room for a while, and tells whether to wait no longer.
func (l *Limiter) waited(ctx context.Context, room <-chan struct{}, patience time.Duration, began time.Time) bool {
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
	l.admit() // other hosts may have made room
	select {
	case <-room:
		return true
	default:
		return time.Since(l.moved) >= patience || time.Since(began) > l.Longest
	}
}

// room tells whether one more may begin.
func (l *Limiter) room() bool {
	return l.apart == nil && l.inFlight < int(l.limit) && l.Slots.free(l.inFlight)
}

// hopeless tells whether a new one would wait longer than it wants to.
func (l *Limiter) hopeless(patience time.Duration) bool {
	before := time.Duration(len(l.waiting) + 1)
	return l.took*before/time.Duration(max(l.inFlight, 1)) > patience || time.Since(l.moved) > patience
}

func (l *Limiter) take() Ticket {
	now := time.Now()
	if l.inFlight++; l.inFlight == 1 {
		l.moved = now
	}
	l.Slots.take(1)
	return Ticket{Began: now, cuts: l.cuts, breaks: l.breaks}
}

// forget takes a waiting attempt out of the line; false when it has got its room.
func (l *Limiter) forget(room chan struct{}) bool {
	for i, other := range l.waiting {
		if other == room {
			l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// Release ends an attempt, and tells whether its connection broke alone: no other
// attempt was under way, and none of those that it began beside has broken; and whether
// the limit was halved for it.
func (l *Limiter) Release(t Ticket, e End) (alone, halved bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Broke {
		alone = l.inFlight == 1 && t.breaks == l.breaks
		l.breaks++
	}
	full := 2*l.inFlight >= int(l.limit)
	l.Slots.take(-1)
	if l.inFlight--; l.inFlight == 0 && l.empty != nil {
		close(l.empty)
		l.empty = nil
	}
	l.moved = time.Now()
	l.took += (l.moved.Sub(t.Began) - l.took) / 8
	l.note(&e)
	switch {
	case alone: // one attempt is not too many
	case e.Effect == Shrink && t.cuts == l.cuts:
		halved = l.halve(&e)
	case e.Effect == Grow && full:
		l.grow()
	}
	l.together(t.apart)
	l.admit()
	return alone, halved
}

// note counts what went well and badly, and makes up its mind about a doubt.
func (l *Limiter) note(e *End) {
	switch e.Effect {
	case Grow:
		l.ill -= l.ill / 8
	case Shrink, Doubt:
		l.ill += (1 - l.ill) / 8
	case Hold:
	}
	if e.Effect == Doubt && l.ill > 0.5 {
		e.Effect = Shrink
	}
}

// halve cuts the limit, and tells whether it was above the floor.
func (l *Limiter) halve(e *End) bool {
	before := l.limit
	l.limit, l.steady, l.cut = max(float64(l.Least), l.limit/2), true, l.moved
	l.cuts++
	if l.slowed.since.IsZero() && l.limit < before {
		l.slowed.since, l.slowed.before = l.moved, before
	}
	l.slowed.why, l.slowed.text = e.Why, e.Text
	return l.limit < before
}

func (l *Limiter) grow() {
	l.steady = l.steady && l.moved.Sub(l.cut) < forgiven
	step := 1.0
	if l.steady {
		step = 1 / l.limit
	}
	if l.limit = min(float64(l.Most), l.limit+step); l.limit >= l.slowed.before {
		l.slowed = slowdown{}
	}
}

// admit lets those begin that wait, as far as there is room.
func (l *Limiter) admit() {
	for len(l.waiting) > 0 && l.room() {
		l.take()
		close(l.waiting[0])
		l.waiting = l.waiting[1:]
	}
}

// Reset forgets what went wrong: the limit is what it was in the beginning.
func (l *Limiter) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit = max(l.limit, float64(max(min(l.Start, l.Most), l.Least)))
	l.steady, l.ill, l.slowed = false, 0, slowdown{}
	l.cuts++ // those under way tell of what was before
	l.admit()
}

// Apart is how far those should come back from each other that get no room, so that
// there are always a few more than the host can take; 0 = nothing has ended yet.
func (l *Limiter) Apart() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.took * 4 / 5 / time.Duration(max(int(l.limit), 1))
}

// idle tells whether no attempt is under way or waits.
func (l *Limiter) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inFlight == 0 && len(l.waiting) == 0
}
