package process

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/store"
)

// reporter keeps how far an attempt is: what its process said last, so often as the database
// bears.
type reporter struct {
	report  func(ctx context.Context, h store.Held, p store.Progress) error
	attempt store.Held

	mu     sync.Mutex
	latest *store.Progress // that is not kept yet
	busy   bool
}

// reportEvery is how often at most something is kept of an attempt.
const reportEvery = 250 * time.Millisecond

// tell takes what a process said, and does not block. What makes no sense is put right as
// far as it can be.
func (r *reporter) tell(ctx context.Context, said Progress) {
	text := store.CleanText(strings.ReplaceAll(said.Text, "\x00", ""), store.MaxProgressText)
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &store.Progress{Done: max(said.Done, 0), Total: max(said.Total, 0), Text: text}
	if p.Total > 0 {
		p.Total = max(p.Total, p.Done)
	}
	r.latest = p
	if !r.busy {
		r.busy = true
		go r.run(ctx)
	}
}

// run keeps what is said until nothing is left, or the attempt has ended. An attempt whose
// lease is lost, and a database that does not answer, are seen elsewhere.
func (r *reporter) run(ctx context.Context) {
	for ctx.Err() == nil {
		r.mu.Lock()
		p := r.latest
		r.latest = nil
		if p == nil {
			r.busy = false
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
		_ = r.report(ctx, r.attempt, *p)
		select {
		case <-ctx.Done():
		case <-time.After(reportEvery):
		}
	}
}
