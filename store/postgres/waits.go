package postgres

import (
	"context"
	"fmt"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// aheadSQL is bounded by what the index has, so that it ends at the place and not with
// the line; the id tells those of one position apart.
const aheadSQL = `
select count(*) from (select 1 from sendoff.ready
 where lane = $1 and (prio, pos) <= ($2, $3) and (prio, pos, id) < ($2, $3, $4) limit $5) a`

func aheadStmt(place store.ReadyEntry, limit int, n *int) *stmt {
	return query(aheadSQL).i4(place.Lane).i2(place.Priority).i8(place.Position).id(place.ID).i8(int64(limit)).
		rows(func(r *wireRow) { *n = int(r.i8()) })
}

// Ahead counts what is before a place in line; see store.Waits.
func (s *Store) Ahead(ctx context.Context, place store.ReadyEntry, limit int) (n int, err error) {
	if err := s.read(ctx, query(pins), aheadStmt(place, limit, &n)); err != nil {
		return 0, fmt.Errorf("count those before a task: %w", err)
	}
	return n, nil
}

const aheadAtSQL = `
select count(*) from (select 1 from sendoff.line
 where gate = $1 and (prio, at, task) < ($2, $3, $4) order by gate, prio, at, task limit $5) a`

func aheadAtStmt(place store.LineEntry, limit int, n *int) *stmt {
	return query(aheadAtSQL).id(task.ID(place.Gate)).i2(place.Priority).i8(place.At).id(place.Task).i8(int64(limit)).
		rows(func(r *wireRow) { *n = int(r.i8()) })
}

// AheadAt counts what is before a place in line at a gate; see store.Waits.
func (s *Store) AheadAt(ctx context.Context, place store.LineEntry, limit int) (n int, err error) {
	if err := s.read(ctx, query(pins), aheadAtStmt(place, limit, &n)); err != nil {
		return 0, fmt.Errorf("count those before a task at a gate: %w", err)
	}
	return n, nil
}

// Mailbox returns what has been counted of the messages to a function; see store.Waits.
func (s *Store) Mailbox(ctx context.Context, id task.ID) (m task.Mailbox, err error) {
	err = s.read(ctx, query(pins), query(`select`+mailboxColumns+`from sendoff.wait w where w.task = $1`).id(id).
		rows(func(r *wireRow) { m = readMailbox(r) }))
	if err != nil {
		return m, fmt.Errorf("read a mailbox: %w", err)
	}
	return m, nil
}
