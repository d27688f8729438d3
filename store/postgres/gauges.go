package postgres

import (
	"context"
	"fmt"

	"github.com/sendoff-dev/sendoff/store"
)

// GateCounts is what this process has decided at gates; see store.Gauges.
func (s *Store) GateCounts() store.GateCounts { return s.totals.Read() }

// backlogSQL finds the tasks of leavers one by one: the first leaver is the one whose task
// was canceled first.
const backlogSQL = `
select (select count(*) from (select from sendoff.line limit $1) x), l.n, l.first,
 (select count(*) from (select from sendoff.todo limit $1) x),
 coalesce((select at from sendoff.todo order by at limit 1), 0)
from (
 select count(*) as n, coalesce(min(t.finished_at), 0) as first
 from (select task from sendoff.leaver limit $1) v left join lateral (select finished_at from sendoff.task t where t.id = any(array[v.task])) t on true) l`

func backlog(b *store.Backlog) *stmt {
	return query(backlogSQL).i8(store.MaxBacklog).rows(func(r *wireRow) {
		*b = store.Backlog{InLine: r.i8(), Leavers: r.i8(), FirstLeaver: r.i8(), Todos: r.i8(), FirstTodo: r.i8()}
	})
}

// Backlog counts what is left to do; see store.Gauges.
func (s *Store) Backlog(ctx context.Context) (b store.Backlog, err error) {
	if err := s.read(ctx, query(pins), backlog(&b)); err != nil {
		return b, fmt.Errorf("count what is left to do: %w", err)
	}
	return b, nil
}
