// Package route is the mux behind the guard on which all doors put their routes. Each
// route says what a key must be allowed for it; one that does not cannot be put there.
// It knows no route by name.
package route

import (
	"maps"
	"net/http"
	"slices"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
)

// Mux is a mux whose routes say what they need.
type Mux struct {
	mux    *http.ServeMux
	needs  map[string]auth.Scope // by pattern
	refuse func(http.ResponseWriter, *http.Request, *problem.Problem)
}

// NewMux returns a mux without routes. refuse answers whoever has no key for a route, or
// one that is not allowed it.
func NewMux(refuse func(http.ResponseWriter, *http.Request, *problem.Problem)) *Mux {
	return &Mux{mux: http.NewServeMux(), needs: map[string]auth.Scope{}, refuse: refuse}
}

// Handle adds a route, and panics when it needs nothing: auth.Public says so.
func (m *Mux) Handle(need auth.Scope, pattern string, h http.Handler) {
	if need == 0 {
		panic("the route " + pattern + " declares no scope: say which it needs, or auth.Public")
	}
	m.needs[pattern] = need
	m.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if fault := allow(auth.From(r.Context()), need); fault != nil {
			m.refuse(w, r, fault)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// HandleFunc is Handle for a function.
func (m *Mux) HandleFunc(need auth.Scope, pattern string, fn http.HandlerFunc) {
	m.Handle(need, pattern, fn)
}

// allow refuses a request that lacks something.
func allow(p *auth.Principal, need auth.Scope) *problem.Problem {
	switch {
	case need&auth.Public != 0:
		return nil
	case p == nil:
		return problem.New(http.StatusUnauthorized, "unauthenticated", "send a valid API key: Authorization: Bearer KEY")
	}
	if lack := p.Lacks(need); lack != 0 {
		fault := problem.New(http.StatusForbidden, "forbidden", "this key may not do that: it has no scope "+lack.String())
		fault.Scope = lack.Names()[0]
		return fault
	}
	if need&auth.Whole != 0 && p.Elsewhere() {
		return problem.New(http.StatusForbidden, "forbidden",
			"this is of the whole server: it takes a key of the namespace "+auth.DefaultNamespace+", and this one is of "+p.Namespace)
	}
	return nil
}

// ServeHTTP implements http.Handler.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.mux.ServeHTTP(w, r) }

// Pattern is that of the route that a request goes to.
func (m *Mux) Pattern(r *http.Request) string {
	_, pattern := m.mux.Handler(r)
	return pattern
}

// Need is what a pattern needs; 0 = there is no such route.
func (m *Mux) Need(pattern string) auth.Scope { return m.needs[pattern] }

// Patterns lists all routes.
func (m *Mux) Patterns() []string { return slices.Sorted(maps.Keys(m.needs)) }
