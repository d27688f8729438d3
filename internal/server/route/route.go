// Package route is the mux behind the guard on which all doors put their routes. Each
// route says what a key must be allowed for it; one that does not cannot be put there.
// What changes something for an operator is recorded here, whatever the route is. The
// package knows no route by name.
package route

import (
	"context"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/store"
)

// Config of a Mux. Refuse is required.
type Config struct {
	// Refuse answers whoever has no key for a route, or one that is not allowed it.
	Refuse func(http.ResponseWriter, *http.Request, *problem.Problem)

	// Record adds to the audit what was done without a transaction that recorded it, and
	// what was not done; nil = nobody does.
	Record func(context.Context, store.AuditRow)

	// Changes tells whether records of the audit may say how something was before and after;
	// nil = they may.
	Changes func() bool

	// Refused is told of every request that is refused for want of a key or a scope; it
	// does not wait for the database. nil = nobody is told.
	Refused func(store.AuditRow)
}

// Mux is a mux whose routes say what they need.
type Mux struct {
	cfg    Config
	mux    *http.ServeMux
	routes map[string]*pattern
}

// pattern is one route.
type pattern struct {
	need   auth.Scope
	action string   // in the audit
	values []string // names of its wildcards
	acts   bool     // an operator changes something by it
}

// NewMux returns a mux without routes.
func NewMux(cfg Config) *Mux {
	if cfg.Record == nil {
		cfg.Record = func(context.Context, store.AuditRow) {}
	}
	if cfg.Refused == nil {
		cfg.Refused = func(store.AuditRow) {}
	}
	if cfg.Changes == nil {
		cfg.Changes = func() bool { return true }
	}
	return &Mux{cfg: cfg, mux: http.NewServeMux(), routes: map[string]*pattern{}}
}

var wildcard = regexp.MustCompile(`\{(\w+)\}`)

// Handle adds a route, and panics when it needs nothing: auth.Public says so.
//
// One that needs auth.Operate or auth.Admin and is no GET is an action of an operator: its
// context has a store.Audit, which is written when the handler has not had it written.
func (m *Mux) Handle(need auth.Scope, path string, h http.Handler) {
	if need == 0 {
		panic("the route " + path + " declares no scope: say which it needs, or auth.Public")
	}
	p := &pattern{need: need, action: path, acts: need&(auth.Operate|auth.Admin) != 0 && !strings.HasPrefix(path, "GET ")}
	for _, found := range wildcard.FindAllStringSubmatch(path, -1) {
		p.values = append(p.values, found[1])
	}
	m.routes[path] = p
	m.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		who := auth.From(r.Context())
		if fault := allow(who, need); fault != nil {
			m.cfg.Refused(refusal(who, r, fault))
			m.cfg.Refuse(w, r, fault)
			return
		}
		if p.acts && !who.Program { // what the program does for somebody is a part of what that one does
			m.act(w, r, p, h)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// HandleFunc is Handle for a function.
func (m *Mux) HandleFunc(need auth.Scope, path string, fn http.HandlerFunc) {
	m.Handle(need, path, fn)
}

// Through adds a route that does nothing by itself: what it is asked for it asks of other
// routes, which record it.
func (m *Mux) Through(need auth.Scope, path string, fn http.HandlerFunc) {
	m.Handle(need, path, fn)
	m.routes[path].acts = false
}

// Name gives a route the name that its actions have in the audit.
func (m *Mux) Name(path, action string) { m.routes[path].action = action }

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

// reasonHeader is where an operator says why.
const reasonHeader = "Sendoff-Reason"

// maxText bounds what a request can write into a field of the audit, in bytes.
const maxText = 500

// act has a handler do something that is recorded.
func (m *Mux) act(w http.ResponseWriter, r *http.Request, p *pattern, h http.Handler) {
	row := rowOf(auth.From(r.Context()), r)
	row.Action, row.Reason = p.action, clip(r.Header.Get(reasonHeader))
	values := make([]string, len(p.values))
	for i, name := range p.values {
		values[i] = r.PathValue(name)
	}
	row.Target = strings.Join(values, "/")
	if r.URL.RawQuery != "" {
		row.Target += "?" + r.URL.RawQuery
	}
	row.Target = clip(row.Target)
	ctx, audit := store.WithAudit(r.Context(), row)
	if !m.cfg.Changes() {
		audit.WithoutChange()
	}
	seen := &answer{ResponseWriter: w, status: http.StatusOK}
	h.ServeHTTP(seen, r.WithContext(ctx))
	row, due := audit.Due()
	if !due {
		return
	}
	if seen.status >= http.StatusBadRequest {
		row.Result, row.Count, row.Was, row.Became = strconv.Itoa(seen.status), 0, "", ""
	}
	m.cfg.Record(store.WithoutAudit(context.WithoutCancel(ctx)), row)
}

func refusal(p *auth.Principal, r *http.Request, fault *problem.Problem) store.AuditRow {
	row := rowOf(p, r)
	row.Action, row.Target, row.Result, row.Reason = "refused", clip(r.Method+" "+r.URL.Path), fault.Code, fault.Scope
	row.Count = 1
	return row
}

func rowOf(p *auth.Principal, r *http.Request) store.AuditRow {
	if p != nil {
		return store.AuditRow{Namespace: p.NamespaceID, KeyID: p.KeyID, Name: p.Name, Address: p.Address}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return store.AuditRow{Address: host}
}

// clip makes text of what came with a request.
func clip(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text[:min(len(text), maxText)], "\uFFFD"), "\x00", "\uFFFD")
}

// answer notes the status of an answer.
type answer struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// ServeHTTP implements http.Handler.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.mux.ServeHTTP(w, r) }

// Pattern is that of the route that a request goes to.
func (m *Mux) Pattern(r *http.Request) string {
	_, pattern := m.mux.Handler(r)
	return pattern
}

// Need is what a route needs; 0 = there is no such route.
func (m *Mux) Need(path string) auth.Scope {
	if p := m.routes[path]; p != nil {
		return p.need
	}
	return 0
}

// Acts tells under which name a route is recorded; "" = it is none of an operator.
func (m *Mux) Acts(path string) string {
	if p := m.routes[path]; p != nil && p.acts {
		return p.action
	}
	return ""
}

// Patterns lists all routes.
func (m *Mux) Patterns() []string { return slices.Sorted(maps.Keys(m.routes)) }
