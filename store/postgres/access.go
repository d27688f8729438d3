package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
)

// accessRevSQL numbers changes of keys and namespaces. Who makes one has the lock.
const accessRevSQL = `greatest((select max(rev) from sendoff.namespace), (select max(rev) from sendoff.api_key))`

const (
	ensureNamespaceSQL = `
insert into sendoff.namespace (id, created_at, rev, name) select max(n.id) + 1, $2, ` + accessRevSQL + ` + 1, $1 from sendoff.namespace n
on conflict (name) do nothing`

	namespaceSQL = `select id, name, settings, created_at from sendoff.namespace`

	putAPIKeySQL = `
insert into sendoff.api_key (id, ns, name, prefix, hash, scopes, created_at, expires_at, last_used_at, revoked_at, rev)
values ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, ` + accessRevSQL + ` + 1)`

	revokeAPIKeySQL = `
update sendoff.api_key set revoked_at = $3, rev = ` + accessRevSQL + ` + 1 where id = $1 and revoked_at = 0 and ($4 or ns = $2) returning id`

	useAPIKeysSQL = `
update sendoff.api_key k set last_used_at = u.at from unnest($1, $2) as u(id, at) where k.id = u.id and k.last_used_at < u.at`
)

// changeAccess is a transaction of one who changes keys or namespaces.
func (s *Store) changeAccess(ctx context.Context, check func() error, stmts ...*stmt) error {
	return s.change(ctx, func(ctx context.Context, c *session) error {
		if err := c.begin(ctx, append([]*stmt{query(`select pg_advisory_xact_lock($1)`).i8(lockAccess)}, stmts...)...); err != nil {
			return err
		}
		if err := check(); err != nil {
			return err
		}
		return c.commit(ctx)
	})
}

// orMissing is a check that something was found.
func orMissing(found *bool) func() error {
	return func() error {
		if !*found {
			return store.ErrNotFound
		}
		return nil
	}
}

// EnsureNamespace returns a namespace by name; see store.Access.
func (s *Store) EnsureNamespace(ctx context.Context, name string) (n store.Namespace, err error) {
	found := false
	err = s.changeAccess(store.WithoutAudit(ctx), orMissing(&found), query(ensureNamespaceSQL).text(name).i8(s.clock.now()),
		query(namespaceSQL+` where name = $1`).text(name).rows(func(r *wireRow) { n, found = readNamespace(r), true }))
	if err != nil {
		return store.Namespace{}, fmt.Errorf("make namespace %q: %w", name, translate(err))
	}
	return n, nil
}

func readNamespace(r *wireRow) store.Namespace {
	return store.Namespace{ID: r.i4(), Name: r.text(), Settings: r.bytes(), CreatedAt: r.i8()}
}

// SetNamespace replaces the settings of a namespace; see store.Access.
func (s *Store) SetNamespace(ctx context.Context, id int32, settings []byte) error {
	found := false
	err := s.changeAccess(ctx, orMissing(&found), query(`update sendoff.namespace set settings = $2, rev = `+accessRevSQL+` + 1 where id = $1 returning id`).
		i4(id).null(settings).rows(func(*wireRow) { found = true }))
	if err != nil {
		return fmt.Errorf("change a namespace: %w", translate(err))
	}
	return nil
}

// Namespaces lists namespaces; see store.Access.
func (s *Store) Namespaces(ctx context.Context) (all []store.Namespace, err error) {
	err = s.read(ctx, query(namespaceSQL+` order by name`).rows(func(r *wireRow) { all = append(all, readNamespace(r)) }))
	if err != nil {
		return nil, fmt.Errorf("list namespaces: %w", translate(err))
	}
	return all, nil
}

// PutAPIKey keeps a key; see store.Access.
func (s *Store) PutAPIKey(ctx context.Context, k store.APIKey) error {
	err := s.changeAccess(ctx, func() error { return nil }, query(putAPIKeySQL).text(k.ID).i4(k.Namespace).text(k.Name).text(k.Prefix).bytes(k.Hash).
		i2(k.Scopes).i8(s.clock.now()).i8(k.ExpiresAt))
	if err != nil {
		return fmt.Errorf("keep an API key: %w", translate(err))
	}
	return nil
}

// RevokeAPIKey ends a key; see store.Access.
func (s *Store) RevokeAPIKey(ctx context.Context, namespace int32, id string) error {
	found := false
	err := s.changeAccess(ctx, orMissing(&found), query(revokeAPIKeySQL).text(id).i4(namespace).i8(s.clock.now()).bool(namespace == 0).rows(func(*wireRow) { found = true }))
	if err != nil {
		return fmt.Errorf("revoke an API key: %w", translate(err))
	}
	return nil
}

// APIKeys lists keys; see store.Access.
func (s *Store) APIKeys(ctx context.Context) (keys []store.APIKey, err error) {
	err = s.read(ctx, query(`
select id, ns, name, prefix, hash, scopes, created_at, expires_at, last_used_at, revoked_at from sendoff.api_key order by created_at, id`).
		rows(func(r *wireRow) {
			keys = append(keys, store.APIKey{
				ID: r.text(), Namespace: r.i4(), Name: r.text(), Prefix: r.text(), Hash: r.bytes(), Scopes: r.i2(),
				CreatedAt: r.i8(), ExpiresAt: r.i8(), LastUsedAt: r.i8(), RevokedAt: r.i8(),
			})
		}))
	if err != nil {
		return nil, fmt.Errorf("list API keys: %w", translate(err))
	}
	return keys, nil
}

// AccessRevision numbers the last change; see store.Access.
func (s *Store) AccessRevision(ctx context.Context) (rev int64, err error) {
	err = s.read(ctx, query(`select `+accessRevSQL).rows(func(r *wireRow) { rev = r.i8() }))
	return rev, translate(err)
}

// UsedAPIKeys notes when keys were used; see store.Access.
func (s *Store) UsedAPIKeys(ctx context.Context, used map[string]int64) error {
	ids := slices.Sorted(maps.Keys(used))
	err := s.write(store.WithoutAudit(ctx), query(useAPIKeysSQL).
		rawTexts(len(ids), func(i int) string { return ids[i] }).i8s(len(ids), func(i int) int64 { return used[ids[i]] }))
	if err != nil {
		return fmt.Errorf("note the use of API keys: %w", translate(err))
	}
	return nil
}
