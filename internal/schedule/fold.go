package schedule

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/sendoff-dev/sendoff/store"
)

// folds are what becomes of rollups with time: ten seconds go, minutes become ten minutes,
// these hours, and these go.
var folds = []struct{ from, to, keep int64 }{
	{store.TenSeconds, 0, store.KeepTenSeconds},
	{store.Minute, store.TenMinutes, store.KeepMinutes},
	{store.TenMinutes, store.Hour, store.KeepTenMinutes},
	{store.Hour, 0, store.KeepHours},
}

// fold folds rollups that are old enough, every few minutes.
func (s *Scheduler) fold(ctx context.Context) error {
	return s.every(ctx, func() time.Duration { return 5*time.Minute + rand.N(time.Minute) }, func() bool {
		more := false
		for _, f := range folds {
			before := s.cfg.Store.Now() - f.keep
			n, err := s.cfg.Store.FoldRollups(ctx, f.from, f.to, before-before%store.Hour, batch)
			if err != nil && ctx.Err() == nil {
				s.cfg.Log.Warn("folding what was counted failed", "err", err)
			}
			more = more || n == batch
		}
		return more
	})
}
