package httpsig_test

import (
	"crypto/ed25519"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/httpsig"
)

var signedAt = time.Unix(1_800_000_000, 0)

const pushURL = "https://app.example/hook?a=1&b=2"

// signedPush is a push as its receiver sees it.
func signedPush(t testing.TB, keys *httpsig.Keys, body []byte) *httpsig.Message {
	t.Helper()
	return pushSignedAt(t, keys, body, signedAt)
}

func pushSignedAt(t testing.TB, keys *httpsig.Keys, body []byte, at time.Time) *httpsig.Message {
	t.Helper()
	u, err := url.Parse(pushURL)
	require.NoError(t, err)
	p := &httpsig.Push{
		Method: "POST", TargetURI: httpsig.TargetURI(u), ContentType: "application/json",
		TaskID: "019aab6e-6f3a-7c1e-8d24-5f2b7a1c9e00", Attempt: "3", WebhookID: "019aab6e", Body: body,
	}
	s := keys.Sign(p, at)
	h := http.Header{}
	h.Set("Content-Type", p.ContentType)
	h.Set("Sendoff-Task-Id", p.TaskID)
	h.Set("Sendoff-Attempt", p.Attempt)
	h.Set("Content-Digest", s.ContentDigest)
	h.Set("Signature-Input", s.SignatureInput)
	h.Set("Signature", s.Signature)
	h.Set("Webhook-Id", p.WebhookID)
	h.Set("Webhook-Timestamp", s.WebhookTimestamp)
	h.Set("Webhook-Signature", s.WebhookSignature)
	return &httpsig.Message{
		Method: "POST", Scheme: "https", Authority: "app.example", RequestURI: "/hook?a=1&b=2",
		Header: h, ContentLength: int64(len(body)),
	}
}

func verifier(keys *httpsig.Keys) *httpsig.Verifier {
	return &httpsig.Verifier{Key: httpsig.FixedKeys(keys.Public()), Now: func() time.Time { return signedAt }}
}

func TestAPushIsAcceptedUnchanged(t *testing.T) {
	keys := httpsig.NewKeys()
	for _, body := range []string{"", "{}", strings.Repeat("x", 1<<20)} {
		m := signedPush(t, keys, []byte(body))
		require.NoError(t, verifier(keys).Verify(t.Context(), m, []byte(body)))
	}
}

func TestTheFastSignerSaysWhatTheGeneralOneSays(t *testing.T) {
	keys := httpsig.NewKeys()
	m := signedPush(t, keys, []byte("{}"))
	s, err := httpsig.Parse(m.Header, httpsig.Label)
	require.NoError(t, err)
	require.Equal(t, []string{"@method", "@target-uri", "content-digest", "content-type", "sendoff-task-id", "sendoff-attempt"}, s.Covered)
	require.Equal(t, signedAt.Unix(), s.Params.Created)
	require.Equal(t, signedAt.Unix()+300, s.Params.Expires)
	require.Equal(t, "ed25519", s.Params.Alg)
	require.Equal(t, "sendoff-push", s.Params.Tag)
	require.Equal(t, keys.ID(), s.Params.KeyID)
	require.NoError(t, s.Check(m, func(base, sig []byte) bool {
		return ed25519.Verify(keys.Public()[keys.ID()], base, sig)
	}))
}

func TestAPushWithoutContentTypeIsSignedWithoutIt(t *testing.T) {
	keys := httpsig.NewKeys()
	s := keys.Sign(&httpsig.Push{Method: "GET", TargetURI: "http://h/", TaskID: "t", Attempt: "1"}, signedAt)
	m := &httpsig.Message{Method: "GET", Scheme: "http", Authority: "h", RequestURI: "/", Header: http.Header{
		"Sendoff-Task-Id": {"t"}, "Sendoff-Attempt": {"1"}, "Content-Digest": {s.ContentDigest},
		"Signature-Input": {s.SignatureInput}, "Signature": {s.Signature},
	}}
	require.NoError(t, verifier(keys).Verify(t.Context(), m, nil))
	m.Header.Set("Content-Type", "text/html")
	require.ErrorIs(t, verifier(keys).Verify(t.Context(), m, nil), httpsig.ErrIncomplete, "a type put in on the way")
}

