package engine

import (
	"net/http"
	"strings"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/server/body"
	"github.com/sendoff-dev/sendoff/internal/server/console"
	"github.com/sendoff-dev/sendoff/internal/server/guard"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/internal/server/route"
)

// Visitor is somebody who looks at the console of a program that has its own login.
type Visitor struct {
	Name string // shown, and recorded in the audit

	// Scopes are what they may do, as of an API key: "read" sees tasks without what they
	// carry, "payloads" sees that, "enqueue" submits, "operate" steers, "admin" is everything.
	Scopes []string
}

// Console returns the pages for people and nothing else, for a program that signs people on
// by itself. Mount it at prefix, such as "/admin/sendoff", with everything below; "" is the
// root of a host. It is asked of each request who that is: false is answered with 403, so
// whoever is to sign on first has to be led there before. Forms of other sites are refused.
// authorize is required: Console panics without.
//
//	mux.Handle("/admin/sendoff/", e.Console("/admin/sendoff", func(r *http.Request) (engine.Visitor, bool) {
//		user, ok := session(r)
//		return engine.Visitor{Name: user, Scopes: []string{"read", "operate"}}, ok
//	}))
func (e *Engine) Console(prefix string, authorize func(*http.Request) (Visitor, bool)) http.Handler {
	if authorize == nil {
		panic("engine: Console needs a function that tells who looks at it")
	}
	cfg := HandlerConfig{BasePath: prefix}
	pages := &console.Config{Version: e.cfg.Version, Base: cfg.base(), Events: e.events}
	routes := e.routesWith(cfg, pages)
	only := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !console.Owns(r.URL.Path):
			problem.Write(w, problem.New(http.StatusNotFound, "not_found", "there is no such page"))
		case auth.From(r.Context()) == nil && !strings.HasPrefix(r.URL.Path, "/assets/"):
			console.Refuse(w, r, problem.New(http.StatusForbidden, "forbidden", "this program does not let you in here"), *pages)
		default:
			routes.ServeHTTP(w, r)
		}
	})
	known := func(r *http.Request) (auth.Principal, bool) {
		who, ok := authorize(r)
		if !ok {
			return auth.Principal{}, false
		}
		scopes, err := auth.ParseScope(who.Scopes)
		if err != nil {
			e.cfg.Log.Error("a visitor of the console is not let in: authorize names a scope that there is not", "visitor", who.Name, "err", err)
			return auth.Principal{}, false
		}
		return auth.Principal{Name: who.Name, Namespace: auth.DefaultNamespace, Scopes: scopes}, true
	}
	return route.Under(cfg.base(), guard.Wrap(body.NewRoom(64<<20, body.Pace{}).Wrap(only), guard.Config{Known: known}))
}
