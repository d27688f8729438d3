package httpsig

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Webhook signs and verifies with one secret after the Standard Webhooks
// specification, scheme "v1". It is safe for concurrent use.
type Webhook struct {
	secret string
	macs   *sync.Pool // of hash.Hash, keyed
}

const secretPrefix = "whsec_"

// NewWebhook reads a secret: base64 of 24 to 64 bytes, with or without the
// prefix "whsec_".
func NewWebhook(secret string) (*Webhook, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
	if err != nil || len(key) < 24 || len(key) > 64 {
		return nil, fmt.Errorf("webhook secret: want %s and base64 of 24 to 64 bytes", secretPrefix)
	}
	return &Webhook{
		secret: secretPrefix + base64.StdEncoding.EncodeToString(key),
		macs:   &sync.Pool{New: func() any { return hmac.New(sha256.New, key) }},
	}, nil
}

// Sign returns the value of webhook-signature. id must not contain a full stop.
func (w *Webhook) Sign(id string, at time.Time, body []byte) string {
	return w.sign(id, strconv.FormatInt(at.Unix(), 10), body)
}

func (w *Webhook) sign(id, timestamp string, body []byte) string {
	var sum [sha256.Size]byte
	var out [64]byte
	b := base64.StdEncoding.AppendEncode(append(out[:0], "v1,"...), w.sum(sum[:0], id, timestamp, body))
	return string(b)
}

func (w *Webhook) sum(b []byte, id, timestamp string, body []byte) []byte {
	mac := w.macs.Get().(hash.Hash)
	mac.Reset()
	var buf [256]byte
	head := append(append(buf[:0], id...), '.')
	head = append(append(head, timestamp...), '.')
	mac.Write(head)
	mac.Write(body)
	b = mac.Sum(b)
	w.macs.Put(mac)
	return b
}

// Verify checks webhook-id, webhook-timestamp and webhook-signature. One of the
// space-separated v1 signatures must match; other versions are skipped. The
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
	want := w.sum(nil, id, timestamp, body)
	for s := range strings.FieldsSeq(signatures) {
		version, value, _ := strings.Cut(s, ",")
		if version != "v1" {
			continue
		}
		if got, err := base64.StdEncoding.Strict().DecodeString(value); err == nil && hmac.Equal(got, want) {
			return nil
		}
	}
	return ErrMismatch
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
