package httpsig

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Webhook signs and verifies with one secret after the Standard Webhooks
// specification: scheme "v1", HMAC-SHA256, with a secret "whsec_"; scheme "v1a",
// Ed25519, with a private key "whsk_", and with its public key "whpk_" it verifies
// only. It is safe for concurrent use.
type Webhook struct {
	text    string
	name    string
	macs    *sync.Pool         // of hash.Hash, keyed; nil = it is no v1
	private ed25519.PrivateKey // nil = it does not sign
	public  ed25519.PublicKey
}

const (
	secretPrefix  = "whsec_"
	privatePrefix = "whsk_"
	publicPrefix  = "whpk_"
	maskedPrefix  = secretPrefix + "sha256:"
)

// NewWebhook reads a secret: "whsec_" and base64 of 24 to 64 bytes, where the prefix
// may be left out; "whsk_" and base64 of an Ed25519 private key, as its seed of 32
// bytes or with the public key after it; "whpk_" and base64 of a public key.
func NewWebhook(secret string) (*Webhook, error) {
	switch {
	case strings.HasPrefix(secret, privatePrefix):
		return privateWebhook(strings.TrimPrefix(secret, privatePrefix))
	case strings.HasPrefix(secret, publicPrefix):
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, publicPrefix))
		if err != nil || len(key) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("webhook key: want %s and base64 of %d bytes", publicPrefix, ed25519.PublicKeySize)
		}
		return &Webhook{text: secret, name: secret, public: key}, nil
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
	if err != nil || len(key) < 24 || len(key) > 64 {
		return nil, fmt.Errorf("webhook secret: want %s and base64 of 24 to 64 bytes", secretPrefix)
	}
	sum := sha256.Sum256(key)
	return &Webhook{
		text: secretPrefix + base64.StdEncoding.EncodeToString(key),
		name: maskedPrefix + hex.EncodeToString(sum[:6]),
		macs: &sync.Pool{New: func() any { return hmac.New(sha256.New, key) }},
	}, nil
}

func privateWebhook(text string) (*Webhook, error) {
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != ed25519.SeedSize && len(key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("webhook key: want %s and base64 of %d or %d bytes", privatePrefix, ed25519.SeedSize, ed25519.PrivateKeySize)
	}
	private := ed25519.NewKeyFromSeed(key[:ed25519.SeedSize])
	if len(key) == ed25519.PrivateKeySize && !bytes.Equal(private, key) {
		return nil, fmt.Errorf("webhook key: the public half of the %s does not belong to its private half", privatePrefix)
	}
	return webhookOf(private), nil
}

// webhookOf signs v1a with an Ed25519 key.
func webhookOf(private ed25519.PrivateKey) *Webhook {
	public := private.Public().(ed25519.PublicKey)
	return &Webhook{
		text: privatePrefix + base64.StdEncoding.EncodeToString(private),
		name: publicPrefix + base64.StdEncoding.EncodeToString(public), private: private, public: public,
	}
}

// NewWebhookSecret returns a new secret for v1, "whsec_...".
func NewWebhookSecret() string {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails
	return secretPrefix + base64.StdEncoding.EncodeToString(secret[:])
}

// Secret is the secret as text, with its prefix.
func (w *Webhook) Secret() string { return w.text }

// Name is what may be shown of the secret: "whsec_sha256:..." with the beginning of its
// hash, or the public key, "whpk_...", that verifies what it signs.
func (w *Webhook) Name() string { return w.name }

// Signs tells whether it can sign, and not only verify.
func (w *Webhook) Signs() bool { return w.macs != nil || w.private != nil }

// IsWebhookName tells whether a text has the form of a [Webhook.Name]. It is no secret.
func IsWebhookName(text string) bool {
	return strings.HasPrefix(text, maskedPrefix) || strings.HasPrefix(text, publicPrefix)
}

// Sign returns the value of webhook-signature. id must not contain a full stop.
func (w *Webhook) Sign(id string, at time.Time, body []byte) string {
	return signAll([]*Webhook{w}, id, strconv.FormatInt(at.Unix(), 10), body)
}

