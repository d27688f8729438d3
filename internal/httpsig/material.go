package httpsig

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// Material is what Keys are made from. It is secret. As JSON it is what a file of keys
// holds, and what a database holds sealed.
type Material struct {
	Version int    `json:"version"`
	Keys    []Seed `json:"keys"` // newest first
	Webhook string `json:"webhook_secret"`

	// WebhookBefore is the secret before Webhook, and signs beside it until WebhookEnds.
	WebhookBefore string    `json:"webhook_secret_before,omitempty"`
	WebhookEnds   time.Time `json:"webhook_secret_ends_at,omitzero"`
}

// Seed is an Ed25519 key, and when it is used.
type Seed struct {
	ID      string    `json:"kid"`
	Seed    []byte    `json:"ed25519_seed"`
	Created time.Time `json:"created_at"`
	Signs   time.Time `json:"signs_at,omitzero"` // from when on it signs; zero = at once
	Ends    time.Time `json:"ends_at,omitzero"`  // when it is published no more; zero = that is not known yet
}

const materialVersion = 1

// MaxKeys is how many keys there are at a time at most.
const MaxKeys = 8

// Errors of those who change keys.
var (
	ErrTooManyKeys = errors.New("there are as many signing keys as there may be: wait until one of them ends")
	ErrKeysInFile  = errors.New("the signing keys are in a file of the server, which is read when it starts: rotate them there, with sendoff keys rotate --keys-file FILE, or keep them in the database (--secret-file)")
)

// Rotation says how keys are changed.
type Rotation struct {
	Grace   time.Duration // from now until the new key signs; it is published at once
	Keep    time.Duration // for which those before are published from then on
	Webhook bool          // make a new secret for Standard Webhooks too: it signs at once, and the one before beside it for Keep
}

// The rotation that is asked for when nothing is said: verifiers read the keys each minute.
const (
	DefaultGrace = 10 * time.Minute
	DefaultKeep  = 24 * time.Hour
)

// NewMaterial makes a new key and a new secret.
func NewMaterial(now time.Time) *Material {
	return &Material{Version: materialVersion, Keys: []Seed{newSeed(now)}, Webhook: NewWebhookSecret()}
}

func newSeed(now time.Time) Seed {
	public, private, _ := ed25519.GenerateKey(rand.Reader) // never fails
	return Seed{ID: KeyID(public), Seed: private.Seed(), Created: now.UTC().Truncate(time.Second)}
}

// Rotate makes a new key, the first of Keys, with which everything goes on from now. One
// that was to sign after it never does, and goes. ErrTooManyKeys.
func (m *Material) Rotate(now time.Time, r Rotation) error {
	now = now.UTC().Truncate(time.Second)
	next := newSeed(now)
	next.Signs = now.Add(r.Grace)
	ends := next.Signs.Add(r.Keep)
	keys := []Seed{next}
	for _, k := range m.Keys {
		if k.Ends.IsZero() || k.Ends.After(ends) {
			k.Ends = ends
		}
		if k.Ends.After(now) && (!k.Signs.After(now) || k.Signs.Before(next.Signs)) {
			keys = append(keys, k)
		}
	}
	if len(keys) > MaxKeys {
		return fmt.Errorf("%w (%d)", ErrTooManyKeys, MaxKeys)
	}
	m.Keys = keys
	if !r.Webhook {
		return nil
	}
	m.WebhookBefore, m.WebhookEnds, m.Webhook = m.Webhook, now.Add(r.Keep), NewWebhookSecret()
	if r.Keep <= 0 {
		m.WebhookBefore, m.WebhookEnds = "", time.Time{}
	}
	return nil
}

// Load returns the keys. what names the place that the material is from, for errors.
func (m *Material) Load(what string) (*Keys, error) {
	if m.Version != materialVersion {
		return nil, fmt.Errorf("%s has version %d, want %d", what, m.Version, materialVersion)
	}
	if len(m.Keys) == 0 {
		return nil, fmt.Errorf("%s has no key", what)
	}
	k := &Keys{webhookEnds: m.WebhookEnds}
	for i, s := range m.Keys {
		key, err := s.load()
		if err != nil {
			return nil, fmt.Errorf("%s: key %d: %w", what, i+1, err)
		}
		k.list = append(k.list, key)
	}
	var err error
	if k.webhook, err = v1(m.Webhook); err == nil && m.WebhookBefore != "" {
		k.webhookBefore, err = v1(m.WebhookBefore)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return k, nil
}

func v1(secret string) (*Webhook, error) {
	w, err := NewWebhook(secret)
	if err == nil && w.macs == nil {
		err = fmt.Errorf("webhook secret: want %s and base64 of 24 to 64 bytes", secretPrefix)
	}
	return w, err
}

func (s *Seed) load() (key, error) {
	if len(s.Seed) != ed25519.SeedSize {
		return key{}, fmt.Errorf("want a seed of %d bytes", ed25519.SeedSize)
	}
	private := ed25519.NewKeyFromSeed(s.Seed)
	public := private.Public().(ed25519.PublicKey)
	if s.ID != KeyID(public) {
		return key{}, errors.New("kid does not belong to the seed")
	}
	webhook := webhookOf(webhookKey(s.Seed))
	return key{
		Key:     Key{ID: s.ID, Public: public, Webhook: webhook.Name(), Created: s.Created, Signs: s.Signs, Ends: s.Ends},
		private: private, webhook: webhook,
	}, nil
}
