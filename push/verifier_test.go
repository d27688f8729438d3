package push_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/egress"
	executor "github.com/sendoff-dev/sendoff/internal/exec/push"
	"github.com/sendoff-dev/sendoff/internal/httpsig"
	"github.com/sendoff-dev/sendoff/push"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// keyServer publishes keys as a Sendoff server does.
type keyServer struct {
	*httptest.Server
	keys    atomic.Pointer[httpsig.Keys]
	fetched atomic.Int64
	down    atomic.Bool
}

func newKeyServer(t *testing.T, keys *httpsig.Keys) *keyServer {
	t.Helper()
	s := &keyServer{}
	s.keys.Store(keys)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+httpsig.KeysPath, func(w http.ResponseWriter, _ *http.Request) {
		s.fetched.Add(1)
		if s.down.Load() {
			w.WriteHeader(500)
			return
		}
		w.Write(s.keys.Load().PublicJWKS())
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// pushTo makes a real push with the keys.
func pushTo(t *testing.T, keys *httpsig.Keys, target, payload string) task.Outcome {
	t.Helper()
	return pushAt(t, keys, time.Now, target, payload)
}

func pushAt(t *testing.T, keys *httpsig.Keys, now func() time.Time, target, payload string) task.Outcome {
	t.Helper()
	d, err := egress.New(egress.Config{AllowLoopback: true})
	require.NoError(t, err)
	cfg := executor.Config{Now: now}
	if keys != nil {
		cfg.Keys = keys
	}
	p := executor.New(d, cfg)
	defer p.Close()
	return p.Execute(t.Context(), &store.Claimed{MaxAttempts: 25, Payload: []byte(payload)}, &task.Spec{URL: target, ContentType: "application/json"})
}

func appWith(t *testing.T, v *push.Verifier) (url string, handled *atomic.Int64) {
	t.Helper()
	handled = &atomic.Int64{}
	app := httptest.NewServer(v.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handled.Add(1)
		io.Copy(w, r.Body)
	})))
	t.Cleanup(app.Close)
	return app.URL, handled
}

func TestThePushesOfTheServerGetThroughAndNoOthers(t *testing.T) {
	keys := httpsig.NewKeys()
	server := newKeyServer(t, keys)
	verifiers := map[string]*push.Verifier{
		"keys of the server":   {KeysURL: server.URL},
		"the full address":     {KeysURL: server.URL + httpsig.KeysPath},
		"given keys":           {Keys: keys.Public()},
		"a webhook secret":     {WebhookSecrets: []string{"whsec_" + strings.Repeat("QUFB", 8), keys.WebhookSecret()}},
		"no memory of replays": {Keys: keys.Public(), ReplayCache: -1},
	}
	for name, v := range verifiers {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, v.Check(t.Context()))
			url, handled := appWith(t, v)
			o := pushTo(t, keys, url+"/hook?x=1", `{"a":1}`)
			require.Equal(t, task.Success, o.Class, o.Error)
			require.Equal(t, `{"a":1}`, string(o.Answer.Body), "the handler has read the body")
			require.EqualValues(t, 1, handled.Load())

			require.EqualValues(t, 401, pushTo(t, httpsig.NewKeys(), url, "{}").Code, "signed by somebody else")
			require.EqualValues(t, 401, pushTo(t, nil, url, "{}").Code, "not signed")
			require.EqualValues(t, 1, handled.Load())
		})
	}
}

// S5.
func TestAVerifierWithoutKeysRefusesEverything(t *testing.T) {
	keys := httpsig.NewKeys()
	v := &push.Verifier{}
	require.ErrorIs(t, v.Check(t.Context()), push.ErrNoKeys)
	url, handled := appWith(t, v)
	require.EqualValues(t, 401, pushTo(t, keys, url, "{}").Code)

	for _, v := range []*push.Verifier{
		{KeysURL: "not a url"}, {KeysURL: "ftp://h/"}, {Keys: keys.Public(), PublicURL: "app"}, {WebhookSecrets: []string{"short"}},
	} {
		require.Error(t, v.Check(t.Context()))
		url, more := appWith(t, v)
		require.EqualValues(t, 500, pushTo(t, keys, url, "{}").Code)
		require.Zero(t, more.Load())
	}
	closed := newKeyServer(t, keys)
	closed.Close()
	v = &push.Verifier{KeysURL: closed.URL}
	require.Error(t, v.Check(t.Context()))
	url, more := appWith(t, v)
	require.EqualValues(t, 503, pushTo(t, keys, url, "{}").Code)
	require.Zero(t, handled.Load()+more.Load())
}

