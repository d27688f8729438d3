package function

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/sendoff-dev/sendoff/internal/egress"
	"github.com/sendoff-dev/sendoff/internal/protocol"
)

// runPath is the procedure below an endpoint.
const runPath = "/dispatch.sdk.v1.FunctionService/Run"

var errNotHere = errors.New("the endpoint is not served by this process")

// target is where a run is sent.
type target struct {
	key       string // names the endpoint, without credentials
	host      string // runs at a time are bounded for it
	url       *url.URL
	authority string // of the Host field
	basic     string // Authorization, from credentials in the endpoint; "" = none
	session   string // of a bridge; "" = it is none
	inside    http.RoundTripper
}

// targetOf reads an endpoint. The host is in lower case and without the default
// port, for that is what is signed and what the SDKs compare it with.
func (x *Executor) targetOf(endpoint string) (*target, error) {
	u, err := egress.ParseTarget(endpoint)
	if err != nil || u.Host == "" {
		return nil, errors.New("the endpoint is not a URL: want something like http://host:8000")
	}
	t := &target{host: u.Scheme + "://" + egress.Authority(u)}
	switch u.Scheme {
	case "http", "https":
		if err := x.cfg.Dialer.CheckURL(u); err != nil {
			return nil, err
		}
	case "bridge":
		if !protocol.IsSession(u.Host) {
			return nil, fmt.Errorf("the endpoint is no bridge: %w", ErrBadSession)
		}
		t.session = u.Host
	case "embedded":
		inside, ok := x.cfg.Embedded(u.Host)
		if !ok {
			return nil, fmt.Errorf("%w: embedded://%s", errNotHere, u.Host)
		}
		t.inside = inside
	default:
		return nil, fmt.Errorf("the endpoint has scheme %q: want http, https or bridge", u.Scheme)
	}
	t.fill(u)
	return t, nil
}

func (t *target) fill(u *url.URL) {
	if password, ok := u.User.Password(); ok || u.User.Username() != "" {
		t.basic = "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))
	}
	t.authority = egress.Authority(u)
	t.url = &url.URL{Scheme: u.Scheme, Host: t.authority, RawQuery: u.RawQuery}
	if u.Scheme == "bridge" || u.Scheme == "embedded" {
		t.url.Scheme = "http"
	}
	t.url.Path = strings.TrimRight(u.Path, "/") + runPath
	if u.RawPath != "" {
		t.url.RawPath = strings.TrimRight(u.RawPath, "/") + runPath
	}
	t.key = t.host + strings.TrimRight(u.EscapedPath(), "/")
}

// describe names an endpoint without credentials and query, which may hold some.
func describe(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "an unreadable endpoint"
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath()
}
