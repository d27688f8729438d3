// Package pipeline gathers concurrent calls into batches: the one place in
// Sendoff that batches. Both floors use it in front of their write
// transactions, so that a hundred callers share one commit (group commit).
//
// It is adaptive and never lingers: an idle pipeline starts at once, a busy one
// takes everything that arrived while the batch before it was committing.
package pipeline

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// ErrClosed says that the pipeline takes no more calls.
var ErrClosed = errors.New("pipeline closed")

// Pipeline hands what callers bring to one goroutine, in batches.
type Pipeline[T any] struct {
	handle func([]T)
	weight func(T) int
	limit  int

	mu      sync.Mutex
	waiting []*call[T]
	closed  bool

	wake chan struct{} // capacity 1: there is something to do
	done chan struct{} // closed when the goroutine has ended
}

type call[T any] struct {
	item  T
	rides bool // it begins no batch
	done  chan struct{}
}

// New starts a pipeline. handle gets batches of at most limit in weight (one
// item at least), in the order of arrival, one batch at a time; it leaves its
// results in the items. Callers are released when it returns.
func New[T any](limit int, weight func(T) int, handle func([]T)) *Pipeline[T] {
	p := &Pipeline[T]{
		handle: handle, weight: weight, limit: limit,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	go p.run()
	return p
}

// Do puts an item into the next batch and waits until the batch was handled. An
// error means that the caller must not read results: ErrClosed, or that ctx
// ended while the item waited, in which case it is handled all the same.
func (p *Pipeline[T]) Do(ctx context.Context, item T) error {
	return p.Ride(ctx, item, nil)
}

// Ride is Do of an item that begins no batch before alight is closed, but goes along with
// one that another item begins; nil = it begins one at once.
func (p *Pipeline[T]) Ride(ctx context.Context, item T, alight <-chan struct{}) error {
	c := &call[T]{item: item, rides: alight != nil, done: make(chan struct{})}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return ErrClosed
	}
	p.waiting = append(p.waiting, c)
	if !c.rides {
		p.ring()
	}
	p.mu.Unlock()
	select {
	case <-c.done:
		return nil
	case <-alight:
		p.begin(c)
	case <-ctx.Done():
		p.begin(c) // it is handled all the same
		return ctx.Err()
	}
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Riders takes out what rides just now, for somebody else to handle, who calls handled
// when that is done.
func (p *Pipeline[T]) Riders() (items []T, handled func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var riders []*call[T]
	p.waiting = slices.DeleteFunc(p.waiting, func(c *call[T]) bool {
		if c.rides {
			riders = append(riders, c)
			items = append(items, c.item)
		}
		return c.rides
	})
	return items, func() {
		for _, c := range riders {
			close(c.done)
		}
	}
}

// begin has a call begin a batch.
func (p *Pipeline[T]) begin(c *call[T]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.rides = false; !p.closed {
		p.ring()
	}
}

// ring tells that there is something to do; p.mu is held, so that Close has not closed it.
func (p *Pipeline[T]) ring() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Close lets the waiting items be handled and ends the pipeline.
func (p *Pipeline[T]) Close() {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.wake)
	}
	p.mu.Unlock()
	<-p.done
}

func (p *Pipeline[T]) run() {
	defer close(p.done)
	for open := true; open; {
		_, open = <-p.wake
		for batch := p.take(); batch != nil; batch = p.take() {
			items := make([]T, len(batch))
			for i, c := range batch {
				items[i] = c.item
			}
			p.handle(items)
			for _, c := range batch {
				close(c.done)
			}
		}
	}
}

// take removes the next batch from what waits; nil when nothing does.
func (p *Pipeline[T]) take() []*call[T] {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 || !p.closed && !slices.ContainsFunc(p.waiting, func(c *call[T]) bool { return !c.rides }) {
		return nil
	}
	total := 0
	for n, c := range p.waiting {
		total += p.weight(c.item)
		if total > p.limit && n > 0 {
			batch := p.waiting[:n:n]
			p.waiting = p.waiting[n:]
			return batch
		}
	}
	batch := p.waiting
	p.waiting = nil
	return batch
}
