package sendoff

import (
	"context"
	"net/http"
	"time"
)

// SigningKey is a key that the server signs pushes and runs with, as everybody may know it.
type SigningKey struct {
	ID         string          `json:"id"` // as in the keyid of signatures
	State      SigningKeyState `json:"state"`
	PublicKey  string          `json:"public_key"`  // Ed25519, base64
	WebhookKey string          `json:"webhook_key"` // "whpk_...": verifies its signatures of Standard Webhooks v1a
	CreatedAt  time.Time       `json:"created_at,omitzero"`
	SignsAt    time.Time       `json:"signs_at,omitzero"` // from when on it signs; zero = from the start
	EndsAt     time.Time       `json:"ends_at,omitzero"`  // when it is published no more; zero = not before another one is made
}

// SigningKeyState is what a key is for.
type SigningKeyState string

// The states of signing keys.
const (
	KeyNext     SigningKeyState = "next"     // published, to sign later
	KeySigns    SigningKeyState = "signs"    // the one that signs
	KeyVerifies SigningKeyState = "verifies" // published, so that what it has signed is accepted
)

// SigningKeys lists and rotates the keys that the server signs with: [Client.SigningKeys].
// Of errors, repeats and concurrent use holds what [Client] says.
type SigningKeys struct{ c *Client }

// List lists the keys that are published, the one that signs first; none when the server
// signs nothing.
func (k SigningKeys) List(ctx context.Context) ([]SigningKey, error) {
	var out items[SigningKey]
	_, _, err := k.c.do(ctx, request{method: http.MethodGet, path: "/v1/signing-keys", again: true}, &out)
	return out.Items, err
}

// Rotation says how keys are rotated. The zero value is what a server does by itself.
type Rotation struct {
	Grace   *time.Duration // until the new key signs, while it is published already; default 10 minutes
	Keep    *time.Duration // how long those before it are published from then on; default 24 hours
	Webhook bool           // make a new secret for Standard Webhooks v1 too; the one before signs beside it for Keep
}

// Rotate makes a new key, for all nodes, and returns it. It takes a key of the default
// namespace with the scope admin. It is not repeated: when the answer is lost, see List.
func (k SigningKeys) Rotate(ctx context.Context, r Rotation) (*SigningKey, error) {
	body := map[string]any{}
	for name, d := range map[string]*time.Duration{"grace": r.Grace, "keep": r.Keep} {
		if d != nil {
			body[name] = d.String()
		}
	}
	if r.Webhook {
		body["webhook"] = true
	}
	var out SigningKey
	if _, _, err := k.c.do(ctx, request{method: http.MethodPost, path: "/v1/signing-keys/rotate", body: body}, &out); err != nil {
		return nil, err
	}
	return &out, nil
}
