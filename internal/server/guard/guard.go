// Package guard stands before all doors: who may come in, from which site, under
// which host name, and whether the query can be read. It looks at the head of a
// request only, before anything is decoded.
package guard

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/sendoff-dev/sendoff/internal/server/problem"
)

// Config of a Guard. The zero value lets everybody in.
type Config struct {
	Keys  []string // API keys; none = no authentication
	Hosts []string // host names that may be asked for, besides loopback ones
	Local bool     // only loopback names and Hosts may be asked for (DNS rebinding)
	Open  []string // paths that need no key

	// Refuse answers a request without a key in the words of its door, and tells
	// whether it did; nil = every door speaks of problems.
	Refuse func(w http.ResponseWriter, r *http.Request) bool
}

// Wrap puts the guard before a handler.
func Wrap(next http.Handler, cfg Config) http.Handler {
	keys := make([][sha256.Size]byte, len(cfg.Keys))
	for i, k := range cfg.Keys {
		keys[i] = sha256.Sum256([]byte(k))
	}
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
		case len(keys) > 0 && !slices.Contains(cfg.Open, r.URL.Path) && !authorized(r, keys):
			if cfg.Refuse != nil && cfg.Refuse(w, r) {
				return
			}
			w.Header().Set("WWW-Authenticate", "Bearer")
			problem.Write(w, problem.New(http.StatusUnauthorized, "unauthenticated", "send an API key: Authorization: Bearer KEY"))
		case !readable(r.URL.RawQuery):
			problem.Write(w, problem.New(http.StatusBadRequest, "invalid_request",
				"the query cannot be read: want name=value joined by &, percent-encoded"))
		default:
			inner.ServeHTTP(w, r)
		}
	})
}

// readable tells whether nothing of a query would be dropped.
func readable(query string) bool {
	_, err := url.ParseQuery(query)
	return err == nil
}

// authorized compares in constant time, with all keys.
func authorized(r *http.Request, keys [][sha256.Size]byte) bool {
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	ok := strings.EqualFold(scheme, "Bearer")
	sum := sha256.Sum256([]byte(strings.TrimLeft(given, " ")))
	found := 0
	for i := range keys {
		found |= subtle.ConstantTimeCompare(sum[:], keys[i][:])
	}
	return ok && found == 1
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
