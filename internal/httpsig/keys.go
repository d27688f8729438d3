package httpsig

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"time"
)

// Keys are what a server signs pushes with: Ed25519 keys, of which one signs and all
// are published, and a Standard Webhooks secret. They do not change once loaded, but
// for what the time does: which one signs, and which ones are published. They are safe
// for concurrent use.
type Keys struct {
	list []key // newest first

	webhook       *Webhook
	webhookBefore *Webhook // signs beside webhook until webhookEnds; nil = none
	webhookEnds   time.Time

	asymmetric bool
}

// Key is what everybody may know of a key.
type Key struct {
	ID      string // its thumbprint, see KeyID
	Public  ed25519.PublicKey
	Webhook string // "whpk_...": what verifies its signatures of Standard Webhooks, v1a
	State   KeyState
	Created time.Time
	Signs   time.Time // from when on it signs; zero = at once
	Ends    time.Time // when it is published no more; zero = that is not known yet
}

// KeyState is what a key is for at a time.
type KeyState string

// The states of a key.
const (
	KeyNext     KeyState = "next"     // published, to sign later
	KeySigns    KeyState = "signs"    // the one that signs
	KeyVerifies KeyState = "verifies" // published, so that what it has signed is accepted
)

type key struct {
	Key     // without a State
	private ed25519.PrivateKey
	webhook *Webhook // v1a
}

// NewKeys makes keys that live in memory only.
func NewKeys() *Keys {
	keys, err := NewMaterial(time.Now()).Load("new keys")
	if err != nil {
		panic(err) // they were made a line above
	}
	return keys
}

// WithAsymmetric returns the same keys, which sign Standard Webhooks v1a beside v1 as well.
func (k *Keys) WithAsymmetric() *Keys {
	with := *k
	with.asymmetric = true
	return &with
}

// webhookKey is the key for v1a that goes with an Ed25519 key. It is another one: what a
// client lets be signed as a webhook must never be a signature of RFC 9421.
func webhookKey(seed []byte) ed25519.PrivateKey {
	b, err := hkdf.Key(sha256.New, seed, nil, "sendoff standard webhooks v1a", ed25519.SeedSize)
	if err != nil {
		panic(err) // of lengths only
	}
	return ed25519.NewKeyFromSeed(b)
}

// KeyID is the id of a public key: its JWK thumbprint with SHA-256 (RFC 7638,
// RFC 8037), in base64url.
func KeyID(key ed25519.PublicKey) string {
	x := base64.RawURLEncoding.EncodeToString(key)
	sum := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + x + `"}`))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// signing is the key that signs at a time: the newest one whose time has come.
func (k *Keys) signing(now time.Time) *key {
	return &k.list[signingAt(len(k.list), func(i int) time.Time { return k.list[i].Signs }, now)]
}

func signingAt(n int, signs func(i int) time.Time, now time.Time) int {
	for i := range n {
		if !signs(i).After(now) {
			return i
		}
	}
	return n - 1
}

// All are the keys as they were loaded, newest first, also those that have ended.
func (k *Keys) All() []Key {
	out := make([]Key, len(k.list))
	for i := range k.list {
		out[i] = k.list[i].Key
	}
	return out
}

// At returns the keys that are published at a time, the one that signs first.
func (k *Keys) At(now time.Time) []Key { return Published(k.All(), now) }

// Published are those of a list, newest first, that are published at a time, with their
// states: the one that signs first.
func Published(list []Key, now time.Time) []Key {
	if len(list) == 0 {
		return nil
	}
	signs := signingAt(len(list), func(i int) time.Time { return list[i].Signs }, now)
	out := []Key{list[signs]}
	out[0].State = KeySigns
	for i, key := range list {
		switch {
		case i == signs, !key.Ends.IsZero() && !key.Ends.After(now):
			continue
		case key.Signs.After(now):
			key.State = KeyNext
		default:
			key.State = KeyVerifies
		}
		out = append(out, key)
	}
	return out
}

// ID is the id of the key that signs.
func (k *Keys) ID() string { return k.signing(time.Now()).ID }

// WebhookSecret is the secret that receivers need for Standard Webhooks. It is
// no public key: whoever has it can sign.
func (k *Keys) WebhookSecret() string { return k.webhook.Secret() }

// WebhookBefore is the secret before, and until when it signs as well; "" = none does.
func (k *Keys) WebhookBefore(now time.Time) (string, time.Time) {
	if k.webhookBefore == nil || !k.webhookEnds.After(now) {
		return "", time.Time{}
	}
	return k.webhookBefore.Secret(), k.webhookEnds
}

// Public returns the published keys by their ids.
func (k *Keys) Public() map[string]ed25519.PublicKey {
	set := map[string]ed25519.PublicKey{}
	for _, p := range k.At(time.Now()) {
		set[p.ID] = p.Public
	}
	return set
}

// webhooks are those that sign for all queues: secrets of v1, and of v1a, where that is
// asked for, the key that signs with those before it that are about to end.
func (k *Keys) webhooks(now time.Time, signs *key) []*Webhook {
	out := append(make([]*Webhook, 0, 4), k.webhook)
	if k.webhookBefore != nil && k.webhookEnds.After(now) {
		out = append(out, k.webhookBefore)
	}
	if !k.asymmetric {
		return out
	}
	out = append(out, signs.webhook)
	for i := range k.list {
		if e := &k.list[i]; e != signs && !e.Signs.After(now) && e.Ends.After(now) {
			out = append(out, e.webhook)
		}
	}
	return out
}