// signAll returns the value of webhook-signature with one signature of each.
func signAll(ws []*Webhook, id, timestamp string, body []byte) string {
	var out [192]byte
	b := out[:0]
	for i, w := range ws {
		if i > 0 {
			b = append(b, ' ')
		}
		b = w.appendSignature(b, id, timestamp, body)
	}
	return string(b)
}

func (w *Webhook) appendSignature(b []byte, id, timestamp string, body []byte) []byte {
	if w.private != nil {
		return base64.StdEncoding.AppendEncode(append(b, "v1a,"...), ed25519.Sign(w.private, webhookContent(id, timestamp, body)))
	}
	var sum [sha256.Size]byte
	return base64.StdEncoding.AppendEncode(append(b, "v1,"...), w.sum(sum[:0], id, timestamp, body))
}

// webhookContent is what is signed: id, time and body, with full stops between.
func webhookContent(id, timestamp string, body []byte) []byte {
	b := make([]byte, 0, len(id)+len(timestamp)+len(body)+2)
	return append(appendWebhookHead(b, id, timestamp), body...)
}

func appendWebhookHead(b []byte, id, timestamp string) []byte {
	b = append(append(b, id...), '.')
	return append(append(b, timestamp...), '.')
}

func (w *Webhook) sum(b []byte, id, timestamp string, body []byte) []byte {
	mac := w.macs.Get().(hash.Hash)
	mac.Reset()
	var buf [256]byte
	mac.Write(appendWebhookHead(buf[:0], id, timestamp))
	mac.Write(body)
	b = mac.Sum(b)
	w.macs.Put(mac)
	return b
}

// Verify checks webhook-id, webhook-timestamp and webhook-signature. One of the
// space-separated signatures of the secret's scheme must match; others are skipped. The
// timestamp may be tolerance away from now, on either side; 0 = 5 minutes.
// Errors wrap [ErrUnsigned], [ErrMalformed], [ErrStale] or [ErrMismatch].
func (w *Webhook) Verify(h http.Header, body []byte, now time.Time, tolerance time.Duration) error {
	id, err1 := single(h, "webhook-id")
	timestamp, err2 := single(h, "webhook-timestamp")
	signatures, err3 := single(h, "webhook-signature")
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			return err
		}
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || strings.Contains(id, ".") || len(signatures) > maxSignatureBytes {
		return fmt.Errorf("%w: webhook headers", ErrMalformed)
	}
	if tolerance == 0 {
		tolerance = DefaultTolerance
	}
	// Compared in whole seconds, because time.Time overflows on hostile values.
	if age := now.Unix() - seconds; seconds < 0 || age > int64(tolerance.Seconds()) || -age > int64(tolerance.Seconds()) {
		return fmt.Errorf("%w: webhook-timestamp", ErrStale)
	}
	if w.matches(signatures, id, timestamp, body) {
		return nil
	}
	return ErrMismatch
}

// maxWebhookSignatures is how many signatures of v1a are looked at: each takes a while.
const maxWebhookSignatures = 8

func (w *Webhook) matches(signatures, id, timestamp string, body []byte) bool {
	version, good := "v1", (func([]byte) bool)(nil)
	if w.macs != nil {
		want := w.sum(nil, id, timestamp, body)
		good = func(got []byte) bool { return hmac.Equal(got, want) }
	} else {
		version = "v1a"
		content := webhookContent(id, timestamp, body)
		good = func(got []byte) bool { return ed25519.Verify(w.public, content, got) }
	}
	looked := 0
	for s := range strings.FieldsSeq(signatures) {
		v, value, _ := strings.Cut(s, ",")
		if v != version {
			continue
		}
		if looked++; looked > maxWebhookSignatures && w.macs == nil {
			return false
		}
		if got, err := base64.StdEncoding.Strict().DecodeString(value); err == nil && good(got) {
			return true
		}
	}
	return false
}

func single(h http.Header, name string) (string, error) {
	lines := fieldLines(h, name)
	switch len(lines) {
	case 0:
		return "", fmt.Errorf("%w: no %s", ErrUnsigned, name)
	case 1:
		return lines[0], nil
	}
	return "", fmt.Errorf("%w: %s is given twice", ErrMalformed, name)
}
