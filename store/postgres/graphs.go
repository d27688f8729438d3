package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/sendoff-dev/sendoff/store"
)

// Who puts or deletes has the lock, so that the revisions of a name have no gaps.
const (
	putGraphSQL = `
insert into sendoff.graph (ns, name, rev, created_at, definition)
select $1, $2, coalesce(l.rev, 0) + 1, $3, $4 from (select) as one
left join lateral (select g.rev, g.definition from sendoff.graph g where g.ns = $1 and g.name = $2 order by g.rev desc limit 1) as l on true
where l.definition is distinct from $4
returning rev, created_at`

	latestGraphSQL = `
select g.rev, g.created_at from sendoff.graph g where g.ns = $1 and g.name = $2 order by g.rev desc limit 1`

	graphSQL = `
select g.rev, g.created_at, g.definition from sendoff.graph g where g.ns = $1 and g.name = $2 and g.rev between $3 and $4 order by g.rev desc limit 1`

	listGraphsSQL = `
select g.name, g.rev, g.created_at from sendoff.graph g where g.ns = $1 and g.name > $2
and not exists (select from sendoff.graph n where n.ns = g.ns and n.name = g.name and n.rev > g.rev) order by g.ns, g.name limit $3`

	deleteGraphSQL = `delete from sendoff.graph g where g.ns = $1 and g.name = $2 returning g.rev`
)

// PutGraph keeps a definition; see store.Graphs.
func (s *Store) PutGraph(ctx context.Context, ns int32, name string, definition []byte) (store.Graph, bool, error) {
	var g store.Graph
	var made bool
	err := s.change(ctx, func(ctx context.Context, c *session) error {
		g, made = store.Graph{Name: name}, false
		return c.do(ctx, query(pins), query(`select pg_advisory_xact_lock($1)`).i8(lockGraphs),
			query(putGraphSQL).i4(ns).text(name).i8(s.clock.now()).bytes(definition).rows(func(*wireRow) { made = true }),
			query(latestGraphSQL).i4(ns).text(name).rows(func(r *wireRow) { g.Rev, g.CreatedAt = r.i4(), r.i8() }))
	})
	if err != nil {
		return store.Graph{}, false, fmt.Errorf("keep graph %q: %w", name, translate(err))
	}
	return g, made, nil
}

// Graph returns a revision; see store.Graphs.
func (s *Store) Graph(ctx context.Context, ns int32, name string, rev int32) (store.Graph, error) {
	g := store.Graph{Name: name}
	last := rev
	if rev == 0 {
		last = math.MaxInt32
	}
	err := s.read(ctx, query(pins), query(graphSQL).i4(ns).text(name).i4(rev).i4(last).
		rows(func(r *wireRow) { g.Rev, g.CreatedAt, g.Definition = r.i4(), r.i8(), r.bytes() }))
	switch {
	case err != nil:
		return store.Graph{}, fmt.Errorf("read graph %q: %w", name, translate(err))
	case g.Rev == 0:
		return store.Graph{}, store.ErrNotFound
	}
	return g, nil
}

// ListGraphs lists the latest revisions; see store.Graphs.
func (s *Store) ListGraphs(ctx context.Context, ns int32, after string, limit int) ([]store.Graph, error) {
	var all []store.Graph
	err := s.read(ctx, query(pins), query(listGraphsSQL).i4(ns).text(after).i8(int64(limit)).
		rows(func(r *wireRow) { all = append(all, store.Graph{Name: r.text(), Rev: r.i4(), CreatedAt: r.i8()}) }))
	if err != nil {
		return nil, fmt.Errorf("list graphs: %w", translate(err))
	}
	return all, nil
}

// DeleteGraph forgets a name; see store.Graphs.
func (s *Store) DeleteGraph(ctx context.Context, ns int32, name string) error {
	var found bool
	err := s.act(ctx, &found, query(pins), query(`select pg_advisory_xact_lock($1)`).i8(lockGraphs),
		query(deleteGraphSQL).i4(ns).text(name).rows(func(*wireRow) { found = true }))
	switch {
	case errors.Is(err, errRace):
		return store.ErrNotFound
	case err != nil:
		return fmt.Errorf("delete graph %q: %w", name, translate(err))
	}
	return nil
}
