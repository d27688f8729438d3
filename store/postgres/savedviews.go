package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/sendoff-dev/sendoff/store"
)

const (
	// A row that is new was locked by nobody.
	putSavedViewSQL = `
insert into sendoff.saved_view as v (ns, name, path, query, created_at, updated_at) values ($1, $2, $3, $4, $5, $5)
on conflict (ns, name) do update set path = excluded.path, query = excluded.query, updated_at = excluded.updated_at
returning v.created_at, v.updated_at, v.xmax = 0`

	listSavedViewsSQL = `select v.name, v.path, v.query, v.created_at, v.updated_at from sendoff.saved_view v where v.ns = $1 order by v.ns, v.name`

	deleteSavedViewSQL = `delete from sendoff.saved_view v where v.ns = $1 and v.name = $2 returning v.created_at`
)

// PutSavedView keeps a view; see store.SavedViews.
func (s *Store) PutSavedView(ctx context.Context, v store.SavedView) (put store.SavedView, made bool, err error) {
	put = v
	var done bool
	err = s.act(ctx, &done, query(pins), query(putSavedViewSQL).i4(v.Namespace).text(v.Name).text(v.Path).text(v.Query).i8(s.clock.now()).
		rows(func(r *wireRow) { put.CreatedAt, put.UpdatedAt, made, done = r.i8(), r.i8(), r.bool(), true }))
	if err != nil {
		return store.SavedView{}, false, fmt.Errorf("keep view %q: %w", v.Name, translate(err))
	}
	return put, made, nil
}

// ListSavedViews lists views; see store.SavedViews.
func (s *Store) ListSavedViews(ctx context.Context, ns int32) (all []store.SavedView, err error) {
	err = s.read(ctx, query(pins), query(listSavedViewsSQL).i4(ns).rows(func(r *wireRow) {
		all = append(all, store.SavedView{Namespace: ns, Name: r.text(), Path: r.text(), Query: r.text(), CreatedAt: r.i8(), UpdatedAt: r.i8()})
	}))
	if err != nil {
		return nil, fmt.Errorf("list views: %w", translate(err))
	}
	return all, nil
}

// DeleteSavedView forgets a view; see store.SavedViews.
func (s *Store) DeleteSavedView(ctx context.Context, ns int32, name string) error {
	var found bool
	err := s.act(ctx, &found, query(pins), query(deleteSavedViewSQL).i4(ns).text(name).rows(func(*wireRow) { found = true }))
	switch {
	case errors.Is(err, errRace):
		return store.ErrNotFound
	case err != nil:
		return fmt.Errorf("delete view %q: %w", name, translate(err))
	}
	return nil
}
