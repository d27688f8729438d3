package storetest

import (
	"bytes"
	"context"

	"github.com/sendoff-dev/sendoff/store"
)

// vault is what store.Vault keeps.
type vault map[string][]byte

// Sealed implements store.Vault.
func (o *Oracle) Sealed(_ context.Context, name string) ([]byte, error) { return o.vault[name], nil }

// SetSealed implements store.Vault.
func (o *Oracle) SetSealed(_ context.Context, name string, was, doc []byte) error {
	had, is := o.vault[name]
	switch {
	case is != (was != nil) || !bytes.Equal(had, was):
		return store.ErrChanged
	case doc == nil:
		delete(o.vault, name)
	default:
		o.vault[name] = bytes.Clone(doc)
	}
	return nil
}
