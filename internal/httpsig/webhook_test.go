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

// The vector of the test test_asymmetric_key_signing of Svix's server, over the same example.
const (
	asymmetricPrivate   = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
	asymmetricPublic    = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
	asymmetricSignature = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
)

func TestTheAsymmetricVectorIsMadeAndVerified(t *testing.T) {
	seed := asymmetricPrivate[:5] + b64(must(base64.StdEncoding.DecodeString(asymmetricPrivate[5:]))[:32])
	for _, secret := range []string{asymmetricPrivate, seed} {
		w, err := httpsig.NewWebhook(secret)
		require.NoError(t, err)
		require.Equal(t, asymmetricSignature, w.Sign(exampleID, exampleTime, []byte(exampleBody)))
		require.Equal(t, asymmetricPublic, w.Name())
		require.Equal(t, asymmetricPrivate, w.Secret())
	}
	public, err := httpsig.NewWebhook(asymmetricPublic)
	require.NoError(t, err)
	require.False(t, public.Signs())
	verify := func(signature, body string) error {
		h := http.Header{"Webhook-Id": {exampleID}, "Webhook-Timestamp": {"1614265330"}, "Webhook-Signature": {signature}}
		return public.Verify(h, []byte(body), exampleTime, 0)
	}
	require.NoError(t, verify(asymmetricSignature, exampleBody))
	require.NoError(t, verify(exampleSignature+" v1a,AAAA "+asymmetricSignature, exampleBody), "one of several")
	require.ErrorIs(t, verify(asymmetricSignature, exampleBody+" "), httpsig.ErrMismatch)
	require.ErrorIs(t, verify(exampleSignature, exampleBody), httpsig.ErrMismatch, "another scheme is skipped")
	require.ErrorIs(t, verify("v1,"+asymmetricSignature[4:], exampleBody), httpsig.ErrMismatch)
	require.ErrorIs(t, verify(strings.Repeat("v1a,"+b64(make([]byte, 64))+" ", 100)+asymmetricSignature, exampleBody), httpsig.ErrMismatch,
		"nobody makes it check signatures for long")
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestWhatIsShownOfASecretIsNoSecret(t *testing.T) {
	for _, secret := range []string{exampleSecret, asymmetricPrivate} {
		w, err := httpsig.NewWebhook(secret)
		require.NoError(t, err)
		require.NotContains(t, w.Name(), secret[6:20])
		require.True(t, httpsig.IsWebhookName(w.Name()))
		require.False(t, httpsig.IsWebhookName(secret))
	}
	_, err := httpsig.NewWebhook(must(httpsig.NewWebhook(exampleSecret)).Name())
	require.Error(t, err, "and cannot be taken for one")
}

func TestAShortOrBrokenWebhookSecretIsRefused(t *testing.T) {
	for _, secret := range []string{"", "whsec_", "whsec_" + b64(make([]byte, 23)), "whsec_" + b64(make([]byte, 65)), "whsec_%%%",
		"whsk_", "whsk_" + b64(make([]byte, 33)), "whsk_" + b64(make([]byte, 64)), "whsk_!", "whpk_", "whpk_" + b64(make([]byte, 31))} {
		_, err := httpsig.NewWebhook(secret)
		require.Error(t, err, secret)
	}
}
