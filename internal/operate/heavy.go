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

// heavy waits for the turn of what reads many rows, and returns what ends it.
// ErrBusy when it does not come soon.
func (o *Operator) heavy(ctx context.Context) (func(), error) {
	end := func() { <-o.turns }
	select {
	case o.turns <- struct{}{}:
		return end, nil
	default:
	}
	patience := time.NewTimer(heavyPatience)
	defer patience.Stop()
	select {
	case o.turns <- struct{}{}:
		return end, nil
	case <-patience.C:
		return nil, ErrBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
