package engine

import (
	"context"
	"sync"
	"time"
)

// ending is how a run comes to its end: attempts under way get a grace, and what they
// have to write a while after that.
type ending struct {
	hurry  chan struct{} // closed by Hurry
	once   sync.Once
	writes context.Context //nolint:containedctx // of settles: ends when nothing more can be written
	end    context.CancelFunc
}

func newEnding() *ending {
	e := &ending{hurry: make(chan struct{})}
	e.writes, e.end = context.WithCancel(context.Background())
	return e
}

// Hurry ends the grace of a stop that is under way: attempts are interrupted and
// handed back at once.
func (e *ending) Hurry() { e.once.Do(func() { close(e.hurry) }) }

// lastWrites is how long the attempts that were cut off have to be handed back.
const lastWrites = 5 * time.Second

// drain calls wait, which returns when no attempt is under way any more. Its context
// ends with the grace, or with Hurry. What cannot be written a while after that,
// because the database is gone, is left to the rescue.
func (e *ending) drain(grace time.Duration, wait func(ctx context.Context)) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	over := make(chan struct{})
	defer close(over)
	go func() {
		select {
		case <-e.hurry:
			cancel()
		case <-ctx.Done():
		case <-over:
			return
		}
		select {
		case <-time.After(lastWrites):
			e.end()
		case <-over:
		}
	}()
	wait(ctx)
}
