package sqlite

import (
	"context"
	"database/sql"

	"github.com/sendoff-dev/sendoff/store"
)

// GateCounts implements store.Gauges.
func (s *Store) GateCounts() store.GateCounts { return s.totals.Read() }

// The first leaver is the one whose task was canceled first.
const backlogSQL = `select
 (select count(*) from (select 1 from line limit ?1)),
 l.n, l.first,
 (select count(*) from (select 1 from todo limit ?1)),
 (select coalesce(min(at), 0) from todo)
from (select count(*) as n, coalesce(min(t.finished_at), 0) as first from (select task from leaver limit ?1) v left join task t on t.id = v.task) l`

// Backlog implements store.Gauges.
func (s *Store) Backlog(ctx context.Context) (store.Backlog, error) {
	rows, err := readAll(ctx, s, func(r *sql.Rows) (b store.Backlog, err error) {
		err = r.Scan(&b.InLine, &b.Leavers, &b.FirstLeaver, &b.Todos, &b.FirstTodo)
		return b, err
	}, backlogSQL, store.MaxBacklog)
	if err != nil {
		return store.Backlog{}, err
	}
	return rows[0], nil
}