// capture is an app that takes a push down, to be played with afterwards.
func capture(t *testing.T, keys *httpsig.Keys) (*http.Request, []byte) {
	t.Helper()
	return captureAt(t, keys, time.Now)
}

func captureAt(t *testing.T, keys *httpsig.Keys, now func() time.Time) (r *http.Request, body []byte) {
	t.Helper()
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, got *http.Request) {
		body, _ = io.ReadAll(got.Body)
		r = got.Clone(context.Background())
	}))
	defer app.Close()
	require.Equal(t, task.Success, pushAt(t, keys, now, app.URL+"/hook?x=1", `{"a":1}`).Class)
	return r, body
}

func TestVerifySaysWhatIsWrong(t *testing.T) {
	keys := httpsig.NewKeys()
	tests := []struct {
		name   string
		change func(r *http.Request, body *[]byte)
		want   error
	}{
		{"nothing", func(*http.Request, *[]byte) {}, nil},
		{"body", func(_ *http.Request, b *[]byte) { *b = []byte(`{"a":2}`) }, push.ErrBadBody},
		{"query", func(r *http.Request, _ *[]byte) { r.RequestURI = "/hook?x=2" }, push.ErrBadSignature},
		{"path", func(r *http.Request, _ *[]byte) { r.RequestURI = "/pay?x=1" }, push.ErrBadSignature},
		{"host", func(r *http.Request, _ *[]byte) { r.Host = "other" }, push.ErrBadSignature},
		{"method", func(r *http.Request, _ *[]byte) { r.Method = "PUT" }, push.ErrBadSignature},
		{"attempt", func(r *http.Request, _ *[]byte) { r.Header.Set("Sendoff-Attempt", "2") }, push.ErrBadSignature},
		{"content type", func(r *http.Request, _ *[]byte) { r.Header.Del("Content-Type") }, push.ErrIncompleteSignature},
		{"unsigned", func(r *http.Request, _ *[]byte) { r.Header.Del("Signature") }, push.ErrUnsigned},
		{"garbage", func(r *http.Request, _ *[]byte) { r.Header.Set("Signature-Input", "sendoff=((") }, push.ErrMalformedSignature},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, body := capture(t, keys)
			tt.change(r, &body)
			require.ErrorIs(t, (&push.Verifier{Keys: keys.Public()}).Verify(r, body), tt.want)
		})
	}
	t.Run("another key", func(t *testing.T) {
		r, body := capture(t, keys)
		require.ErrorIs(t, (&push.Verifier{Keys: httpsig.NewKeys().Public()}).Verify(r, body), push.ErrUnknownKey)
	})
	t.Run("replayed", func(t *testing.T) {
		r, body := capture(t, keys)
		v := &push.Verifier{Keys: keys.Public()}
		require.NoError(t, v.Verify(r, body))
		require.ErrorIs(t, v.Verify(r, body), push.ErrReplayed)
	})
	t.Run("too old", func(t *testing.T) {
		r, body := capture(t, keys)
		v := &push.Verifier{Keys: keys.Public(), Now: func() time.Time { return time.Now().Add(6 * time.Minute) }}
		require.ErrorIs(t, v.Verify(r, body), push.ErrStaleSignature)
	})
}

func TestBehindAProxyThePublicURLIsWhatWasSigned(t *testing.T) {
	keys := httpsig.NewKeys()
	r, body := capture(t, keys)
	public := "http://" + r.Host
	r.Host = "10.0.0.7:8080"
	require.ErrorIs(t, (&push.Verifier{Keys: keys.Public()}).Verify(r, body), push.ErrBadSignature)
	require.NoError(t, (&push.Verifier{Keys: keys.Public(), PublicURL: public}).Verify(r, body))
	require.Error(t, (&push.Verifier{Keys: keys.Public(), PublicURL: strings.Replace(public, "http", "https", 1)}).Verify(r, body))
}

