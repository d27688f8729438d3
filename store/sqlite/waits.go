package sqlite

import (
	"context"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

const countAhead = `select count(*) from (select 1 from ready where lane = ? and (prio, pos, id) < (?, ?, ?) limit +?)`

// Ahead implements store.Waits.
func (s *Store) Ahead(ctx context.Context, place store.ReadyEntry, limit int) (n int, err error) {
	err = s.read.QueryRowContext(ctx, countAhead, place.Lane, place.Priority, place.Position, place.ID[:], limit).Scan(&n)
	return n, s.translate(err)
}

const countAheadAt = `select count(*) from (select 1 from line where gate = ? and (prio, at, task) < (?, ?, ?) limit +?)`

// AheadAt implements store.Waits.
func (s *Store) AheadAt(ctx context.Context, place store.LineEntry, limit int) (n int, err error) {
	err = s.read.QueryRowContext(ctx, countAheadAt, place.Gate[:], place.Priority, place.At, place.Task[:], limit).Scan(&n)
	return n, s.translate(err)
}

// Mailbox implements store.Waits.
func (s *Store) Mailbox(ctx context.Context, id task.ID) (m task.Mailbox, err error) {
	found, err := readAll(ctx, s, scanWait, selectWait+`where task = ?`, id[:])
	if len(found) > 0 {
		m = found[0].Mailbox
	}
	return m, err
}
