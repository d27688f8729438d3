package durable

import (
	"container/list"
	"sync"
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
	busy   map[string]func() // runs under way, and how to interrupt them
	leave  sync.WaitGroup    // evictions under way
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

func newCache(size int, ttl time.Duration) *cache {
	return &cache{size: size, ttl: ttl, order: list.New(), byID: make(map[string]*list.Element), busy: make(map[string]func())}
}

// begin marks a run as under way and takes it out, if it is there. ok is false
// when it is under way already; then that one is interrupted, because a server
// that asks again has given it up.
func (c *cache) begin(id string, interrupt func()) (w *warm, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if other := c.busy[id]; other != nil {
		other()
		return nil, false
	}
	if c.closed {
		return nil, false
	}
	c.busy[id] = interrupt
	if e := c.byID[id]; e != nil {
		w = c.remove(e)
	}
	c.expire()
	return w, true
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
	for _, interrupt := range c.busy {
		interrupt()
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