// S4, S9: nothing that is covered can be changed, dropped, doubled or moved.
func TestEveryMutationOfAPushIsRefused(t *testing.T) {
	keys := httpsig.NewKeys()
	body := []byte(`{"amount":100}`)
	v := verifier(keys)
	refused := func(what string, mutate func(m *httpsig.Message, body *[]byte)) {
		t.Helper()
		m := signedPush(t, keys, body)
		b := append([]byte(nil), body...)
		mutate(m, &b)
		require.Error(t, v.Verify(t.Context(), m, b), what)
	}
	flips := func(s string, try func(flipped string)) {
		for i := range len(s) * 8 {
			b := []byte(s)
			b[i/8] ^= 1 << (i % 8)
			try(string(b))
		}
	}

	flips("POST", func(s string) { refused("method "+s, func(m *httpsig.Message, _ *[]byte) { m.Method = s }) })
	flips("/hook?a=1&b=2", func(s string) {
		refused("target "+s, func(m *httpsig.Message, _ *[]byte) { m.RequestURI = s })
	})
	flips(string(body), func(s string) { refused("body", func(_ *httpsig.Message, b *[]byte) { *b = []byte(s) }) })
	for _, uri := range []string{"/hook", "/hook?", "/hook?a=1", "/hook?b=2&a=1", "/hook?a=1&b=2&c=3", "/Hook?a=1&b=2", "/hook/?a=1&b=2"} {
		refused(uri, func(m *httpsig.Message, _ *[]byte) { m.RequestURI = uri })
	}
	refused("scheme", func(m *httpsig.Message, _ *[]byte) { m.Scheme = "http" })
	refused("host", func(m *httpsig.Message, _ *[]byte) { m.Authority = "other.example" })
	refused("port", func(m *httpsig.Message, _ *[]byte) { m.Authority = "app.example:8443" })

	covered := []string{"Content-Digest", "Content-Type", "Sendoff-Task-Id", "Sendoff-Attempt"}
	for _, name := range append(covered, "Signature-Input", "Signature") {
		refused("drop "+name, func(m *httpsig.Message, _ *[]byte) { m.Header.Del(name) })
		refused("empty "+name, func(m *httpsig.Message, _ *[]byte) { m.Header.Set(name, "") })
		refused("double "+name, func(m *httpsig.Message, _ *[]byte) { m.Header.Add(name, m.Header.Get(name)) })
	}
	for _, name := range covered {
		refused("line before "+name, func(m *httpsig.Message, _ *[]byte) {
			m.Header[name] = []string{"x", m.Header.Get(name)}
		})
		value := signedPush(t, keys, body).Header.Get(name)
		flips(value, func(s string) {
			if strings.Trim(s, " \t") == value {
				return
			}
			refused(fmt.Sprintf("%s %q", name, s), func(m *httpsig.Message, _ *[]byte) { m.Header.Set(name, s) })
		})
	}
	for i := range 64 * 8 {
		refused("signature bit", func(m *httpsig.Message, _ *[]byte) {
			s, err := httpsig.Parse(m.Header, httpsig.Label)
			require.NoError(t, err)
			s.Value[i/8] ^= 1 << (i % 8)
			m.Header.Set("Signature", fmt.Sprintf("sendoff=:%s:", b64(s.Value)))
		})
	}
	input := func(old, new string) {
		t.Helper()
		refused(old+" -> "+new, func(m *httpsig.Message, _ *[]byte) {
			was := m.Header.Get("Signature-Input")
			now := strings.Replace(was, old, new, 1)
			require.NotEqual(t, was, now)
			m.Header.Set("Signature-Input", now)
		})
	}
	input(`"@method" "@target-uri"`, `"@target-uri" "@method"`)
	input(`"content-type" `, ``)
	input(` "sendoff-attempt"`, ``)
	input(`"@target-uri"`, `"@path"`)
	input(`created=1800000000`, `created=1800000001`)
	input(`expires=1800000300`, `expires=1800009999`)
	input(`;nonce="`, `;nonce="x`)
	input(`;alg="ed25519"`, ``)
	input(`;alg="ed25519"`, `;alg="hmac-sha256"`)
	input(`;tag="sendoff-push"`, ``)
	input(`;tag="sendoff-push"`, `;tag="other"`)
	input(`;alg="ed25519";tag="sendoff-push"`, `;tag="sendoff-push";alg="ed25519"`)
	input(keys.ID(), "nobody")
	input(`sendoff=`, `other=`)
}

func TestASignatureIsAcceptedOnlyInItsTime(t *testing.T) {
	keys := httpsig.NewKeys()
	tests := []struct {
		after time.Duration
		ok    bool
	}{
		{0, true}, {time.Second, true}, {4 * time.Minute, true}, {5 * time.Minute, true}, {5*time.Minute + 5*time.Second, true},
		{5*time.Minute + 6*time.Second, false}, {6 * time.Minute, false}, {24 * time.Hour, false},
		{-5 * time.Second, true}, {-6 * time.Second, false}, {-time.Hour, false},
	}
	for _, tt := range tests {
		t.Run(tt.after.String(), func(t *testing.T) {
			v := verifier(keys)
			v.Now = func() time.Time { return signedAt.Add(tt.after) }
			err := v.Verify(t.Context(), signedPush(t, keys, nil), nil)
			if tt.ok {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, httpsig.ErrStale)
		})
	}
	t.Run("a shorter tolerance", func(t *testing.T) {
		v := verifier(keys)
		v.Tolerance, v.Now = time.Minute, func() time.Time { return signedAt.Add(2 * time.Minute) }
		require.ErrorIs(t, v.Verify(t.Context(), signedPush(t, keys, nil), nil), httpsig.ErrStale)
	})
}

