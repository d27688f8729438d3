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

	b = appendPushParams(append(b[:0], Label+"="...), p.ContentType != "", created, signs.ID)
	s.SignatureInput = string(b)

	b = appendPushBase(b[:0], p, s.ContentDigest, s.SignatureInput[len(Label)+1:])
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

// appendPushBase is [Message.Base] for the fixed list of a push.
func appendPushBase(b []byte, p *Push, digest, params string) []byte {
	b = append(append(b, `"@method": `...), p.Method...)
	b = append(append(b, "\n\"@target-uri\": "...), p.TargetURI...)
	b = append(append(b, "\n\"content-digest\": "...), digest...)
	if p.ContentType != "" {
		b = append(append(b, "\n\"content-type\": "...), p.ContentType...)
	}
	b = append(append(b, "\n\"sendoff-task-id\": "...), p.TaskID...)
	b = append(append(b, "\n\"sendoff-attempt\": "...), p.Attempt...)
	return append(append(b, "\n\"@signature-params\": "...), params...)
}

func appendPushParams(b []byte, withType bool, created int64, keyID string) []byte {
	b = append(b, `("@method" "@target-uri" "content-digest" `...)
	if withType {
		b = append(b, `"content-type" `...)
	}
	b = append(b, `"sendoff-task-id" "sendoff-attempt");created=`...)
	b = strconv.AppendInt(b, created, 10)
	b = strconv.AppendInt(append(b, ";expires="...), created+Lifetime, 10)
	var nonce [16]byte
	rand.Read(nonce[:]) // never fails
	b = base64.RawURLEncoding.AppendEncode(append(b, `;nonce="`...), nonce[:])
	b = append(append(b, `";keyid="`...), keyID...)
	return append(b, `";alg="`+algorithm+`";tag="`+Tag+`"`...)
}
