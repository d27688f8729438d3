package sendoff

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/sendoff-dev/sendoff/internal/httpsig"
)

// runVerifier checks the signature that Dispatch's protocol puts on a run: one
// of RFC 9421 with Ed25519, under the label "dispatch" and the key id "default".
// A run that is played again is harmless: it carries an attempt that is over.
type runVerifier struct {
	keys              []ed25519.PublicKey
	now               func() time.Time
	scheme, authority string // of the endpoint's URL, behind a proxy
}

// The bounds of the age of a signature.
const (
	runOldest = 5 * time.Minute
	runAhead  = 10 * time.Second
)

var runComponents = []string{"@method", "@path", "@authority", "content-type", "content-digest"}

// head checks all but the body, and returns what checks that.
func (v *runVerifier) head(r *http.Request) (func(body []byte) error, error) {
	s, err := httpsig.Parse(r.Header, "dispatch")
	if err != nil {
		return nil, err
	}
	if !s.Covers(runComponents...) {
		return nil, fmt.Errorf("%w: want %s", httpsig.ErrIncomplete, strings.Join(runComponents, " "))
	}
	if s.Params.KeyID != "default" || s.Params.Alg != "" && s.Params.Alg != "ed25519" {
		return nil, fmt.Errorf("%w: key %q, algorithm %q", httpsig.ErrUnknownKey, s.Params.KeyID, s.Params.Alg)
	}
	if err := v.fresh(s.Params); err != nil {
		return nil, err
	}
	m := httpsig.MessageOf(r)
	if err = s.Check(&m, v.known); errors.Is(err, httpsig.ErrMismatch) && !strings.EqualFold(m.Authority, v.authority) {
		m.Scheme, m.Authority = v.scheme, v.authority
		err = s.Check(&m, v.known)
	}
	if err != nil {
		return nil, err
	}
	digest := r.Header.Values("Content-Digest")
	return func(body []byte) error { return httpsig.CheckDigest(digest, body) }, nil
}

func (v *runVerifier) fresh(p httpsig.Params) error {
	now, created := v.now(), time.Unix(p.Created, 0)
	switch {
	case p.Created == 0:
		return fmt.Errorf("%w: it has no time", httpsig.ErrStale)
	case now.Sub(created) > runOldest || created.Sub(now) > runAhead:
		return fmt.Errorf("%w: made at %s, it is %s", httpsig.ErrStale, created.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	case p.Expires != 0 && !now.Before(time.Unix(p.Expires, 0)):
		return fmt.Errorf("%w: it has expired", httpsig.ErrStale)
	}
	return nil
}

func (v *runVerifier) known(base, signature []byte) bool {
	for _, key := range v.keys {
		if ed25519.Verify(key, base, signature) {
			return true
		}
	}
	return false
}

// refusedSignature: what is missing or cannot be read is unauthenticated, what
// is wrong is denied, as in the protocol's table of errors.
func refusedSignature(err error) *rejection {
	for _, missing := range []error{httpsig.ErrUnsigned, httpsig.ErrMalformed, httpsig.ErrIncomplete} {
		if errors.Is(err, missing) {
			return &rejection{http.StatusUnauthorized, connect.CodeUnauthenticated, err.Error()}
		}
	}
	return &rejection{http.StatusForbidden, connect.CodePermissionDenied, err.Error()}
}

// parseVerificationKeys reads public keys: PEM, or 32 bytes in base64, separated
// by commas. Line breaks may be written as \n, as in files of environments.
func parseVerificationKeys(text string) ([]ed25519.PublicKey, error) {
	var keys []ed25519.PublicKey
	for part := range strings.SplitSeq(strings.ReplaceAll(text, `\n`, "\n"), ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		key, err := parseVerificationKey(part)
		if err != nil {
			return nil, fmt.Errorf("verification key: %w", err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func parseVerificationKey(text string) (ed25519.PublicKey, error) {
	if block, _ := pem.Decode([]byte(text)); block != nil {
		parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		key, ok := parsed.(ed25519.PublicKey)
		if !ok {
			return nil, fmt.Errorf("it is a %T: want an Ed25519 key", parsed)
		}
		return key, nil
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != ed25519.PublicKeySize {
		return nil, errors.New("want PEM (-----BEGIN PUBLIC KEY-----), or 32 bytes in base64")
	}
	return raw, nil
}

func jsonText(s string) string {
	b, _ := json.Marshal(strings.ToValidUTF8(s, "?")) // a string always can
	return string(b)
}
