package schedule

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/sendoff-dev/sendoff/store"
)

// seal seals new rows of the audit, a few seconds after they came.
func (s *Scheduler) seal(ctx context.Context) error {
	return s.every(ctx, func() time.Duration { return 4*time.Second + rand.N(2*time.Second) }, func() bool {
		n, err := s.cfg.Store.SealAudit(ctx, batch)
		if err != nil && ctx.Err() == nil {
			s.cfg.Log.Warn("sealing the audit failed", "err", err)
		}
		return n == batch
	})
}

// drop deletes rows of the audit that are over.
func (s *Scheduler) drop(ctx context.Context) error {
	return s.every(ctx, func() time.Duration { return time.Minute + rand.N(time.Minute) }, func() bool {
		n, err := s.cfg.Store.DropAudit(ctx, s.cfg.Store.Now()-store.KeepAudit, batch)
		if err != nil && ctx.Err() == nil {
			s.cfg.Log.Warn("deleting old rows of the audit failed", "err", err)
		}
		return n == batch
	})
}
