package egress_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/egress"
	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/internal/tlsfile"
)

// proxy is an HTTP proxy that takes every host for one server.
type proxy struct {
	*httptest.Server
	mu   sync.Mutex
	seen []string // method, host, authorization
}

func newProxy(t *testing.T, app string) *proxy {
	p := &proxy{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.seen = append(p.seen, strings.TrimSpace(r.Method+" "+r.Host+" "+r.Header.Get("Proxy-Authorization")))
		p.mu.Unlock()
		if r.Method != http.MethodConnect {
			_, _ = io.WriteString(w, "by the proxy")
			return
		}
		out, err := net.Dial("tcp", app)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusOK)
		in, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		go func() { _, _ = io.Copy(out, in); out.Close() }()
		_, _ = io.Copy(in, out)
		in.Close()
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *proxy) requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.seen...)
}

// secureApp is an app that shows a certificate of the authority, and asks for one.
func secureApp(t *testing.T, a *testkit.Authority) (url string, callers func() []string) {
	dir := t.TempDir()
	a.Issue(t, "the app", filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	p, err := tlsfile.Load(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), nil)
	require.NoError(t, err)
	var mu sync.Mutex
	var names []string
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		name := "nobody"
		if len(r.TLS.PeerCertificates) > 0 {
			name = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		names = append(names, name)
	}))
	s.TLS = p.Server()
	s.TLS.Certificates = []tls.Certificate{*p.Certificate()} // without it httptest takes one of its own
	s.TLS.ClientCAs, s.TLS.ClientAuth = a.Pool, tls.VerifyClientCertIfGiven
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL, func() []string { mu.Lock(); defer mu.Unlock(); return names }
}

func TestAppsAreCalledThroughTheProxy(t *testing.T) {
	a := testkit.NewAuthority(t)
	app, callers := secureApp(t, a)
	p := newProxy(t, strings.TrimPrefix(app, "https://"))
	with := strings.Replace(p.URL, "http://", "http://me:secret@", 1)
	d := newDialer(t, egress.Config{Proxy: with, NoProxy: []string{"direct.test"}, Roots: a.Pool})

	require.NoError(t, get(d, "http://app.test/"))
	require.NoError(t, get(d, "https://app.test/"))
	basic := " Basic bWU6c2VjcmV0"
	require.Equal(t, []string{"GET app.test" + basic, "CONNECT app.test:443" + basic}, p.requests())
	require.Equal(t, []string{"nobody"}, callers())

	require.ErrorContains(t, get(d, "http://direct.test/"), "direct.test", "it is looked up here, where nobody knows it")
	require.ErrorIs(t, get(d, "http://169.254.169.254/"), egress.ErrRefused, "an address is refused before the proxy hears of it")
	require.ErrorIs(t, get(d, app), egress.ErrRefused, "this machine is not called through the proxy")
	require.Len(t, p.requests(), 2)
}

func TestAppsThatAskForACertificateAreShownOne(t *testing.T) {
	a := testkit.NewAuthority(t)
	app, callers := secureApp(t, a)
	dir := t.TempDir()
	a.Issue(t, "sendoff", filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	own, err := tlsfile.Load(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), nil)
	require.NoError(t, err)
	require.NoError(t, get(newDialer(t, egress.Config{AllowLoopback: true, Roots: a.Pool, Certificate: own.Client}), app))
	require.NoError(t, get(newDialer(t, egress.Config{AllowLoopback: true, Roots: a.Pool}), app))
	require.Equal(t, []string{"sendoff", "nobody"}, callers())
	err = get(newDialer(t, egress.Config{AllowLoopback: true}), app)
	require.ErrorContains(t, err, "certificate signed by unknown authority")
}

func TestAProxyIsRefusedByWhatIsWrongWithIt(t *testing.T) {
	for text, want := range map[string]string{
		"proxy:3128":                  `scheme "proxy"`,
		"ftp://proxy":                 `scheme "ftp": want http, https or socks5`,
		"http://":                     "want http://HOST:PORT",
		"http://p:3128/path":          "nothing after it",
		"http://p:0":                  `port "0": want 1 to 65535`,
		"http://me:secret@p:3128/?x=": "nothing after it",
		"http://me:secret@[::1":       "want http://HOST:PORT",
	} {
		_, err := egress.New(egress.Config{Proxy: text})
		require.ErrorContains(t, err, want, text)
		require.ErrorContains(t, err, "--egress-proxy")
		require.NotContains(t, err.Error(), "secret")
	}
	_, err := egress.New(egress.Config{NoProxy: []string{"a"}})
	require.ErrorContains(t, err, "there is no --egress-proxy")
	for _, good := range []string{"http://p", "https://p:8443", "socks5://127.0.0.1:1080", "http://[::1]:3128/"} {
		u, err := egress.ParseProxy(good)
		require.NoError(t, err)
		require.IsType(t, &url.URL{}, u)
		newDialer(t, egress.Config{Proxy: good})
	}
}