// countingBody is a body without an end.
type countingBody struct{ read atomic.Int64 }

func (b *countingBody) Read(p []byte) (int, error) {
	b.read.Add(int64(len(p)))
	return len(p), nil
}

// S6.
func TestABodyIsNotReadBeforeItsSignatureIsGood(t *testing.T) {
	keys := httpsig.NewKeys()
	v := &push.Verifier{Keys: keys.Public(), MaxBody: 1000}
	h := v.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("called") }))

	endless := &countingBody{}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/hook", endless))
	require.Equal(t, 401, w.Code)
	require.Zero(t, endless.read.Load(), "a stranger")

	r, _ := capture(t, keys)
	r.Body = io.NopCloser(endless)
	w = httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, 413, w.Code)
	require.LessOrEqual(t, endless.read.Load(), int64(4000), "a good head before an endless body")

	r, _ = capture(t, keys)
	r.Body = io.NopCloser(bytes.NewReader([]byte("swapped")))
	w = httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, 401, w.Code)
}

func TestAStrangerCannotSendAnEndlessBodyToARealServer(t *testing.T) {
	url, handled := appWith(t, &push.Verifier{Keys: httpsig.NewKeys().Public()})
	endless := &countingBody{}
	r, err := http.NewRequest("POST", url, endless)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(r)
	if err == nil {
		require.Equal(t, 401, response.StatusCode)
		response.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
	require.Zero(t, handled.Load())
	require.Less(t, endless.read.Load(), int64(16<<20), "what the sockets hold")
}

// S7.
func TestKeysAreFetchedAgainWhenTheyChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	old, err := httpsig.LoadKeys(path)
	require.NoError(t, err)
	server := newKeyServer(t, old)
	var offset atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
	v := &push.Verifier{KeysURL: server.URL, Now: now}
	after := func(d time.Duration) { offset.Add(int64(d)) }
	verify := func(keys *httpsig.Keys) error {
		r, body := captureAt(t, keys, now)
		return v.Verify(r, body)
	}

	require.NoError(t, verify(old))
	require.NoError(t, verify(old))
	require.EqualValues(t, 1, server.fetched.Load(), "one fetch serves all")

	rotated, err := httpsig.RotateKeys(path)
	require.NoError(t, err)
	server.keys.Store(rotated)
	after(3 * time.Second)
	require.NoError(t, verify(rotated), "an unknown key is looked up at once")
	require.NoError(t, verify(old), "and the old one is still published")
	require.EqualValues(t, 2, server.fetched.Load())

	for range 20 {
		require.ErrorIs(t, verify(httpsig.NewKeys()), push.ErrUnknownKey)
	}
	require.LessOrEqual(t, server.fetched.Load(), int64(4), "strangers cannot make it fetch all the time")

	replaced := httpsig.NewKeys()
	server.keys.Store(replaced)
	after(61 * time.Second)
	require.ErrorIs(t, verify(rotated), push.ErrUnknownKey, "a removed key is refused after a minute")
	require.NoError(t, verify(replaced))

	server.down.Store(true)
	after(10 * time.Minute)
	require.NoError(t, verify(replaced), "the last keys hold while the server is down")
	after(6 * time.Minute)
	require.Error(t, verify(replaced), "but not forever")
	server.down.Store(false)
	after(3 * time.Second)
	require.NoError(t, verify(replaced))
}

func TestAVerifierServesManyAtOnce(t *testing.T) {
	keys := httpsig.NewKeys()
	server := newKeyServer(t, keys)
	url, handled := appWith(t, &push.Verifier{KeysURL: server.URL})
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if o := pushTo(t, keys, fmt.Sprintf("%s/%d", url, i), "{}"); o.Class != task.Success {
				t.Error(o.Error)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 20, handled.Load())
	require.EqualValues(t, 1, server.fetched.Load())
}

func TestAKeyDocumentThatIsNoneIsRefused(t *testing.T) {
	for _, text := range []string{"", "{}", "<html>", `{"keys":[]}`, strings.Repeat(" ", 70<<10)} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }))
		require.Error(t, (&push.Verifier{KeysURL: server.URL}).Check(t.Context()))
		server.Close()
	}
}
