package engine

import (
	"log/slog"
	"sync"
	"time"
)

// logUnknown returns a function that logs errors of the database, of which clients
// only hear that it does not answer. Where one request fails all do, so it writes
// a line a second at most, with the number of those left out before it.
func logUnknown(logger *slog.Logger) func(error) {
	var mu sync.Mutex
	var last time.Time
	omitted := 0
	return func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); now.Sub(last) >= time.Second {
			logger.Warn("a request failed with the database", slog.Any("err", err), slog.Int("omitted", omitted))
			last, omitted = now, 0
			return
		}
		omitted++
	}
}
