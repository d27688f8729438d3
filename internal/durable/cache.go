package durable

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// cache holds suspended runs in memory, the least recently used one last. What
// falls out is evicted. The zero cache is not usable; see newCache.
type cache struct {
	mu     sync.Mutex
	size   int
	ttl    time.Duration
	order  *list.List // of *warm
	byID   map[string]*list.Element
	busy   map[string]*active
	last   map[string]int64 // tokens of the attempts that were answered last
	recent []string         // ids in last, as a ring
	next   int
	leave  sync.WaitGroup // evictions under way
	closed bool
}

// warm is a suspended run and what the server must say to get it.
type warm struct {
	id     string
	run    *Run
	length int64  // of the journal at the server
	writer int64  // token of who appended last
	state  uint64 // hash of the state that travels
	since  time.Time
}

// active is a run under way.
type active struct {
	token     int64
	interrupt func()
	answered  bool // it only remains to be written
	done      chan struct{}
	told      atomic.Int64 // when its context ended, nanoseconds; 0 = it has not
}

// tell notes that the context has ended.
func (a *active) tell() { a.told.Store(time.Now().UnixNano()) }

// denial is why an attempt may not begin, and when it is worth to ask again; 0 =
// whenever the server likes.
type denial struct {
	text string
	wait time.Duration
}

// The waits of attempts that meet an earlier one: as long as that has been told to
// stop for, within these bounds.
const (
	minStop = time.Second
	maxStop = time.Minute
)

// busy says why an attempt has to wait for this one.
func (a *active) busy() *denial {
	told := a.told.Load()
	if told == 0 {
		return &denial{"another attempt of this run is under way here", minStop}
	}
	since := time.Since(time.Unix(0, told))
	return &denial{fmt.Sprintf("an earlier attempt of this run was told to stop %s ago, for its time was over or the call was canceled, and is still under way here: a function has to end when its ctx does",
		since.Round(100*time.Millisecond)), min(max(since, minStop), maxStop)}
}

// maxTokens bounds the memory for attempts that are over.
const maxTokens = 1 << 14

func newCache(size int, ttl time.Duration) *cache {
	return &cache{
		size: size, ttl: ttl, order: list.New(), byID: make(map[string]*list.Element),
		busy: make(map[string]*active), last: make(map[string]int64), recent: make([]string, maxTokens),
	}
}

// begin marks an attempt as under way and takes the run out, if it is there. A
// newer attempt interrupts one that is under way, because the server has given
// that up; why says why an attempt may not begin. One that is only being
// answered is waited for.
func (c *cache) begin(ctx context.Context, id string, a *active) (w *warm, why *denial) {
	for {
		c.mu.Lock()
		other := c.busy[id]
		if other == nil {
			defer c.mu.Unlock()
			return c.admit(id, a)
		}
		answered := other.answered
		if !answered && a.token > other.token {
			other.interrupt()
		}
		c.mu.Unlock()
		if !answered {
			return nil, other.busy()
		}
		select {
		case <-other.done:
		case <-ctx.Done():
			return nil, &denial{text: "the attempt was given up"}
		}
	}
}

func (c *cache) admit(id string, a *active) (w *warm, why *denial) {
	if c.closed {
		return nil, &denial{text: "the endpoint is closing"}
	}
	if a.token > 0 && a.token <= c.last[id] {
		return nil, &denial{text: "this attempt is over, or a newer one was answered"}
	}
	c.busy[id] = a
	if e := c.byID[id]; e != nil {
		w = c.remove(e)
	}
	c.expire()
	return w, nil
}

// answered notes that the answer of an attempt is ready. again means that the
// server may send the same attempt once more.
func (c *cache) answered(id string, a *active, again bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a.answered = true
	if again || a.token == 0 {
		return
	}
	if _, known := c.last[id]; !known {
		delete(c.last, c.recent[c.next])
		c.recent[c.next] = id
		c.next = (c.next + 1) % len(c.recent)
	}
	c.last[id] = a.token
}

func (c *cache) remove(e *list.Element) *warm {
	w := e.Value.(*warm)
	c.order.Remove(e)
	delete(c.byID, w.id)
	return w
}

// end gives back what begin took. keep nil means that nothing is kept.
func (c *cache) end(id string, keep *warm) {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.busy[id].done)
	delete(c.busy, id)
	if keep == nil {
		return
	}
	if c.closed || c.size <= 0 {
		c.drop(keep)
		return
	}
	keep.since = time.Now()
	c.byID[id] = c.order.PushFront(keep)
	for c.order.Len() > c.size {
		c.drop(c.remove(c.order.Back()))
	}
}

func (c *cache) expire() {
	for e := c.order.Back(); e != nil && time.Since(e.Value.(*warm).since) > c.ttl; e = c.order.Back() {
		c.drop(c.remove(e))
	}
}

// drop evicts in the background: the user's deferred functions run there.
func (c *cache) drop(w *warm) { c.leave.Go(w.run.evict) }

// close evicts all and waits until that is done.
func (c *cache) close() {
	c.mu.Lock()
	c.closed = true
	for _, a := range c.busy {
		a.interrupt()
	}
	for c.order.Len() > 0 {
		c.drop(c.remove(c.order.Back()))
	}
	c.mu.Unlock()
	c.leave.Wait()
}

func (c *cache) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.Len()
}
