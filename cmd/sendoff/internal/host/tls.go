package host

import (
	"crypto/tls"
	"log/slog"
	"net"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/egress"
	"github.com/sendoff-dev/sendoff/internal/tlsfile"
)

// pair is the certificate of the server; nil = it speaks HTTP.
func (l *Listen) pair(log *slog.Logger) (*tlsfile.Pair, error) {
	return pairOf("tls", l.TLSCert, l.TLSKey, log)
}

// pairOf reads the files of --NAME-cert and --NAME-key; nil = neither is set.
func pairOf(name, cert, key string, log *slog.Logger) (*tlsfile.Pair, error) {
	switch {
	case cert == "" && key == "":
		return nil, nil //nolint:nilnil // there is none
	case key == "":
		return nil, term.Usage("--%[1]s-cert without --%[1]s-key: want both, or neither", name)
	case cert == "":
		return nil, term.Usage("--%[1]s-key without --%[1]s-cert: want both, or neither", name)
	}
	p, err := tlsfile.Load(cert, key, log)
	if err != nil {
		return nil, term.Usage("--%[1]s-cert and --%[1]s-key: %[2]w", name, err)
	}
	return p, nil
}

// secure has connections begin with TLS where there is a certificate, and says what
// clients begin the address with.
func secure(l net.Listener, p *tlsfile.Pair) (listener net.Listener, scheme string) {
	if p == nil {
		return l, "http://"
	}
	config := p.Server()
	config.NextProtos = []string{"h2", "http/1.1"}
	return tls.NewListener(l, config), "https://"
}

// egress is how apps are called.
func (o *Outbound) egress(log *slog.Logger) (engine.Egress, error) {
	out := engine.Egress{Proxy: o.EgressProxy, NoProxy: o.NoProxy}
	if o.EgressProxy != "" {
		if _, err := egress.ParseProxy(o.EgressProxy); err != nil {
			return out, term.Usage("--egress-proxy: %w", err)
		}
	} else if len(o.NoProxy) > 0 {
		return out, term.Usage("--no-proxy without --egress-proxy has no effect: name the proxy, or leave it out")
	}
	if o.EgressCA != "" {
		roots, err := tlsfile.Roots(o.EgressCA)
		if err != nil {
			return out, term.Usage("--egress-ca: %w", err)
		}
		out.Roots = roots
	}
	p, err := pairOf("egress", o.EgressCert, o.EgressKey, log)
	if p != nil {
		out.Certificate = p.Client
	}
	return out, err
}
