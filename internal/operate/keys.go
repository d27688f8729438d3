package operate

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/need"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// KeyStore is what Keys needs of a database.
type KeyStore interface {
	store.Access
	Now() int64
}

// KeysConfig is the Config of Keys. Store is required.
type KeysConfig struct {
	Store   KeyStore
	Changed func(ctx context.Context) // keys changed: read them anew, here and on the other nodes; nil = nobody
}

// Keys makes API keys and revokes them. Safe for concurrent use.
type Keys struct{ cfg KeysConfig }

// NewKeys returns a Keys.
func NewKeys(cfg KeysConfig) *Keys {
	need.Fields(cfg, "Store")
	if cfg.Changed == nil {
		cfg.Changed = func(context.Context) {}
	}
	return &Keys{cfg}
}

// Key is an API key as it is shown.
type Key struct {
	store.APIKey
	Namespace string
	Text      string // the key itself; "" but for a new one
}

// NewKey says what a key is to be.
type NewKey struct {
	Name      string
	Scopes    []string
	Namespace string    // "" = that of whoever makes it; it is made when it is new
	ExpiresAt time.Time // zero = never
}

// ErrOtherNamespace says that whoever asks belongs to another namespace.
var ErrOtherNamespace = fmt.Errorf("a key for another namespace is made with an admin key of the namespace %s", auth.DefaultNamespace)

// Create makes a key and tells it, which nobody can do later. task.Invalid,
// ErrOtherNamespace.
func (ks *Keys) Create(ctx context.Context, k NewKey) (Key, error) {
	scopes, err := ks.check(&k)
	if err != nil {
		return Key{}, err
	}
	mine := auth.From(ctx)
	name := cmp.Or(k.Namespace, auth.DefaultNamespace)
	if mine != nil && mine.Elsewhere() {
		if name = cmp.Or(k.Namespace, mine.Namespace); name != mine.Namespace {
			return Key{}, ErrOtherNamespace
		}
	}
	namespace, err := ks.cfg.Store.EnsureNamespace(ctx, name)
	if err != nil {
		return Key{}, err
	}
	made := auth.NewKey()
	row := store.APIKey{
		ID: made.ID, Namespace: namespace.ID, Name: k.Name, Prefix: made.Prefix, Hash: made.Hash[:], Scopes: int16(scopes), CreatedAt: ks.cfg.Store.Now(),
	}
	if !k.ExpiresAt.IsZero() {
		row.ExpiresAt = k.ExpiresAt.UnixMicro()
	}
	store.AuditOf(ctx).SetTarget(row.ID)
	if err := ks.cfg.Store.PutAPIKey(ctx, row); err != nil {
		return Key{}, err
	}
	ks.cfg.Changed(ctx)
	return Key{row, namespace.Name, made.Text}, nil
}

func (ks *Keys) check(k *NewKey) (auth.Scope, error) {
	var bad task.Invalid
	if k.Name == "" {
		bad.Add("name", "is missing: say what the key is for, in 1 to %d bytes", maxKeyName)
	}
	bad.CheckText("name", k.Name, maxKeyName)
	scopes, err := auth.ParseScope(k.Scopes)
	switch {
	case err != nil:
		bad.Add("scopes", "%s", err)
	case scopes == 0:
		bad.Add("scopes", "is empty: want some of %s", auth.Scope(31))
	}
	if k.Namespace != "" {
		bad.CheckQueue("namespace", k.Namespace)
	}
	if !k.ExpiresAt.IsZero() && k.ExpiresAt.UnixMicro() <= ks.cfg.Store.Now() {
		bad.Add("expires_at", "is over: want a time that is to come, or nothing for a key that does not end by itself")
	}
	return scopes, bad.Err()
}

const maxKeyName = 200

// List lists the keys that were not revoked, in the namespace of whoever asks; in the
// default one, all.
func (ks *Keys) List(ctx context.Context) ([]Key, error) {
	keys, err := ks.cfg.Store.APIKeys(ctx)
	if err != nil {
		return nil, err
	}
	namespaces, err := ks.cfg.Store.Namespaces(ctx)
	if err != nil {
		return nil, err
	}
	names := map[int32]string{}
	for _, n := range namespaces {
		names[n.ID] = n.Name
	}
	only := of(ctx)
	var out []Key
	for _, k := range keys {
		if k.RevokedAt == 0 && (only == 0 || only == k.Namespace) {
			out = append(out, Key{APIKey: k, Namespace: names[k.Namespace]})
		}
	}
	return out, nil
}

// of is the namespace whose keys whoever asks may see; 0 = all.
func of(ctx context.Context) int32 {
	if p := auth.From(ctx); p != nil && p.Elsewhere() {
		return p.NamespaceID
	}
	return 0
}

// Revoke ends a key, on all nodes within a second. store.ErrNotFound.
func (ks *Keys) Revoke(ctx context.Context, id string) error {
	if err := ks.cfg.Store.RevokeAPIKey(ctx, of(ctx), id); err != nil {
		return fmt.Errorf("API key %q: %w", id, err)
	}
	ks.cfg.Changed(ctx)
	return nil
}

// Namespace is a namespace as it is shown.
type Namespace struct {
	Name      string
	Quota     store.Quota
	CreatedAt int64
}

// Namespaces lists all namespaces by name.
func (ks *Keys) Namespaces(ctx context.Context) ([]Namespace, error) {
	all, err := ks.cfg.Store.Namespaces(ctx)
	out := make([]Namespace, len(all))
	for i, n := range all {
		out[i] = Namespace{n.Name, store.DecodeQuota(n.Settings), n.CreatedAt}
	}
	return out, err
}

// SetQuota replaces what a namespace may use, which is made when it is new. It holds on all
// nodes within a second. task.Invalid.
func (ks *Keys) SetQuota(ctx context.Context, name string, quota store.Quota) (Namespace, error) {
	var bad task.Invalid
	bad.CheckQueue("name", name)
	quota.Check(&bad)
	if err := bad.Err(); err != nil {
		return Namespace{}, err
	}
	n, err := ks.cfg.Store.EnsureNamespace(ctx, name)
	if err != nil {
		return Namespace{}, err
	}
	had := store.DecodeQuota(n.Settings)
	tellChange(ctx, factsOfQuota(&had), factsOfQuota(&quota))
	if err := ks.cfg.Store.SetNamespace(ctx, n.ID, quota.Encode()); err != nil {
		return Namespace{}, err
	}
	ks.cfg.Changed(ctx)
	return Namespace{name, quota, n.CreatedAt}, nil
}
