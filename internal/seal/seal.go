// Package seal keeps secrets where others can read them: in a database, of which copies go
// around. What it seals, nobody opens without the secret of a file that lies elsewhere.
//
// The secret goes through HKDF with SHA-256 (RFC 5869), once for the key of AES-256-GCM with
// random nonces, and once for an id by which another secret is told from this one. It knows
// neither the database nor what is sealed.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// Errors of this package wrap one of these.
var (
	ErrShort = errors.New("a secret has at least 32 characters")
	ErrWrong = errors.New("it was sealed under another secret, or was changed")
)

// minSecret is the least length of a secret: 32 random bytes as base64 have 44.
const minSecret = 32

// Key seals and opens. It is safe for concurrent use.
type Key struct {
	aead cipher.AEAD
	id   string
}

// New returns the key of a secret. ErrShort.
func New(secret []byte) (*Key, error) {
	if len(secret) < minSecret {
		return nil, fmt.Errorf("%w: it has %d", ErrShort, len(secret))
	}
	block, err := aes.NewCipher(derive(secret, "sendoff seal v1 key", 32))
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &Key{aead: aead, id: hex.EncodeToString(derive(secret, "sendoff seal v1 id", 8))}, nil
}

func derive(secret []byte, what string, size int) []byte {
	b, err := hkdf.Key(sha256.New, secret, nil, what, size)
	if err != nil {
		panic(err) // of lengths only
	}
	return b
}

// ID tells keys apart, and nothing about the secret.
func (k *Key) ID() string { return k.id }

// Seal returns plain so that only Open reads it, for the same purpose.
func (k *Key) Seal(purpose string, plain []byte) []byte {
	return k.aead.Seal(nil, nil, plain, []byte(purpose))
}

// Open returns what was sealed for that purpose. ErrWrong.
func (k *Key) Open(purpose string, sealed []byte) ([]byte, error) {
	plain, err := k.aead.Open(nil, nil, sealed, []byte(purpose))
	if err != nil {
		return nil, ErrWrong
	}
	return plain, nil
}
