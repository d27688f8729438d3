package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"math/big"
	"regexp"
	"strings"
)

// A key is "sendoff_", 43 digits of 256 random bits and 6 digits of a checksum over both,
// in base 62: scanners for secrets find it, and tell a key from what looks like one.
const (
	keyMark   = "sendoff_"
	keyDigits = 43
	sumDigits = 6
	shown     = len(keyMark) + 6 // of the prefix
)

// KeyPattern is what a key matches, for scanners.
const KeyPattern = `sendoff_[0-9A-Za-z]{49}`

var keyPattern = regexp.MustCompile(`^` + KeyPattern + `$`)

// Key is a new key. It is kept nowhere.
type Key struct {
	ID     string // names it; random, and no part of it
	Text   string // what a client sends
	Prefix string // how it begins, so that people find it
	Hash   [sha256.Size]byte
}

// NewKey makes a key.
func NewKey() Key {
	var random, id [32]byte
	_, _ = rand.Read(random[:]) // never fails
	_, _ = rand.Read(id[:])
	text := keyMark + base62(random[:], keyDigits)
	text += checksum(text)
	return Key{ID: "key_" + strings.ToLower(base62(id[:], keyDigits)[:16]), Text: text, Prefix: text[:shown], Hash: HashKey(text)}
}

// HashKey is the form in which a key is kept and looked up. A key has as many random bits,
// so a slow hash would add nothing; and what is looked up by a hash tells nothing by the
// time that it takes.
func HashKey(text string) [sha256.Size]byte { return sha256.Sum256([]byte(text)) }

// WellFormed tells whether a text has the form of a key, with its checksum.
func WellFormed(text string) bool {
	return keyPattern.MatchString(text) && checksum(text[:len(text)-sumDigits]) == text[len(text)-sumDigits:]
}

func checksum(text string) string {
	return base62(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(text))), sumDigits)
}

const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// base62 writes a number with so many digits, zeros in front.
func base62(b []byte, n int) string {
	out := make([]byte, n)
	value, base, digit := new(big.Int).SetBytes(b), big.NewInt(int64(len(digits))), new(big.Int)
	for i := n - 1; i >= 0; i-- {
		value.DivMod(value, base, digit)
		out[i] = digits[digit.Int64()]
	}
	return string(out)
}
