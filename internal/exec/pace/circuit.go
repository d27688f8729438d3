package pace

import (
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/task"
)

// Why says in a word why an endpoint gets less than it could.
type Why string

// The reasons.
const (
	Unreachable Why = "unreachable" // there is no connection to it
	Refused     Why = "refused"     // it does not let us in
	Throttled   Why = "throttled"   // it says that it is too much, or when to come back
	Errors      Why = "errors"      // attempts fail, break off or get no answer in time
	Operator    Why = "operator"    // somebody has paused it
)

// How long an endpoint that is out of order is left alone: it doubles from one to the
// other until an attempt is answered well again. One that cannot be reached is asked
// more often, and only until there is a connection. When an endpoint says itself how
// long, that counts, up to maxAsked.
const (
	FirstPause = time.Second
	maxPause   = time.Minute
	maxAway    = 2 * time.Second
	maxAsked   = 5 * time.Minute
)

// So many tasks in a row must have been told when to come back, met with no connection,
// or gone badly otherwise, before Fault opens a circuit: fewer may tell of themselves.
// Those that lie further apart than recent are not in a row.
const (
	manyAsked       = 2
	manyUnreachable = 5
	manyBad         = 20
	recent          = 30 * time.Second
)

// Pause says why an endpoint is to be left alone.
type Pause struct {
	Why   Why
	Text  string
	Cause task.Cause
	For   time.Duration // as the endpoint asks; 0 = it does not
}

// Circuit leaves an endpoint alone for a while, and has one attempt go first when that
// is over. The zero value lets everybody in. Safe for concurrent use.
type Circuit struct {
	Line Line // of those who are put off

	mu      sync.Mutex
	pause   Pause         // why it is left alone; no Why = it is not
	until   time.Time     // until then
	since   time.Time     // since the first pause of this row
	length  time.Duration // of the last one
	probing time.Time     // since when an attempt is asking whether it is over; zero = none is

	paused time.Time // when the last pause began
	well   time.Time // when an attempt was answered well
	faults int       // tasks in a row that went badly
	last   task.ID   // the last of them
	lastAt time.Time
}

// Enter tells how long an attempt has to wait because the endpoint is left alone, and
// why; 0 = go on. When the time is over one goes first; and another one when that has no
// answer for a minute. Leave, Open, Pause or Fault must
// follow.
func (c *Circuit) Enter(now time.Time) (time.Duration, Pause) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pause.Why == "" {
		return 0, Pause{}
	}
	if now.Before(c.until) || now.Sub(c.probing) < maxPause {
		from := c.until
		if !now.Before(from) {
			from = now.Add(FirstPause)
		}
		return c.Line.Wait(now, from, 0), c.pause
	}
	c.probing = now
	return 0, c.pause
}

// Leave says that an attempt has shown nothing.
func (c *Circuit) Leave() {
	c.mu.Lock()
	c.probing = time.Time{}
	c.mu.Unlock()
}

// Connected tells that there is a connection to the endpoint. One that was away takes
// attempts again, however long the one takes that has found out.
func (c *Circuit) Connected() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pause.Why == Unreachable {
		c.open()
	}
}

// Away tells whether there was no connection the last time.
func (c *Circuit) Away() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pause.Why == Unreachable
}

// Open says that an attempt was answered well: the endpoint is not left alone any more.
// One that began before the pause shows nothing of it.
func (c *Circuit) Open(now, began time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults, c.well = 0, now
	if !began.Before(c.paused) {
		c.open()
	}
}

// Reset lets everybody in, whatever went wrong.
func (c *Circuit) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = 0
	c.open()
}

// Probe ends the time for which the endpoint is left alone: the next attempt asks whether
// it is well, at once.
func (c *Circuit) Probe() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until, c.probing = time.Time{}, time.Time{}
}

func (c *Circuit) open() {
	c.probing = time.Time{}
	if c.pause.Why != "" {
		c.pause, c.until, c.since, c.length = Pause{}, time.Time{}, time.Time{}, 0
		c.Line.Clear()
	}
}

// Pause leaves the endpoint alone, and tells whether that is new: while it is, those
// that were under way tell nothing.
func (c *Circuit) Pause(now time.Time, p Pause) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.probing = time.Time{}
	if now.Before(c.until) && !now.Add(min(p.For, maxAsked)).After(c.until) {
		return false
	}
	most := maxPause
	if p.Why == Unreachable {
		most = maxAway
	}
	if !now.Before(c.until) {
		c.length = min(max(2*c.length, FirstPause), most)
	}
	fresh := c.pause.Why == ""
	if fresh {
		c.since = now
	}
	c.paused, c.pause, c.until = now, p, now.Add(max(c.length, min(p.For, maxAsked)))
	return fresh
}

// Fault notes that an attempt of a task has gone badly, and leaves the endpoint alone
// when too many have in a row; that is, when only one is let in to ask, at once. It tells
// whether that is new.
func (c *Circuit) Fault(now time.Time, id task.ID, began time.Time, p Pause) bool {
	c.mu.Lock()
	if c.pause.Why == "" && began.Before(c.well) { // others fare better
		c.mu.Unlock()
		return false
	}
	switch {
	case began.Sub(c.lastAt) > recent:
		c.faults = 1
	case id != c.last:
		c.faults++
	}
	c.last, c.lastAt = id, now
	many := manyBad
	switch {
	case p.For > 0:
		many = manyAsked
	case p.Why == Unreachable:
		many = manyUnreachable
	}
	trips := c.faults >= many || c.pause.Why != ""
	c.mu.Unlock()
	return trips && c.Pause(now, p)
}
