package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/sendoff-dev/sendoff/store"
)

// PutSavedView implements store.SavedViews.
func (s *Store) PutSavedView(ctx context.Context, v store.SavedView) (store.SavedView, bool, error) {
	var put store.SavedView
	var made bool
	err := s.do(ctx, rankOther, 1, func(w *writer) error {
		put, made = v, false
		put.CreatedAt, put.UpdatedAt = w.now, w.now
		err := w.one(`select created_at from saved_view where ns = ? and name = ?`, []any{v.Namespace, v.Name}, &put.CreatedAt)
		if made = errors.Is(err, sql.ErrNoRows); err != nil && !made {
			return err
		}
		return w.exec(`insert or replace into saved_view (ns, name, path, query, created_at, updated_at) values (?, ?, ?, ?, ?, ?)`,
			put.Namespace, put.Name, put.Path, put.Query, put.CreatedAt, put.UpdatedAt)
	})
	if err != nil {
		return store.SavedView{}, false, err
	}
	return put, made, nil
}

// ListSavedViews implements store.SavedViews.
func (s *Store) ListSavedViews(ctx context.Context, ns int32) ([]store.SavedView, error) {
	return readAll(ctx, s, func(r *sql.Rows) (v store.SavedView, err error) {
		return v, r.Scan(&v.Namespace, &v.Name, &v.Path, &v.Query, &v.CreatedAt, &v.UpdatedAt)
	}, `select ns, name, path, query, created_at, updated_at from saved_view where ns = ? order by name`, ns)
}

// DeleteSavedView implements store.SavedViews.
func (s *Store) DeleteSavedView(ctx context.Context, ns int32, name string) error {
	return s.do(ctx, rankOther, 1, func(w *writer) error {
		n, err := w.changed(`delete from saved_view where ns = ? and name = ?`, ns, name)
		return orNotFound(err, n)
	})
}
