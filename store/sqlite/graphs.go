package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"

	"github.com/sendoff-dev/sendoff/store"
)

// PutGraph implements store.Graphs.
func (s *Store) PutGraph(ctx context.Context, ns int32, name string, definition []byte) (store.Graph, bool, error) {
	var g store.Graph
	var made bool
	err := s.do(ctx, rankOther, 1, func(w *writer) error {
		g = store.Graph{Name: name}
		err := w.one(`select rev, created_at, definition from graph where ns = ? and name = ? order by rev desc limit 1`,
			[]any{ns, name}, &g.Rev, &g.CreatedAt, &g.Definition)
		if made = !bytes.Equal(g.Definition, definition); err != nil && !errors.Is(err, sql.ErrNoRows) || !made {
			return err
		}
		g.Rev, g.CreatedAt = g.Rev+1, w.now
		return w.exec(`insert into graph (ns, name, rev, created_at, definition) values (?, ?, ?, ?, ?)`, ns, name, g.Rev, g.CreatedAt, definition)
	})
	if err != nil {
		return store.Graph{}, false, err
	}
	g.Definition = nil
	return g, made, nil
}

// Graph implements store.Graphs.
func (s *Store) Graph(ctx context.Context, ns int32, name string, rev int32) (store.Graph, error) {
	all, err := readAll(ctx, s, func(r *sql.Rows) (g store.Graph, err error) {
		return g, r.Scan(&g.Name, &g.Rev, &g.CreatedAt, &g.Definition)
	}, `select name, rev, created_at, definition from graph where ns = ?1 and name = ?2 and (rev = ?3 or ?3 = 0) order by rev desc limit 1`, ns, name, rev)
	if err != nil || len(all) == 0 {
		return store.Graph{}, orNotFound(err, 0)
	}
	return all[0], nil
}

// ListGraphs implements store.Graphs.
func (s *Store) ListGraphs(ctx context.Context, ns int32, after string, limit int) ([]store.Graph, error) {
	return readAll(ctx, s, func(r *sql.Rows) (g store.Graph, err error) {
		return g, r.Scan(&g.Name, &g.Rev, &g.CreatedAt)
	}, `select name, rev, created_at from graph g where ns = ?1 and name > ?2
		and not exists (select 1 from graph n where n.ns = ?1 and n.name = g.name and n.rev > g.rev) order by name limit ?3`, ns, after, limit)
}

// DeleteGraph implements store.Graphs.
func (s *Store) DeleteGraph(ctx context.Context, ns int32, name string) error {
	return s.do(ctx, rankOther, 1, func(w *writer) error {
		n, err := w.changed(`delete from graph where ns = ? and name = ?`, ns, name)
		return orNotFound(err, n)
	})
}
