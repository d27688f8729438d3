package signing

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sendoff-dev/sendoff/internal/httpsig"
	"github.com/sendoff-dev/sendoff/internal/seal"
)

// Errors about what is in the database.
var (
	ErrOtherSecret = errors.New("the signing keys in the database are sealed under another secret")
	ErrDamaged     = errors.New("the signing keys in the database cannot be read")
)

// Document is what is in the database: sealed keys, and what everybody may know of them.
// Its form is kept by all versions.
type Document struct {
	Version int     `json:"version"`
	Under   string  `json:"sealed_under"` // id of the secret
	Keys    []Shown `json:"keys"`         // newest first; of no use but to look at
	Sealed  []byte  `json:"sealed"`       // httpsig.Material as JSON
}

// Shown is what everybody may know of a key.
type Shown struct {
	ID      string    `json:"kid"`
	X       []byte    `json:"public_key"`
	Webhook string    `json:"webhook_key"`
	Created time.Time `json:"created_at"`
	Signs   time.Time `json:"signs_at,omitzero"`
	Ends    time.Time `json:"ends_at,omitzero"`
}

const (
	documentVersion = 1
	purpose         = "signing keys"
)

// ReadDocument reads what is in the database. ErrDamaged.
func ReadDocument(b []byte) (*Document, error) {
	d := &Document{}
	if err := json.Unmarshal(b, d); err != nil || d.Version != documentVersion {
		return nil, fmt.Errorf("%w: they are not of version %d", ErrDamaged, documentVersion)
	}
	return d, nil
}

// List are the keys that are published at a time, as far as the document says it itself: it
// takes no secret, and proves nothing.
func (d *Document) List(now time.Time) []httpsig.Key {
	all := make([]httpsig.Key, len(d.Keys))
	for i, s := range d.Keys {
		all[i] = httpsig.Key{ID: s.ID, Public: s.X, Webhook: s.Webhook, Created: s.Created, Signs: s.Signs, Ends: s.Ends}
	}
	return httpsig.Published(all, now)
}

// Open returns what is sealed. ErrOtherSecret, ErrDamaged.
func (d *Document) Open(k *seal.Key) (*httpsig.Material, error) {
	if d.Under != k.ID() {
		return nil, fmt.Errorf("%w: theirs has the id %s, this one %s", ErrOtherSecret, d.Under, k.ID())
	}
	plain, err := k.Open(purpose, d.Sealed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	m := &httpsig.Material{}
	if err := json.Unmarshal(plain, m); err != nil {
		return nil, ErrDamaged // the decoder's own text could quote a part of a secret
	}
	return m, nil
}

// sealed is the document of keys.
func sealed(k *seal.Key, m *httpsig.Material) ([]byte, error) {
	keys, err := m.Load("the signing keys")
	if err != nil {
		return nil, err
	}
	plain, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	d := Document{Version: documentVersion, Under: k.ID(), Sealed: k.Seal(purpose, plain)}
	for _, key := range keys.All() {
		d.Keys = append(d.Keys, Shown{key.ID, key.Public, key.Webhook, key.Created, key.Signs, key.Ends})
	}
	return json.Marshal(d)
}
