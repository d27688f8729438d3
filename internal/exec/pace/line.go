package pace

import (
	"math/rand/v2"
	"sync"
	"time"
)

// How far those who are put off come back from each other where nothing else is known,
// so that a long line of them does not keep the database busy while an endpoint is away;
// and how long the line gets before the others are spread over it.
const (
	apart     = 5 * time.Millisecond
	mostApart = time.Second
	longest   = 5 * time.Minute
)

// Those whose places lie within group of each other come together: what they cost the
// database is then a transaction for all of them.
const group = 100 * time.Millisecond

// Line says when those come back that are put off, one after the other. The zero value
// is an empty one. Safe for concurrent use.
type Line struct {
	mu  sync.Mutex
	end time.Time
}

// Wait returns how long one more has to wait that is not wanted before from. The next
// one comes so long after it; 0 = 5 ms, and at most a second.
func (l *Line) Wait(now, from time.Time, step time.Duration) time.Duration {
	if step <= 0 {
		step = apart
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	place := from
	if l.end.After(from) {
		place = l.end
	}
	if place.Sub(from) > longest {
		return from.Sub(now) + longest/2 + rand.N(longest/2)
	}
	l.end = place.Add(min(step, mostApart))
	if place.After(from) {
		place = place.Add(group - 1).Truncate(group)
	}
	return place.Sub(now)
}

// Clear empties the line: those who come from now on are not put behind it.
func (l *Line) Clear() {
	l.mu.Lock()
	l.end = time.Time{}
	l.mu.Unlock()
}
