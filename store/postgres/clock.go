package postgres

import (
	"sync"
	"time"
)

// clock estimates the database's clock between measurements and gives out
// positions. It never goes back.
type clock struct {
	test func() int64 // of a test; nil = the database's

	mu   sync.Mutex
	base time.Time // local, with a monotonic reading
	at   int64     // the database's clock then
	last int64     // given out last
	pos  int64     // position given out last
}

// measured takes a reading of the database's clock that was asked for at
// before and was there at after.
func (c *clock) measured(before, after time.Time, db int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	trip := after.Sub(before)
	if !c.base.IsZero() && trip > 100*time.Millisecond {
		return // too coarse to be better than what we have
	}
	c.base, c.at = before.Add(trip/2), db
}

func (c *clock) now() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nowLocked()
}

func (c *clock) nowLocked() int64 {
	if c.test != nil {
		return c.test()
	}
	c.last = max(c.last, c.at+time.Since(c.base).Microseconds())
	return c.last
}

// lease is the time to judge leases by: nil = the database looks at its own
// clock.
func (c *clock) lease() *int64 {
	if c.test == nil {
		return nil
	}
	now := c.test()
	return &now
}

// span is a run of positions.
type span struct {
	before int64 // the last position ahead of it
	first  int64
	n      int
}

// take gives out n positions: the time, but always new ones.
func (c *clock) take(n int) span {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := span{before: c.pos, first: max(c.nowLocked(), c.pos+1), n: n}
	if n > 0 {
		c.pos = s.first + int64(n) - 1
	}
	return s
}

// untake takes positions back that were not used after all, unless somebody
// got later ones in between.
func (c *clock) untake(s span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.n > 0 && c.pos == s.first+int64(s.n)-1 {
		c.pos = s.before
	}
}
