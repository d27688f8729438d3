package storetest

import (
	"cmp"
	"context"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
)

// access is what store.Access keeps.
type access struct {
	namespaces []store.Namespace
	apiKeys    []store.APIKey
	changes    int64
	restAt     map[int32]int64 // namespaces that are paused, with since when
}

func newAccess() access {
	return access{namespaces: []store.Namespace{{ID: store.DefaultNamespace, Name: store.DefaultNamespaceName}}, changes: 1, restAt: map[int32]int64{}}
}

// EnsureNamespace implements store.Access.
func (o *Oracle) EnsureNamespace(_ context.Context, name string) (store.Namespace, error) {
	for _, n := range o.namespaces {
		if n.Name == name {
			return n, nil
		}
	}
	n := store.Namespace{ID: int32(len(o.namespaces) + 1), Name: name, CreatedAt: o.Clock()}
	o.namespaces = append(o.namespaces, n)
	o.changes++
	return n, nil
}

// SetNamespace implements store.Access.
func (o *Oracle) SetNamespace(_ context.Context, id int32, settings []byte) error {
	for i := range o.namespaces {
		if o.namespaces[i].ID == id {
			o.namespaces[i].Settings = settings
			o.changes++
			return nil
		}
	}
	return store.ErrNotFound
}

// Namespaces implements store.Access.
func (o *Oracle) Namespaces(context.Context) ([]store.Namespace, error) {
	return slices.SortedFunc(slices.Values(o.namespaces), func(a, b store.Namespace) int { return cmp.Compare(a.Name, b.Name) }), nil
}

// PutAPIKey implements store.Access.
func (o *Oracle) PutAPIKey(_ context.Context, k store.APIKey) error {
	k.CreatedAt, k.LastUsedAt, k.RevokedAt = o.Clock(), 0, 0
	o.apiKeys = append(o.apiKeys, k)
	o.changes++
	return nil
}

// RevokeAPIKey implements store.Access.
func (o *Oracle) RevokeAPIKey(_ context.Context, namespace int32, id string) error {
	for i := range o.apiKeys {
		if k := &o.apiKeys[i]; k.ID == id && k.RevokedAt == 0 && (namespace == 0 || namespace == k.Namespace) {
			k.RevokedAt = o.Clock()
			o.changes++
			return nil
		}
	}
	return store.ErrNotFound
}

// APIKeys implements store.Access.
func (o *Oracle) APIKeys(context.Context) ([]store.APIKey, error) {
	return slices.SortedFunc(slices.Values(o.apiKeys), func(a, b store.APIKey) int {
		return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), cmp.Compare(a.ID, b.ID))
	}), nil
}

// AccessRevision implements store.Access.
func (o *Oracle) AccessRevision(context.Context) (int64, error) { return o.changes, nil }

// UsedAPIKeys implements store.Access.
func (o *Oracle) UsedAPIKeys(_ context.Context, used map[string]int64) error {
	for i := range o.apiKeys {
		k := &o.apiKeys[i]
		k.LastUsedAt = max(k.LastUsedAt, used[k.ID])
	}
	return nil
}
