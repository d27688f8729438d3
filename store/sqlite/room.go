package sqlite

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/disk"
)

// room keeps an eye on the disk of the file, so that submissions are refused while there is
// some left for what was accepted before.
type room struct {
	path  string
	least int64 // bytes; 0 = whatever there is
	free  atomic.Int64
	until atomic.Int64 // what was seen is good, in microseconds of the time since start
	start time.Time
}

// lookEvery is how long what was seen of the disk is good.
const lookEvery = 200 * time.Millisecond

// enough is store.ErrFull when less is free than is to be left.
func (r *room) enough() error {
	if r.least == 0 {
		return nil
	}
	if now := time.Since(r.start).Microseconds(); r.until.Load() <= now {
		free, total, err := disk.Room(r.path)
		if err != nil || total == 0 { // a write says more
			free = r.least
		}
		r.free.Store(free)
		r.until.Store(now + lookEvery.Microseconds())
	}
	if free := r.free.Load(); free < r.least {
		return fmt.Errorf("%w, but for %d bytes of the %d that are left for what was accepted", store.ErrFull, free, r.least)
	}
	return nil
}
