package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/sendoff-dev/sendoff/store"
)

// Sealed implements store.Vault.
func (s *Store) Sealed(ctx context.Context, name string) (doc []byte, err error) {
	err = s.read.QueryRowContext(ctx, `select doc from sealed where name = ?`, name).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return doc, s.translate(err)
}

// SetSealed implements store.Vault.
func (s *Store) SetSealed(ctx context.Context, name string, was, doc []byte) error {
	return s.do(ctx, rankOther, 1, func(w *writer) (err error) {
		n := int64(0)
		switch {
		case was == nil && doc == nil:
			err = w.one(`select count(*) = 0 from sealed where name = ?`, []any{name}, &n)
		case was == nil:
			n, err = w.changed(`insert into sealed (name, doc) values (?, ?) on conflict do nothing`, name, doc)
		case doc == nil:
			n, err = w.changed(`delete from sealed where name = ? and doc = ?`, name, was)
		default:
			n, err = w.changed(`update sealed set doc = ? where name = ? and doc = ?`, doc, name, was)
		}
		if err == nil && n == 0 {
			return store.ErrChanged
		}
		return err
	})
}
