package httpsig

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"time"
)

// Limits of a signature's age.
const (
	DefaultTolerance = 5 * time.Minute
	skew             = 5 * time.Second // clocks may differ by that much
)

// Verifier checks the signatures of pushes. Set its fields before the first use;
// then it is safe for concurrent use. The zero value refuses everything.
type Verifier struct {
	// Key returns the public key with that id, or an error that wraps
	// [ErrUnknownKey] or [ErrNoKeys]. nil refuses everything.
	Key func(ctx context.Context, id string) (ed25519.PublicKey, error)

	// Tolerance is how old a signature may be. Default 5 minutes; clocks may
	// differ by 5 seconds more.
	Tolerance time.Duration

	// Nonces remembers signatures that were accepted, to refuse them the second
	// time. nil = they are not remembered, and a captured request can be sent
	// again within the tolerance.
	Nonces *Nonces

	// Now is the clock; default time.Now.
	Now func() time.Time
}

// FixedKeys is a [Verifier.Key] over a set that does not change.
func FixedKeys(set map[string]ed25519.PublicKey) func(context.Context, string) (ed25519.PublicKey, error) {
	return func(_ context.Context, id string) (ed25519.PublicKey, error) {
		if len(set) == 0 {
			return nil, ErrNoKeys
		}
		if key, ok := set[id]; ok {
			return key, nil
		}
		return nil, fmt.Errorf("%w: %q", ErrUnknownKey, id)
	}
}

// Head is a push whose signature over the headers is good. Its body has not been
// seen yet.
type Head struct {
	verifier *Verifier
	digest   []string
	nonce    string
}

// Head verifies the signature over method, target and headers. It reads no body,
// so a caller can refuse a stranger before it takes a byte of it. The push is
// verified when [Head.Body] has accepted the body too.
func (v *Verifier) Head(ctx context.Context, m *Message) (*Head, error) {
	if v.Key == nil {
		return nil, ErrNoKeys
	}
	s, err := Parse(m.Header, Label)
	if err != nil {
		return nil, err
	}
	if err = complete(s, m); err != nil {
		return nil, err
	}
	if err = v.fresh(&s.Params); err != nil {
		return nil, err
	}
	key, err := v.Key(ctx, s.Params.KeyID)
	if err != nil {
		return nil, err
	}
	if len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%w: %q is no Ed25519 key", ErrUnknownKey, s.Params.KeyID)
	}
	err = s.Check(m, func(base, signature []byte) bool { return ed25519.Verify(key, base, signature) })
	if err != nil {
		return nil, err
	}
	return &Head{verifier: v, digest: fieldLines(m.Header, "Content-Digest"), nonce: s.Params.KeyID + " " + s.Params.Nonce}, nil
}

// Body compares the body with the signed digest, and spends the nonce.
func (h *Head) Body(body []byte) error {
	if err := CheckDigest(h.digest, body); err != nil {
		return err
	}
	if h.verifier.Nonces != nil && !h.verifier.Nonces.Spend(h.nonce) {
		return ErrReplayed
	}
	return nil
}

// Verify checks a push whose body the caller has read, bounded.
func (v *Verifier) Verify(ctx context.Context, m *Message, body []byte) error {
	head, err := v.Head(ctx, m)
	if err != nil {
		return err
	}
	return head.Body(body)
}

func complete(s *Signature, m *Message) error {
	if !s.Covers("@method", "@target-uri", "content-digest", "sendoff-task-id", "sendoff-attempt") {
		return ErrIncomplete
	}
	if len(fieldLines(m.Header, "Content-Type")) > 0 && !s.Covers("content-type") {
		return fmt.Errorf("%w: content-type", ErrIncomplete)
	}
	p := &s.Params
	switch {
	case p.Created == 0 || p.Expires == 0 || p.Nonce == "" || p.KeyID == "":
		return fmt.Errorf("%w: want created, expires, nonce and keyid", ErrIncomplete)
	case p.Alg != algorithm:
		return fmt.Errorf("%w: alg is %q, want %q", ErrMalformed, p.Alg, algorithm)
	case p.Tag != Tag:
		return fmt.Errorf("%w: tag is %q, want %q", ErrMalformed, p.Tag, Tag)
	}
	return nil
}

// fresh compares in whole seconds: time.Time overflows on hostile values.
func (v *Verifier) fresh(p *Params) error {
	clock, tolerance := v.Now, v.Tolerance
	if clock == nil {
		clock = time.Now
	}
	if tolerance == 0 {
		tolerance = DefaultTolerance
	}
	now, slack := clock().Unix(), int64(skew/time.Second)
	switch {
	case p.Created > now+slack:
		return fmt.Errorf("%w: created in the future", ErrStale)
	case p.Created < now-slack-int64(tolerance/time.Second):
		return fmt.Errorf("%w: created too long ago", ErrStale)
	case p.Expires < now-slack || p.Expires < p.Created:
		return fmt.Errorf("%w: expired", ErrStale)
	}
	return nil
}
