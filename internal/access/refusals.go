package access

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/store"
)

// Refusals gathers requests that were refused, so that whoever knocks often fills neither
// the audit nor the database: a row a second for each key and address, with how often.
// Safe for concurrent use.
type Refusals struct {
	put func(context.Context, []store.AuditRow) error
	log *slog.Logger

	some chan struct{} // capacity 1: there are rows

	mu   sync.Mutex
	rows map[from]*store.AuditRow
}

// from is who was refused.
type from struct{ key, address string }

// mostRefusals is how many keys and addresses have a row in one second; those beyond
// share one.
const mostRefusals = 20

// NewRefusals returns Refusals that are put into an audit.
func NewRefusals(put func(context.Context, []store.AuditRow) error, log *slog.Logger) *Refusals {
	return &Refusals{put: put, log: log, some: make(chan struct{}, 1), rows: map[from]*store.AuditRow{}}
}

// Add notes a refusal.
func (f *Refusals) Add(row store.AuditRow) {
	f.mu.Lock()
	defer f.mu.Unlock()
	who := from{row.KeyID + row.Name, row.Address}
	had := f.rows[who]
	if had == nil && len(f.rows) >= mostRefusals {
		who = from{}
		row.KeyID, row.Name, row.Address, row.Target = "", "", "others", ""
		had = f.rows[who]
	}
	if had != nil {
		had.Count++
		return
	}
	f.rows[who] = &row
	select {
	case f.some <- struct{}{}:
	default:
	}
}

// Run puts what was gathered into the audit, at most once a second, until ctx ends, and
// then the rest.
func (f *Refusals) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-f.some:
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
				f.flush(ctx)
			}
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	f.flush(last)
	return nil
}

func (f *Refusals) flush(ctx context.Context) {
	f.mu.Lock()
	rows := make([]store.AuditRow, 0, len(f.rows))
	for _, row := range f.rows {
		rows = append(rows, *row)
	}
	clear(f.rows)
	f.mu.Unlock()
	if len(rows) == 0 {
		return
	}
	if err := f.put(ctx, rows); err != nil {
		f.log.Warn("refused requests could not be recorded", "rows", len(rows), "err", err)
	}
}
