package httpsig_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/httpsig"
)

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// The example of the Standard Webhooks specification.
const (
	exampleSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	exampleID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	exampleBody      = `{"test": 2432232314}`
	exampleSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

var exampleTime = time.Unix(1614265330, 0)

func TestTheStandardWebhooksExampleIsMadeAndVerified(t *testing.T) {
	w, err := httpsig.NewWebhook(exampleSecret)
	require.NoError(t, err)
	require.Equal(t, exampleSignature, w.Sign(exampleID, exampleTime, []byte(exampleBody)))

	tests := []struct {
		name                     string
		id, timestamp, signature string
		body                     string
		after                    time.Duration
		want                     error
	}{
		{"as published", exampleID, "1614265330", exampleSignature, exampleBody, 0, nil},
		{"one of several", exampleID, "1614265330", "v1,AAAA v1a,xxx " + exampleSignature, exampleBody, 0, nil},
		{"five minutes later", exampleID, "1614265330", exampleSignature, exampleBody, 5 * time.Minute, nil},
		{"too late", exampleID, "1614265330", exampleSignature, exampleBody, 5*time.Minute + time.Second, httpsig.ErrStale},
		{"from the future", exampleID, "1614265330", exampleSignature, exampleBody, -6 * time.Minute, httpsig.ErrStale},
		{"a hostile time", exampleID, "-9223372036854775808", exampleSignature, exampleBody, 0, httpsig.ErrStale},
		{"another hostile time", exampleID, "9223372036854775807", exampleSignature, exampleBody, 0, httpsig.ErrStale},
		{"no number", exampleID, "now", exampleSignature, exampleBody, 0, httpsig.ErrMalformed},
		{"another body", exampleID, "1614265330", exampleSignature, exampleBody + " ", 0, httpsig.ErrMismatch},
		{"another id", "msg_other", "1614265330", exampleSignature, exampleBody, 0, httpsig.ErrMismatch},
		{"another time", exampleID, "1614265331", exampleSignature, exampleBody, 0, httpsig.ErrMismatch},
		{"another version", exampleID, "1614265330", strings.Replace(exampleSignature, "v1", "v2", 1), exampleBody, 0, httpsig.ErrMismatch},
		{"an id with a full stop", exampleID + ".1", "1614265330", exampleSignature, exampleBody, 0, httpsig.ErrMalformed},
		{"no signature", exampleID, "1614265330", "", exampleBody, 0, httpsig.ErrUnsigned},
		{"no id", "", "1614265330", exampleSignature, exampleBody, 0, httpsig.ErrUnsigned},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{}
			for name, value := range map[string]string{"webhook-id": tt.id, "webhook-timestamp": tt.timestamp, "webhook-signature": tt.signature} {
				if value != "" {
					h.Set(name, value)
				}
			}
			require.ErrorIs(t, w.Verify(h, []byte(tt.body), exampleTime.Add(tt.after), 0), tt.want)
			if tt.want == nil {
				h.Add("webhook-id", tt.id)
				require.ErrorIs(t, w.Verify(h, []byte(tt.body), exampleTime, 0), httpsig.ErrMalformed, "given twice")
			}
		})
	}
}

func TestAPushCarriesAWebhookSignatureToo(t *testing.T) {
	keys := httpsig.NewKeys()
	w, err := httpsig.NewWebhook(keys.WebhookSecret())
	require.NoError(t, err)
	m := signedPush(t, keys, []byte("{}"))
	require.NoError(t, w.Verify(m.Header, []byte("{}"), signedAt, 0))
}

func TestAShortOrBrokenWebhookSecretIsRefused(t *testing.T) {
	for _, secret := range []string{"", "whsec_", "whsec_" + b64(make([]byte, 23)), "whsec_" + b64(make([]byte, 65)), "whsec_%%%"} {
		_, err := httpsig.NewWebhook(secret)
		require.Error(t, err, secret)
	}
}
