package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

var (
	reported       = words.SQL(`update task set flags = flags | :flag_progress where id = ? and flags & :flag_progress = 0`)
	upsertProgress = words.SQL(`insert into body (task, part, bytes) values (?, :part_progress, ?)
	on conflict (task, part) do update set bytes = excluded.bytes`)
	selectProgress = words.SQL(`select bytes from body where task = ? and part = :part_progress`)
)

// Report implements store.Reports.
func (s *Store) Report(ctx context.Context, h store.Held, p store.Progress) error {
	return s.do(ctx, rankSettle, 1, func(w *writer) error {
		if _, err := w.runningAs(h); err != nil {
			return err
		}
		p := p
		p.Token, p.At = h.Token, w.now
		return errors.Join(w.exec(reported, h.ID[:]), w.exec(upsertProgress, h.ID[:], p.Encode()))
	})
}

// Progress implements store.Reports.
func (s *Store) Progress(ctx context.Context, id task.ID) (p store.Progress, known bool, err error) {
	var b []byte
	err = s.read.QueryRowContext(ctx, selectProgress, id[:]).Scan(&b)
	if errors.Is(err, sql.ErrNoRows) {
		return p, false, nil
	}
	if err != nil {
		return p, false, s.translate(err)
	}
	p, err = store.DecodeProgress(b)
	return p, err == nil, err
}
