// Package guard stands before all doors: who asks, from which site, under which host
// name, and whether the query can be read. What that allows, each route says.
// It looks at the head of a request only, before anything is decoded.
package guard

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
)

// Config of a Guard. The zero value lets everybody in.
type Config struct {
	Hosts []string // host names that may be asked for, besides loopback ones
	Local bool     // only loopback names and Hosts may be asked for (DNS rebinding)

	// Authorize tells who has a key; "" = whoever has none. An error is nobody: routes
	// that need a key refuse the request. nil = no keys are used.
	Authorize func(key string) (auth.Principal, error)

	// SignedOn tells who asks from a browser in which somebody has signed on with a key. nil
	// = nobody can.
	SignedOn func(*http.Request) (auth.Principal, bool)

	Doors   []Door         // that admit networks without a key
	Proxies []netip.Prefix // whose headers are believed
	Trust   []Trust        // what these headers allow
	User    string         // the header that names who it is, for the audit

	// Known tells who asks, in place of keys; false = nobody who is let in. nil = keys tell.
	Known func(*http.Request) (auth.Principal, bool)

	// Program tells that requests come from the program itself: they may do everything, in
	// the namespace of whoever the program does it for.
	Program bool
}

// Wrap puts the guard before a handler, which finds in the context who asks.
func Wrap(next http.Handler, cfg Config) http.Handler {
	origins := http.NewCrossOriginProtection()
	origins.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		problem.Write(w, problem.New(http.StatusForbidden, "forbidden", "writes from another site are refused: the Origin is not this host"))
	}))
	inner := origins.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case cfg.Local && !hostAllowed(r.Host, cfg.Hosts):
			problem.Write(w, problem.New(http.StatusForbidden, "forbidden",
				"the Host "+r.Host+" is not one of this server: use 127.0.0.1 or localhost, or start it with --allow-host"))
		case !readable(r.URL.RawQuery):
			problem.Write(w, problem.New(http.StatusBadRequest, "invalid_request",
				"the query cannot be read: want name=value joined by &, percent-encoded"))
		default:
			inner.ServeHTTP(w, cfg.known(r))
		}
	})
}

// known returns the request with whoever asks in its context, if that is known.
func (cfg *Config) known(r *http.Request) *http.Request {
	p := auth.Anybody()
	if cfg.Program {
		if who := auth.From(r.Context()); who != nil {
			p = *who
		}
		p.Scopes, p.Program = auth.Admin, true
		return r.WithContext(auth.With(r.Context(), &p))
	}
	if cfg.Known != nil {
		who, ok := cfg.Known(r)
		if !ok {
			return r
		}
		who.Address = cfg.addressOf(r)
		return r.WithContext(auth.With(r.Context(), &who))
	}
	if cfg.Authorize != nil {
		key, ok := keyOf(r), false
		var err error
		if p, err = cfg.Authorize(key); err != nil && key == "" && r.Header.Get("Authorization") == "" {
			p, ok = cfg.admitted(r)
		}
		if err != nil && !ok {
			return r
		}
	}
	p.Address = cfg.addressOf(r)
	return r.WithContext(auth.With(r.Context(), &p))
}

// addressOf is where a request comes from, for the audit.
func (cfg *Config) addressOf(r *http.Request) string {
	if len(cfg.Proxies) > 0 {
		if addr, ok := cfg.client(r); ok {
			return addr.String()
		}
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}

// keyOf is the key that a request brings; "" = none.
func keyOf(r *http.Request) string {
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimLeft(given, " ")
}

// readable tells whether nothing of a query would be dropped.
func readable(query string) bool {
	_, err := url.ParseQuery(query)
	return err == nil
}

func hostAllowed(host string, hosts []string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.Trim(name, "[]"))
	if name == "localhost" || strings.HasSuffix(name, ".localhost") || slices.Contains(hosts, name) {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.IsLoopback()
}
