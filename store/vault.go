package store

import "context"

// Vault keeps documents whose secrets are sealed under a secret that is not in the database
// (internal/seal). The store does not read them.
type Vault interface {
	// Sealed returns a document by its name; nil when there is none.
	Sealed(ctx context.Context, name string) ([]byte, error)

	// SetSealed replaces a document, if it still is what the caller has seen. nil is none,
	// of both. ErrChanged.
	SetSealed(ctx context.Context, name string, was, doc []byte) error
}

// SigningKeys is the document of the keys that sign pushes.
const SigningKeys = "signing-keys"
