package egress

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// proxyPorts are those of proxies whose URL names none.
var proxyPorts = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}

// ParseProxy reads the URL of a proxy: http, https, socks5 or socks5h, with a host, and
// with a name and password where it wants them. Errors do not repeat the password.
func ParseProxy(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("it cannot be read: want http://HOST:PORT")
	}
	if proxyPorts[u.Scheme] == "" {
		return nil, fmt.Errorf("scheme %q: want http, https or socks5", u.Scheme)
	}
	if u.Hostname() == "" || u.Opaque != "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%s: want %s://HOST:PORT and nothing after it", u.Redacted(), u.Scheme)
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, fmt.Errorf("port %q: want 1 to 65535", port)
		}
	}
	return u, nil
}

// throughProxy has requests go through the proxy, whose own address is called in spite of
// the table. What stands behind a name is for the proxy to resolve and to refuse;
// addresses are checked here as ever.
func (d *Dialer) throughProxy(c Config) error {
	if c.Proxy == "" {
		if len(c.NoProxy) > 0 {
			return errors.New("--no-proxy: there is no --egress-proxy")
		}
		return nil
	}
	u, err := ParseProxy(c.Proxy)
	if err != nil {
		return fmt.Errorf("--egress-proxy: %w", err)
	}
	port := u.Port()
	if port == "" {
		port = proxyPorts[u.Scheme]
	}
	if err := d.allow.add(net.JoinHostPort(u.Hostname(), port)); err != nil {
		return fmt.Errorf("--egress-proxy: host %q: %w", u.Hostname(), err)
	}
	choose := (&httpproxy.Config{HTTPProxy: c.Proxy, HTTPSProxy: c.Proxy, NoProxy: strings.Join(c.NoProxy, ",")}).ProxyFunc()
	d.proxy = func(r *http.Request) (*url.URL, error) {
		if err := d.CheckURL(r.URL); err != nil {
			return nil, err
		}
		return choose(r.URL)
	}
	return nil
}
