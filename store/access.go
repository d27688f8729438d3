package store

import "context"

// Access keeps API keys, and the namespaces that they belong to.
type Access interface {
	// EnsureNamespace returns a namespace by name, and makes it when it is new. The default
	// one is always there.
	EnsureNamespace(ctx context.Context, name string) (Namespace, error)

	// SetNamespace replaces the settings of a namespace, which the store does not read.
	// ErrNotFound.
	SetNamespace(ctx context.Context, id int32, settings []byte) error

	// Namespaces lists all namespaces by name.
	Namespaces(ctx context.Context) ([]Namespace, error)

	// PutAPIKey keeps a new key; CreatedAt is set by the store.
	PutAPIKey(ctx context.Context, k APIKey) error

	// RevokeAPIKey ends a key of a namespace, 0 being any. ErrNotFound when there is none
	// that holds.
	RevokeAPIKey(ctx context.Context, namespace int32, id string) error

	// APIKeys lists all keys, also those that were revoked, by the time of their creation.
	APIKeys(ctx context.Context) ([]APIKey, error)

	// AccessRevision is another number after each change of a key or a namespace.
	AccessRevision(ctx context.Context) (int64, error)

	// UsedAPIKeys notes when keys were used last. That is no change.
	UsedAPIKeys(ctx context.Context, used map[string]int64) error
}

// Namespace is a world of its own: what belongs to one is not seen from another.
type Namespace struct {
	ID        int32
	Name      string
	Settings  []byte // nil = none
	CreatedAt int64
}

// DefaultNamespaceName is that of DefaultNamespace.
const DefaultNamespaceName = "default"

// APIKey is a key with which clients come in. The key itself is not kept.
type APIKey struct {
	ID         string
	Namespace  int32
	Name       string
	Prefix     string // how the key begins, so that people find it
	Hash       []byte // SHA-256 of the key
	Scopes     int16  // see auth.Scope
	CreatedAt  int64
	ExpiresAt  int64 // 0 = never
	LastUsedAt int64 // 0 = not yet, or not noted yet
	RevokedAt  int64 // 0 = it holds
}

// Holds tells whether the key opens anything at a time.
func (k *APIKey) Holds(now int64) bool {
	return k.RevokedAt == 0 && (k.ExpiresAt == 0 || now < k.ExpiresAt)
}
