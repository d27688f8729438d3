package httpsig

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"strconv"
	"time"
)

// The profile of a signed push.
const (
	Label     = "sendoff"      // of the signature
	Tag       = "sendoff-push" // what the signature is for
	Lifetime  = 300            // seconds from created to expires
	algorithm = "ed25519"
)

// Push is what is signed of a push. All texts must be fit for a header field.
type Push struct {
	Method      string
	TargetURI   string // as made by [TargetURI]
	ContentType string // "" = the request has none, and it is not covered
	TaskID      string // of the Sendoff-Task-Id field
	Attempt     string // of the Sendoff-Attempt field
	WebhookID   string // of the webhook-id field; must not contain a full stop
	Body        []byte

	// Webhooks sign it after Standard Webhooks, each with a signature; nil = those of
	// the keys do.
	Webhooks []*Webhook
}

// Signed holds the fields that a signature adds to a push.
type Signed struct {
	ContentDigest    string
	SignatureInput   string
	Signature        string
	WebhookTimestamp string
	WebhookSignature string
}

// Sign makes all signatures of a push, with a fresh nonce.
// It is safe for concurrent use.
func (k *Keys) Sign(p *Push, now time.Time) Signed {
	var buf [1024]byte
	created, signs := now.Unix(), k.signing(now)
	b := appendDigest(buf[:0], p.Body)
	s := Signed{ContentDigest: string(b)}

	var room [6]component
	covered := p.components(room[:0], s.ContentDigest)
	b = appendParams(append(b[:0], Label+"="...), covered, Params{
		Created: created, Expires: created + Lifetime, Nonce: newNonce(), KeyID: signs.ID, Alg: algorithm, Tag: Tag,
	})
	s.SignatureInput = string(b)

	b = appendBase(b[:0], covered, s.SignatureInput[len(Label)+1:])
	signature := ed25519.Sign(signs.private, b)
	b = append(b[:0], Label+"=:"...)
	b = base64.StdEncoding.AppendEncode(b, signature)
	s.Signature = string(append(b, ':'))

	s.WebhookTimestamp = strconv.FormatInt(created, 10)
	webhooks := p.Webhooks
	if webhooks == nil {
		webhooks = k.webhooks(now, signs)
	}
	s.WebhookSignature = signAll(webhooks, p.WebhookID, s.WebhookTimestamp, p.Body)
	return s
}

// components are those of a push that are signed, as [Message.Base] finds them at the
// receiver.
func (p *Push) components(list []component, digest string) []component {
	list = append(list, component{"@method", p.Method}, component{"@target-uri", p.TargetURI}, component{"content-digest", digest})
	if p.ContentType != "" {
		list = append(list, component{"content-type", p.ContentType})
	}
	return append(list, component{"sendoff-task-id", p.TaskID}, component{"sendoff-attempt", p.Attempt})
}

func newNonce() string {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(nonce[:])
}
