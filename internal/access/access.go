// Package access keeps the API keys: who a key is, and whether one is needed at all. It
// knows neither requests nor what a key is asked for.
package access

import (
	"crypto/sha256"
	"errors"

	"github.com/sendoff-dev/sendoff/internal/auth"
)

// ErrUnknown says that nobody has such a key.
var ErrUnknown = errors.New("this is no API key of this server")

// Keys are found by their hash, so that nothing can be learned from how long it takes.
type hash = [sha256.Size]byte

// Ring holds the keys that a server was started with. Safe for concurrent use.
type Ring struct {
	given map[hash]auth.Principal
}

// NewRing returns a ring with keys that may do everything.
func NewRing(given []string) *Ring {
	r := &Ring{given: map[hash]auth.Principal{}}
	for _, key := range given {
		r.given[sha256.Sum256([]byte(key))] = auth.Principal{Name: "--api-keys", Namespace: auth.DefaultNamespace, Scopes: auth.Admin}
	}
	return r
}

// Authorize tells who has a key, and whoever has none where none is needed. ErrUnknown.
func (r *Ring) Authorize(key string) (auth.Principal, error) {
	if len(r.given) == 0 {
		return auth.Anybody(), nil
	}
	if p, ok := r.given[sha256.Sum256([]byte(key))]; ok && key != "" {
		return p, nil
	}
	return auth.Principal{}, ErrUnknown
}
