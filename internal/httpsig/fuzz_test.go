package httpsig_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/sendoff-dev/sendoff/internal/httpsig"
)

// Whatever arrives, the parsers return, and nothing but the true signature is
// accepted.
func FuzzVerify(f *testing.F) {
	keys := httpsig.NewKeys()
	body := []byte("{}")
	good := signedPush(f, keys, body)
	f.Add(good.Header.Get("Signature-Input"), good.Header.Get("Signature"), good.Header.Get("Content-Digest"), good.Header.Get("Webhook-Signature"))
	f.Add(`sendoff=("@method";req "@path");created=1`, `sendoff=:AAAA:`, `sha-256=:AAAA:`, "v1,")
	f.Add(`sendoff=()`, `sendoff=?1`, `sha-512=1`, "v1")
	other := httpsig.FixedKeys(httpsig.NewKeys().Public())
	webhook, _ := httpsig.NewWebhook(exampleSecret)
	f.Fuzz(func(t *testing.T, input, signature, digest, hook string) {
		m := *good
		m.Header = good.Header.Clone()
		m.Header["Signature-Input"], m.Header["Signature"] = []string{input}, []string{signature}
		m.Header["Content-Digest"], m.Header["Webhook-Signature"] = []string{digest}, []string{hook}
		v := &httpsig.Verifier{Key: other, Now: func() time.Time { return signedAt }}
		if v.Verify(t.Context(), &m, body) == nil {
			t.Fatal("accepted under a key that did not sign it")
		}
		if webhook.Verify(m.Header, body, signedAt, 0) == nil {
			t.Fatal("accepted under a secret that did not sign it")
		}
		if s, err := httpsig.Parse(m.Header, httpsig.Label); err == nil {
			again, err := httpsig.Parse(http.Header{
				"Signature-Input": {httpsig.Label + "=" + s.Text}, "Signature": {signature},
			}, httpsig.Label)
			if err != nil || again.Text != s.Text || again.Params != s.Params {
				t.Fatalf("%q is not stable: %v", s.Text, err)
			}
		}
	})
}

func FuzzParseJWKS(f *testing.F) {
	f.Add(httpsig.NewKeys().PublicJWKS())
	f.Fuzz(func(t *testing.T, b []byte) {
		if set, err := httpsig.ParseJWKS(b); err == nil && len(set) == 0 {
			t.Fatal("an empty set without an error")
		}
	})
}
