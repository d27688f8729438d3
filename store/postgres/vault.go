package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/sendoff-dev/sendoff/store"
)

// Each changes a document that is what it was, and returns a row for that.
const (
	noSealedSQL     = `select true where not exists (select from sendoff.sealed s where s.name = $1)`
	putSealedSQL    = `insert into sendoff.sealed (name, doc) values ($1, $2) on conflict (name) do nothing returning true`
	deleteSealedSQL = `delete from sendoff.sealed s where s.name = $1 and s.doc = $2 returning true`
	changeSealedSQL = `update sendoff.sealed s set doc = $3 where s.name = $1 and s.doc = $2 returning true`
)

// Sealed returns a document; see store.Vault.
func (s *Store) Sealed(ctx context.Context, name string) (doc []byte, err error) {
	err = s.read(ctx, query(`select s.doc from sendoff.sealed s where s.name = $1`).text(name).rows(func(r *wireRow) { doc = r.bytes() }))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, translate(err))
	}
	return doc, nil
}

// SetSealed replaces a document; see store.Vault.
func (s *Store) SetSealed(ctx context.Context, name string, was, doc []byte) error {
	var q *stmt
	switch {
	case was == nil && doc == nil:
		q = query(noSealedSQL).text(name)
	case was == nil:
		q = query(putSealedSQL).text(name).bytes(doc)
	case doc == nil:
		q = query(deleteSealedSQL).text(name).bytes(was)
	default:
		q = query(changeSealedSQL).text(name).bytes(was).bytes(doc)
	}
	var done bool
	err := s.act(ctx, &done, q.rows(func(*wireRow) { done = true }))
	switch {
	case errors.Is(err, errRace):
		return store.ErrChanged
	case err != nil:
		return fmt.Errorf("change %s: %w", name, translate(err))
	}
	return nil
}
