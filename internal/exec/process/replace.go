//go:build unix

package process

import "fmt"

const askedFor = "somebody has asked for another one"

// Replace has a worker end when its task has, at once when it has none; another one is
// started as far as one is needed. ErrNoWorker, ErrWorkerState while it starts or ends.
func (p *Pool) Replace(number int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.workers[number]
	switch {
	case w == nil:
		return fmt.Errorf("worker %d: %w", number, ErrNoWorker)
	case w.state == idle:
		p.retired++
		p.retire(w, askedFor)
		p.scale()
	case w.state == running:
		w.unwanted = true
	default:
		return fmt.Errorf("worker %d is %s: %w", number, w.state, ErrWorkerState)
	}
	return nil
}
