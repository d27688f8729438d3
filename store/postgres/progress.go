package postgres

import (
	"context"
	"fmt"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// Whoever settles the attempt waits for the lock, or has been before.
var (
	noteProgressSQL = words.SQL(`
with o as materialized (select t.id, t.flags from sendoff.task t
 where t.id = $1 and t.token = $2 and t.state = :running for no key update),
u as (update sendoff.task t set flags = t.flags | :flag_progress from o where t.id = any(array[o.id]) and o.flags & :flag_progress = 0)
insert into sendoff.body as b (task, part, bytes) select id, :part_progress, $3 from o
on conflict (task, part) do update set bytes = excluded.bytes returning true`)
	progressSQL = words.SQL(`select bytes from sendoff.body where task = $1 and part = :part_progress`)
)

// Report notes how far an attempt is; see store.Reports.
func (s *Store) Report(ctx context.Context, h store.Held, p store.Progress) error {
	err := s.change(ctx, func(ctx context.Context, c *session) error {
		p.Token, p.At = h.Token, s.clock.now()
		noted := false
		err := c.begin(ctx, query(pins), query(noteProgressSQL).id(h.ID).i8(h.Token).bytes(p.Encode()).rows(func(*wireRow) { noted = true }))
		switch {
		case err != nil:
			return err
		case !noted:
			return store.ErrLeaseLost
		}
		return c.commit(ctx)
	})
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// Progress is what was noted last of a task; see store.Reports.
func (s *Store) Progress(ctx context.Context, id task.ID) (p store.Progress, known bool, err error) {
	var b []byte
	err = s.read(ctx, query(progressSQL).id(id).rows(func(r *wireRow) { b, known = r.bytes(), true }))
	if err == nil && known {
		p, err = store.DecodeProgress(b)
	}
	if err != nil {
		return store.Progress{}, false, fmt.Errorf("read progress: %w", err)
	}
	return p, known, nil
}
