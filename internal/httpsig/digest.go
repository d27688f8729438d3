package httpsig

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"fmt"

	"github.com/dunglas/httpsfv"
)

// Digest returns the value of a Content-Digest field for the body, with
// SHA-512 (RFC 9530).
func Digest(body []byte) string {
	return string(appendDigest(nil, body))
}

func appendDigest(b, body []byte) []byte {
	sum := sha512.Sum512(body)
	b = append(b, "sha-512=:"...)
	b = base64.StdEncoding.AppendEncode(b, sum[:])
	return append(b, ':')
}

// CheckDigest compares the body with the lines of a Content-Digest field. Every
// digest in it that uses SHA-512 or SHA-256 must match, and there must be one;
// other algorithms are skipped, as RFC 9530 asks.
func CheckDigest(lines []string, body []byte) error {
	dict, err := httpsfv.UnmarshalDictionary(lines)
	if err != nil {
		return fmt.Errorf("%w: content-digest: %w", ErrMalformed, err)
	}
	known := false
	for _, name := range dict.Names() {
		var want []byte
		switch name {
		case "sha-512":
			sum := sha512.Sum512(body)
			want = sum[:]
		case "sha-256":
			sum := sha256.Sum256(body)
			want = sum[:]
		default:
			continue
		}
		known = true
		member, _ := dict.Get(name)
		got, err := bytesItem(member)
		if err != nil {
			return fmt.Errorf("%w: content-digest %s", err, name)
		}
		if subtle.ConstantTimeCompare(got, want) != 1 {
			return ErrDigest
		}
	}
	if !known {
		return fmt.Errorf("%w: content-digest has neither sha-512 nor sha-256", ErrMalformed)
	}
	return nil
}

func bytesItem(m httpsfv.Member) ([]byte, error) {
	item, ok := m.(httpsfv.Item)
	if !ok {
		return nil, fmt.Errorf("%w: want a byte sequence", ErrMalformed)
	}
	b, ok := item.Value.([]byte)
	if !ok {
		return nil, fmt.Errorf("%w: want a byte sequence", ErrMalformed)
	}
	return b, nil
}