// S8.
func TestAPushIsAcceptedOnceButItsRetryIsToo(t *testing.T) {
	keys := httpsig.NewKeys()
	v := verifier(keys)
	v.Nonces = httpsig.NewNonces(10)
	first, retry := signedPush(t, keys, nil), signedPush(t, keys, nil)
	require.NoError(t, v.Verify(t.Context(), first, nil))
	require.ErrorIs(t, v.Verify(t.Context(), first, nil), httpsig.ErrReplayed)
	require.NoError(t, v.Verify(t.Context(), retry, nil), "the same task, signed anew")
	require.ErrorIs(t, v.Verify(t.Context(), retry, []byte("x")), httpsig.ErrDigest, "and a wrong body spends nothing")
}

func TestTheReplayCacheIsBoundedAndForgetsTheOldest(t *testing.T) {
	n := httpsig.NewNonces(100)
	for i := range 1000 {
		require.True(t, n.Spend(fmt.Sprint(i)))
	}
	for i := 900; i < 1000; i++ {
		require.False(t, n.Spend(fmt.Sprint(i)))
	}
	require.True(t, n.Spend("0"))
	require.False(t, n.Spend("0"))
}

// S5.
func TestWithoutAKeyEverythingIsRefused(t *testing.T) {
	keys := httpsig.NewKeys()
	m := signedPush(t, keys, nil)
	v := &httpsig.Verifier{Now: func() time.Time { return signedAt }}
	require.ErrorIs(t, v.Verify(t.Context(), m, nil), httpsig.ErrNoKeys)
	v.Key = httpsig.FixedKeys(nil)
	require.ErrorIs(t, v.Verify(t.Context(), m, nil), httpsig.ErrNoKeys)
	v.Key = httpsig.FixedKeys(httpsig.NewKeys().Public())
	require.ErrorIs(t, v.Verify(t.Context(), m, nil), httpsig.ErrUnknownKey)
	v.Key = httpsig.FixedKeys(map[string]ed25519.PublicKey{keys.ID(): {1, 2, 3}})
	require.ErrorIs(t, v.Verify(t.Context(), m, nil), httpsig.ErrUnknownKey)
	require.ErrorIs(t, verifier(keys).Verify(t.Context(), &httpsig.Message{Header: http.Header{}}, nil), httpsig.ErrUnsigned)
}

func TestTargetURIIsTheSameOnBothSides(t *testing.T) {
	tests := []struct{ url, want string }{
		{"http://Example.COM", "http://example.com/"},
		{"http://example.com:80/a", "http://example.com/a"},
		{"https://example.com:443?q", "https://example.com/?q"},
		{"https://example.com:80/", "https://example.com:80/"},
		{"http://user:secret@example.com/a#frag", "http://example.com/a"},
		{"http://[::1]:8080/a%2Fb?x=%20", "http://[::1]:8080/a%2Fb?x=%20"},
	}
	for _, tt := range tests {
		u, err := url.Parse(tt.url)
		require.NoError(t, err)
		require.Equal(t, tt.want, httpsig.TargetURI(u))
		r, err := http.NewRequest("POST", tt.url, nil)
		require.NoError(t, err)
		m := httpsig.MessageOf(r)
		base, err := m.Base([]string{"@target-uri"}, "()")
		require.NoError(t, err)
		require.Equal(t, `"@target-uri": `+tt.want+"\n\"@signature-params\": ()", string(base))
	}
}

func BenchmarkSign(b *testing.B) {
	keys := httpsig.NewKeys()
	for _, size := range []int{100, 1024, 64 << 10} {
		p := &httpsig.Push{
			Method: "POST", TargetURI: "http://localhost:8000/hook", ContentType: "application/json",
			TaskID: "019aab6e-6f3a-7c1e-8d24-5f2b7a1c9e00", Attempt: "1", WebhookID: "019aab6e-6f3a-7c1e-8d24-5f2b7a1c9e00",
			Body: make([]byte, size),
		}
		b.Run(fmt.Sprintf("body=%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				keys.Sign(p, signedAt)
			}
		})
	}
	b.Run("ed25519 alone", func(b *testing.B) {
		_, key, _ := ed25519.GenerateKey(nil)
		base := make([]byte, 700)
		for b.Loop() {
			ed25519.Sign(key, base)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	keys := httpsig.NewKeys()
	body := make([]byte, 1024)
	m, v := signedPush(b, keys, body), verifier(keys)
	b.ReportAllocs()
	for b.Loop() {
		if err := v.Verify(b.Context(), m, body); err != nil {
			b.Fatal(err)
		}
	}
}
