package tlsfile

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/testkit"
)

// look has the pair look at its files now, and returns whose certificate it shows.
func look(p *Pair) string {
	p.mu.Lock()
	p.looked = time.Time{}
	p.mu.Unlock()
	return p.Certificate().Leaf.Subject.CommonName
}

func TestACertificateIsReadAgainWhenItHasChanged(t *testing.T) {
	a, dir := testkit.NewAuthority(t), t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	a.Issue(t, "first", cert, key)
	var log bytes.Buffer
	p, err := Load(cert, key, slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	require.Equal(t, "first", look(p))

	a.Issue(t, "second", cert, filepath.Join(dir, "other.pem"))
	require.Equal(t, "first", look(p), "the key does not belong to it yet")
	require.Equal(t, "first", look(p))
	require.Equal(t, 1, strings.Count(log.String(), "not read again"), log.String())
	require.NoError(t, os.Rename(filepath.Join(dir, "other.pem"), key))
	require.Equal(t, "second", look(p))
	require.Contains(t, log.String(), "the certificate has changed")

	require.NoError(t, os.Remove(cert))
	require.Equal(t, "second", look(p), "what is gone leaves the one before")
	a.Issue(t, "third", cert, key)
	p.looked = time.Now()
	require.Equal(t, "second", p.Certificate().Leaf.Subject.CommonName, "files are looked at once a second")
	require.Equal(t, "third", look(p))
}

func TestACertificateThatCannotBeReadIsRefusedByName(t *testing.T) {
	a, dir := testkit.NewAuthority(t), t.TempDir()
	cert, key, other := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "other.pem")
	a.Issue(t, "one", cert, key)
	a.Issue(t, "two", filepath.Join(dir, "x.pem"), other)
	for _, c := range []struct{ cert, key, want string }{
		{filepath.Join(dir, "none.pem"), key, "none.pem"},
		{key, key, "key.pem"},
		{cert, other, "private key does not match"},
	} {
		_, err := Load(c.cert, c.key, nil)
		require.ErrorContains(t, err, c.want)
	}
	_, err := Roots(key)
	require.ErrorContains(t, err, "key.pem holds none in PEM")
	_, err = Roots(filepath.Join(dir, "none.pem"))
	require.ErrorContains(t, err, "none.pem")
	_, err = Roots(a.File)
	require.NoError(t, err)
}
