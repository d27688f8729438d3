package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/sendoff-dev/sendoff/store"
)

// nextRev numbers a change of keys and namespaces.
const nextRev = `(select max((select max(rev) from namespace), (select coalesce(max(rev), 0) from api_key)) + 1)`

// EnsureNamespace implements store.Access.
func (s *Store) EnsureNamespace(ctx context.Context, name string) (store.Namespace, error) {
	var n store.Namespace
	err := s.do(store.WithoutAudit(ctx), rankOther, 1, func(w *writer) error {
		err := w.exec(`insert into namespace (id, name, created_at, rev) select max(id) + 1, ?, ?, `+nextRev+` from namespace where true on conflict (name) do nothing`, name, w.now)
		if err != nil {
			return err
		}
		n = store.Namespace{}
		return w.one(`select id, name, settings, created_at from namespace where name = ?`, []any{name}, &n.ID, &n.Name, &n.Settings, &n.CreatedAt)
	})
	if err != nil {
		return store.Namespace{}, err // the writer may be at it still, when ctx ended
	}
	return n, nil
}

// SetNamespace implements store.Access.
func (s *Store) SetNamespace(ctx context.Context, id int32, settings []byte) error {
	return s.do(ctx, rankOther, 1, func(w *writer) error {
		n, err := w.changed(`update namespace set settings = ?, rev = `+nextRev+` where id = ?`, settings, id)
		return orNotFound(err, n)
	})
}

// Namespaces implements store.Access.
func (s *Store) Namespaces(ctx context.Context) ([]store.Namespace, error) {
	return readAll(ctx, s, func(r *sql.Rows) (n store.Namespace, err error) {
		return n, r.Scan(&n.ID, &n.Name, &n.Settings, &n.CreatedAt)
	}, `select id, name, settings, created_at from namespace order by name`)
}

// PutAPIKey implements store.Access.
func (s *Store) PutAPIKey(ctx context.Context, k store.APIKey) error {
	return s.do(ctx, rankOther, 1, func(w *writer) error {
		return w.exec(`insert into api_key (id, ns, name, prefix, hash, scopes, created_at, expires_at, last_used_at, revoked_at, rev) values (?,?,?,?,?,?,?,?,0,0,`+nextRev+`)`,
			k.ID, k.Namespace, k.Name, k.Prefix, k.Hash, k.Scopes, w.now, k.ExpiresAt)
	})
}

// RevokeAPIKey implements store.Access.
func (s *Store) RevokeAPIKey(ctx context.Context, ns int32, id string) error {
	return s.do(ctx, rankOther, 1, func(w *writer) error {
		n, err := w.changed(`update api_key set revoked_at = ?1, rev = `+nextRev+` where id = ?2 and revoked_at = 0 and (ns = ?3 or ?3 = 0)`, w.now, id, ns)
		return orNotFound(err, n)
	})
}

// APIKeys implements store.Access.
func (s *Store) APIKeys(ctx context.Context) ([]store.APIKey, error) {
	return readAll(ctx, s, func(r *sql.Rows) (k store.APIKey, err error) {
		return k, r.Scan(&k.ID, &k.Namespace, &k.Name, &k.Prefix, &k.Hash, &k.Scopes, &k.CreatedAt, &k.ExpiresAt, &k.LastUsedAt, &k.RevokedAt)
	}, `select id, ns, name, prefix, hash, scopes, created_at, expires_at, last_used_at, revoked_at from api_key order by created_at, id`)
}

// AccessRevision implements store.Access.
func (s *Store) AccessRevision(ctx context.Context) (rev int64, err error) {
	err = s.read.QueryRowContext(ctx, `select max((select max(rev) from namespace), (select coalesce(max(rev), 0) from api_key))`).Scan(&rev)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return rev, s.translate(err)
}

// UsedAPIKeys implements store.Access.
func (s *Store) UsedAPIKeys(ctx context.Context, used map[string]int64) error {
	return s.do(store.WithoutAudit(ctx), rankOther, len(used), func(w *writer) error {
		for id, at := range used {
			if err := w.exec(`update api_key set last_used_at = max(last_used_at, ?) where id = ?`, at, id); err != nil {
				return err
			}
		}
		return nil
	})
}
