package durable

import (
	"cmp"
	"container/heap"
)

// clock is the time of a run: when it last learned something, and what time will do.
type clock struct {
	last      int64 // microseconds: when the last event was recorded
	timers    timers
	timerOf   map[uint64]*Future
	deadlines map[*Future]*scope
}

func newClock() clock {
	return clock{timerOf: make(map[uint64]*Future), deadlines: make(map[*Future]*scope)}
}

// tick notes the time of an event; it never goes back.
func (c *clock) tick(at int64) int64 {
	c.last = max(c.last, at)
	return c.last
}

// start adds a timer.
func (c *clock) start(f *Future) {
	c.timers.add(f)
	c.timerOf[f.ordinal] = f
}

// due returns a timer that is due, or nil.
func (c *clock) due(now int64) *Future {
	if f := c.timers.nearest(); f != nil && f.at <= now {
		return f
	}
	return nil
}

// passed returns the scope that a timer ends when it goes off, or nil.
func (c *clock) passed(f *Future) *scope {
	s := c.deadlines[f]
	delete(c.deadlines, f)
	return s
}

// timers holds timers, the next one first. Those that have ended stay until
// they come up.
type timers []*Future

func (t timers) Len() int { return len(t) }
func (t timers) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(t[i].at, t[j].at), cmp.Compare(t[i].ordinal, t[j].ordinal)) < 0
}
func (t timers) Swap(i, j int) { t[i], t[j] = t[j], t[i] }
func (t *timers) Push(x any)   { *t = append(*t, x.(*Future)) }

// Pop implements heap.Interface.
func (t *timers) Pop() any {
	last := len(*t) - 1
	f := (*t)[last]
	*t = (*t)[:last]
	return f
}

func (t *timers) add(f *Future) { heap.Push(t, f) }

// nearest returns the next timer that has not ended, or nil.
func (t *timers) nearest() *Future {
	for t.Len() > 0 {
		if f := (*t)[0]; !f.done {
			return f
		}
		heap.Pop(t)
	}
	return nil
}
