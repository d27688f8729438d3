package claim

import (
	"runtime"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/store"
)

// The end of a task that others depend on makes some of them ready, mostly on its own
// line, and a submission makes one ready on a line that is known. A claim that is made
// when that is written comes a commit too late: so one of the line is put on the way
// before, which rides in the transaction of the settle or the insert.

// longestRide bounds how long such a claim waits for the settle: it is there within
// microseconds, unless something holds it up, and then the loop has other things to do.
const longestRide = 10 * time.Millisecond

// span is where tasks wait that wakes have told of.
type span struct{ from, to int64 }

func (s span) with(pos int64) span { return span{min(s.from, pos), max(s.to, pos)} }

// ride is until when a claim waits for a settle.
type ride struct {
	over chan struct{}
	once sync.Once
}

// alight ends it; nil = there is none.
func (r *ride) alight() {
	if r != nil {
		r.once.Do(func() { close(r.over) })
	}
}

// expect has the loop claim along with the settle of an attempt that has ended. The
// caller alights when that is written.
func (l *Loop) expect(c *store.Claimed) (next *ride) {
	if c.Flags&store.FlagDeps == 0 {
		return nil
	}
	l.mu.Lock()
	return l.setOut(lineKey{c.Lane, c.Priority})
}

// Expect tells that a task is about to be stored, ready on a line. If the loop has nothing
// else to do, it claims along with the insert. The caller wakes it as ever when the task is
// stored, and calls over then; nil = it does not ride.
func (l *Loop) Expect(lane int32, priority int16) (over func()) {
	l.mu.Lock()
	if !l.resting || !l.served[lane] || l.next != nil || l.alone {
		l.mu.Unlock()
		return nil
	}
	l.resting = false
	return l.setOut(lineKey{lane, priority}).alight
}

// setOut puts a claim of a line on the way, which rides. l.mu is held, and let go.
func (l *Loop) setOut(k lineKey) *ride {
	l.expected[k] = true
	if l.next == nil {
		l.next = &ride{over: make(chan struct{})}
	}
	next := l.next
	l.mu.Unlock()
	time.AfterFunc(longestRide, next.alight)
	l.ring()
	runtime.Gosched() // the loop is quick, and the write takes longer to get there than the claim
	return next
}

// mostRode bounds how many wakes are waited for; those of tasks that another node made ready may never come.
const mostRode = 64

// ridden notes the last tasks that a riding claim took from lines, and left nothing there:
// the wake of a task that became ready in the transaction of its claim tells nothing new.
func (l *Loop) ridden(last []store.Woken) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rode)+len(last) > mostRode {
		clear(l.rode)
	}
	for _, w := range last {
		l.rode[w] = true
	}
}

// claimedAlong tells, once, whether a riding claim took what a wake tells of. l.mu is held.
func (l *Loop) claimedAlong(w store.Woken) bool {
	known := l.rode[w]
	delete(l.rode, w)
	return known
}

// takeExpected makes the lines candidates on which tasks are about to be ready, and
// returns until when a claim of them may wait: nil when something else is to be claimed,
// or nothing is expected. l.mu is held.
func (l *Loop) takeExpected(busy bool) <-chan struct{} {
	l.riding, l.next = l.next, nil
	for k := range l.expected {
		if line := l.lines.byKey[k]; line != nil {
			l.lines.wake(line)
		}
	}
	clear(l.expected)
	if busy || l.riding == nil {
		return nil
	}
	return l.riding.over
}
