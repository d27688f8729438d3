package egress

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
	"time"
)

// ErrRefused says that an address is not one that Sendoff calls.
var ErrRefused = errors.New("address is not called")

// RefusedError says which address was refused, and why.
type RefusedError struct {
	Addr netip.AddrPort
	What string // what kind of address it is
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("refused to connect to %s: %s; start the server with --allow-egress %s to permit it", e.Addr, e.What, e.Addr.Addr())
}

// Unwrap makes it [ErrRefused].
func (e *RefusedError) Unwrap() error { return ErrRefused }

// Config says what is open beyond the public internet. The zero value opens
// nothing more.
type Config struct {
	// Allow lists what may be called in spite of the table: a CIDR
	// (10.1.0.0/16), an address or a host name (exactly that one, whatever it
	// resolves to), each with or without a port (db.internal:8080,
	// [fd00::/8]:443). A cloud metadata service is opened by its own address
	// alone, not by a network around it.
	Allow []string

	// AllowLoopback opens 127.0.0.0/8 and ::1, for development.
	AllowLoopback bool

	// Timeout of one connect, name resolution included; default 10 s.
	Timeout time.Duration

	// MaxIdlePerHost is how many idle connections are kept to one host; default 256.
	MaxIdlePerHost int

	// Proxy that requests go through, as a URL; "" = none. See [ParseProxy]. This machine
	// is called without it, and so is what NoProxy lists: hosts, which stand for what is
	// below them too, .SUFFIX, addresses, CIDRs, each with a port or without; * = all.
	Proxy   string
	NoProxy []string

	// Roots vouch for the certificates of servers; default those of this machine.
	Roots *x509.CertPool

	// Certificate is shown to servers that ask for one; nil = none is.
	Certificate func(*tls.CertificateRequestInfo) (*tls.Certificate, error)

	// Resolver for host names; default Go's own, which behaves alike on all systems.
	Resolver *net.Resolver
}

// Dialer opens connections to addresses that pass the guard. It is safe for
// concurrent use.
type Dialer struct {
	allow         allowList
	allowLoopback bool
	maxIdle       int
	dialer        net.Dialer
	proxy         func(*http.Request) (*url.URL, error) // nil = none
	tls           *tls.Config                           // nil = the default
}

// New returns a dialer, or an error that names the entry of the allow list that
// cannot be read.
func New(c Config) (*Dialer, error) {
	allow, err := parseAllow(c.Allow)
	if err != nil {
		return nil, err
	}
	d := &Dialer{allow: allow, allowLoopback: c.AllowLoopback, maxIdle: cmp.Or(c.MaxIdlePerHost, 256)}
	if err := d.throughProxy(c); err != nil {
		return nil, err
	}
	if c.Roots != nil || c.Certificate != nil {
		d.tls = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.Roots, GetClientCertificate: c.Certificate}
	}
	d.dialer = net.Dialer{
		Timeout: cmp.Or(c.Timeout, 10*time.Second), KeepAlive: 30 * time.Second,
		Resolver: c.Resolver, ControlContext: d.control,
	}
	if c.Resolver == nil {
		d.dialer.Resolver = &net.Resolver{PreferGo: true}
	}
	return d, nil
}

// byName marks the context of a dial to a host name on the allow list.
type byName struct{}

// DialContext connects to a TCP address. When all addresses of a name are
// refused, the error wraps [ErrRefused]; of a mixed answer only the ones that
// pass are tried.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if port, err := strconv.ParseUint(portText, 10, 16); err == nil && d.allow.hasName(normalName(host), uint16(port)) {
		ctx = context.WithValue(ctx, byName{}, true)
	}
	return d.dialer.DialContext(ctx, network, address)
}

// control runs between socket and connect, with the address that is connected.
func (d *Dialer) control(ctx context.Context, network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("%w: network %s", ErrRefused, network)
	}
	addr, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if ctx.Value(byName{}) != nil {
		return nil
	}
	return d.check(addr)
}

// check is the guard.
func (d *Dialer) check(addr netip.AddrPort) error {
	if addr.Addr().Zone() != "" {
		return &RefusedError{addr, "an address with a zone"}
	}
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	what := special(addr.Addr())
	if what == "" || (what == loopback && d.allowLoopback) || d.allow.hasAddr(addr, what == metadataService) {
		return nil
	}
	return &RefusedError{addr, what}
}

// idleTimeout is shorter than the five seconds after which common app servers
// close an idle connection: a push that meets a closing connection is a failed
// attempt, because it cannot be told whether it was read.
const idleTimeout = 4 * time.Second

// Transport returns a new HTTP transport over the dialer. It heeds no variables of the
// environment and adds no Accept-Encoding, so bodies arrive as they were sent. Its RoundTrip
// follows no redirects. Response headers are bounded to 64 KiB. Keep one for the
// life of the process: it holds the idle connections.
func (d *Dialer) Transport() *http.Transport {
	t := &http.Transport{
		Proxy:                  d.proxy,
		DialContext:            d.DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    10 * time.Second,
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConns:           4 * d.maxIdle,
		MaxIdleConnsPerHost:    d.maxIdle,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
	}
	if d.tls != nil {
		t.TLSClientConfig = d.tls.Clone()
	}
	return t
}
