package operate

import (
	"context"
	"errors"
	"time"
)

// ErrBusy says that too many listings are under way.
var ErrBusy = errors.New("too many listings are under way: try again in a second")

const (
	heavyAtATime  = 2               // listings that read many rows: readers of the database are left for everything else
	heavyPatience = 2 * time.Second // of those that wait for their turn
)

// heavy has a place for each listing that reads many rows and is under way.
type heavy chan struct{}

// begin waits for the turn of what reads many rows, and returns what ends it.
// ErrBusy when it does not come soon.
func (h heavy) begin(ctx context.Context) (end func(), err error) {
	end = func() { <-h }
	select {
	case h <- struct{}{}:
		return end, nil
	default:
	}
	patience := time.NewTimer(heavyPatience)
	defer patience.Stop()
	select {
	case h <- struct{}{}:
		return end, nil
	case <-patience.C:
		return nil, ErrBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
