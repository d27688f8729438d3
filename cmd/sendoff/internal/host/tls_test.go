package host

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/internal/testkit"
)

// shown is whose certificate a server shows, and by which protocol it answers.
func shown(t *testing.T, a *testkit.Authority, url string) (name, protocol string) {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.Pool}, ForceAttemptHTTP2: true, DisableKeepAlives: true}}
	res, err := client.Get(url + "/readyz")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res.TLS.PeerCertificates[0].Subject.CommonName, res.Proto
}

func TestAServerIsReachedByHTTPSAndTakesANewCertificate(t *testing.T) {
	a, dir := testkit.NewAuthority(t), t.TempDir()
	set := Defaults()
	set.Listen.Addr, set.DB.DSN = "127.0.0.1:0", filepath.Join(dir, "x.db")
	set.Listen.TLSCert, set.Listen.TLSKey = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	a.Issue(t, "first", set.Listen.TLSCert, set.Listen.TLSKey)
	s, err := Open(t.Context(), &set, "test", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer s.Close()
	signals, ended := make(chan os.Signal, 3), make(chan error, 1)
	go func() { ended <- s.Run(signals) }()

	name, protocol := shown(t, a, s.URL())
	require.Equal(t, "first HTTP/2.0", name+" "+protocol)
	client, err := sendoff.NewClient(sendoff.ClientConfig{URL: s.URL(), CAFile: a.File})
	require.NoError(t, err)
	sent, err := client.Submit(t.Context(), sendoff.NewTask{URL: "http://127.0.0.1:1/"})
	require.NoError(t, err)
	require.NotEmpty(t, sent.ID)
	a.Issue(t, "second", set.Listen.TLSCert, set.Listen.TLSKey)
	require.Eventually(t, func() bool { name, _ := shown(t, a, s.URL()); return name == "second" }, 10*time.Second, 50*time.Millisecond)
	signals <- syscall.SIGTERM
	require.NoError(t, <-ended)
}

func TestSettingsOfTLSAndProxiesAreRefusedByName(t *testing.T) {
	a, dir := testkit.NewAuthority(t), t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	a.Issue(t, "x", cert, key)
	for want, change := range map[string]func(*Settings){
		"--tls-cert without --tls-key":             func(s *Settings) { s.Listen.TLSCert = cert },
		"--tls-key without --tls-cert":             func(s *Settings) { s.Listen.TLSKey = key },
		"--tls-cert and --tls-key: certificate":    func(s *Settings) { s.Listen.TLSCert, s.Listen.TLSKey = cert, a.File },
		"--egress-cert without --egress-key":       func(s *Settings) { s.Outbound.EgressCert = cert },
		"--egress-ca: certificates of authorities": func(s *Settings) { s.Outbound.EgressCA = filepath.Join(dir, "none") },
		"--egress-proxy: scheme":                   func(s *Settings) { s.Outbound.EgressProxy = "proxy:3128" },
		"--no-proxy without --egress-proxy":        func(s *Settings) { s.Outbound.NoProxy = []string{"a"} },
	} {
		set := Defaults()
		change(&set)
		require.ErrorContains(t, set.Check(), want)
	}
	set := Defaults()
	set.Listen.TLSCert, set.Listen.TLSKey = cert, key
	set.Outbound.EgressCert, set.Outbound.EgressKey, set.Outbound.EgressCA, set.Outbound.EgressProxy = cert, key, a.File, "http://me:secret@proxy:3128"
	require.NoError(t, set.Check())
}
