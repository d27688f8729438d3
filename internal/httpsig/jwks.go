package httpsig

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

// KeysPath is where a server publishes its keys.
const KeysPath = "/.well-known/sendoff-keys"

type jwks struct {
	Keys []jwk `json:"keys"`
}

type jwk struct {
	Type  string `json:"kty"`
	Curve string `json:"crv"`
	ID    string `json:"kid"`
	X     string `json:"x"`
	Use   string `json:"use,omitempty"`
	Alg   string `json:"alg,omitempty"`

	Webhook string `json:"webhook_key,omitempty"` // "whpk_...", a member of ours
}

// PublicJWKS returns the published keys as a JWK set (RFC 7517, RFC 8037), the
// signing one first. It holds nothing secret. The member webhook_key of each is the
// public key for Standard Webhooks v1a that goes with it.
func (k *Keys) PublicJWKS() []byte { return JWKS(k.At(time.Now())) }

// JWKS are keys as a JWK set.
func JWKS(keys []Key) []byte {
	set := jwks{}
	for _, p := range keys {
		set.Keys = append(set.Keys, jwk{
			Type: "OKP", Curve: "Ed25519", ID: p.ID, X: base64.RawURLEncoding.EncodeToString(p.Public), Use: "sig", Alg: "EdDSA", Webhook: p.Webhook,
		})
	}
	b, err := json.Marshal(set)
	if err != nil {
		panic(err) // strings only
	}
	return b
}

// ParseJWKS reads the Ed25519 keys of a JWK set; keys of other types are
// skipped. A set without any is an error, and so is an id given twice.
func ParseJWKS(b []byte) (map[string]ed25519.PublicKey, error) {
	set := jwks{}
	if err := json.Unmarshal(b, &set); err != nil {
		return nil, fmt.Errorf("read key set: %w", err)
	}
	keys := map[string]ed25519.PublicKey{}
	for i, entry := range set.Keys {
		if entry.Type != "OKP" || entry.Curve != "Ed25519" || (entry.Use != "" && entry.Use != "sig") {
			continue
		}
		x, err := base64.RawURLEncoding.DecodeString(entry.X)
		if err != nil || len(x) != ed25519.PublicKeySize || entry.ID == "" {
			return nil, fmt.Errorf("read key set: entry %d is no Ed25519 key", i+1)
		}
		if _, ok := keys[entry.ID]; ok {
			return nil, fmt.Errorf("read key set: %q is there twice", entry.ID)
		}
		keys[entry.ID] = x
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("read key set: %w", ErrNoKeys)
	}
	return keys, nil
}
