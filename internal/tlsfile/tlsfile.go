// Package tlsfile reads certificates from files, and reads them again when they have
// changed: whoever renews a certificate writes the files and restarts nothing.
package tlsfile

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// lookAfter is how often the files are looked at, at most.
const lookAfter = time.Second

// Pair is a certificate with its private key. It is safe for concurrent use.
type Pair struct {
	cert, key string
	log       *slog.Logger

	mu     sync.Mutex
	now    *tls.Certificate
	stamps [2]stamp
	looked time.Time
	told   string // what was wrong with the files when they were read last
}

// stamp tells a file from what it was before.
type stamp struct {
	at   time.Time
	size int64
}

// Load reads a certificate, with those that vouch for it after it, and its key, both
// PEM. The error names the files. log hears of later changes; nil = nobody does.
func Load(cert, key string, log *slog.Logger) (*Pair, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	p := &Pair{cert: cert, key: key, log: log, looked: time.Now()}
	if err := p.read(); err != nil {
		return nil, err
	}
	return p, nil
}

// Certificate is the pair as it stands now. It is looked for at most once a second.
// Files that cannot be read, or that do not belong together yet, leave the one before.
func (p *Pair) Certificate() *tls.Certificate {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.looked) < lookAfter {
		return p.now
	}
	p.looked = time.Now()
	if seen := p.stat(); seen == p.stamps {
		return p.now
	}
	if err := p.read(); err != nil {
		if p.told != err.Error() { // once for each thing that is wrong
			p.told = err.Error()
			p.log.Warn("the certificate is not read again, the one before stays", "err", err)
		}
		return p.now
	}
	p.told = ""
	p.log.Info("the certificate has changed", "file", p.cert, "until", p.now.Leaf.NotAfter)
	return p.now
}

// read takes the stamps first: what changes meanwhile is seen the next time.
func (p *Pair) read() error {
	seen := p.stat()
	pair, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", p.cert, p.key, err)
	}
	p.now, p.stamps = &pair, seen
	return nil
}

func (p *Pair) stat() (seen [2]stamp) {
	for i, path := range []string{p.cert, p.key} {
		if info, err := os.Stat(path); err == nil {
			seen[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return seen
}

// Server is the configuration of a server that shows the pair: TLS 1.2 or later.
func (p *Pair) Server() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.Certificate(), nil },
	}
}

// Client shows the pair to servers that ask for a certificate.
func (p *Pair) Client(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return p.Certificate(), nil
}

// Roots are the roots of this machine and those in a PEM file.
func Roots(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("certificates of authorities: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("certificates of authorities: %s holds none in PEM", path)
	}
	return pool, nil
}
