package engine

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/httpsig"
	"github.com/sendoff-dev/sendoff/internal/node"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/server/api"
	"github.com/sendoff-dev/sendoff/internal/server/body"
	"github.com/sendoff-dev/sendoff/internal/server/console"
	"github.com/sendoff-dev/sendoff/internal/server/dispatchapi"
	"github.com/sendoff-dev/sendoff/internal/server/dispatchr"
	"github.com/sendoff-dev/sendoff/internal/server/guard"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/internal/server/route"
	"github.com/sendoff-dev/sendoff/store"
)

// HandlerConfig says who may use the doors of an engine.
type HandlerConfig struct {
	APIKeys []string // that open them (Authorization: Bearer KEY); none = everybody who reaches the handler
	Local   bool     // requests must ask for a loopback host name, or one of Hosts: set it when listening on loopback only
	Hosts   []string // allowed besides loopback names when Local is set

	OpenDoors      []OpenDoor     // networks that may create tasks without a key
	TrustedProxies []netip.Prefix // whose X-Forwarded-For and TrustHeaders are believed
	TrustHeaders   []TrustHeader  // what whoever they have signed on may do; with one, a key is needed otherwise
	TrustUser      string         // the header in which they name who it is, for the audit

	// Console says what people can do in a browser: ConsoleOn, the default, ConsoleRead or
	// ConsoleOff.
	Console Console

	// BasePath is where everything is on its host, such as "/sendoff" behind a proxy: links of
	// the console lead there. Requests are answered with and without it. Default "", the root.
	BasePath string

	GraphRuns any // what carries out graphs of jobs, made by sendoff serve for its own engine; nil = they are refused
}

// Console is what the pages for people are for. The zero value is ConsoleOn.
type Console string

// What the console is for.
const (
	ConsoleOn   Console = "on"   // to see and to steer
	ConsoleRead Console = "read" // to see
	ConsoleOff  Console = "off"  // there is none
)

// Handler returns the doors: the console at /, the HTTP API under /v1, the services of Dispatch
// (Connect, gRPC and gRPC-Web), Dispatchr's POST /task and GET /ping, /livez, /readyz, /metrics, /openapi.json and the public keys under
// /.well-known/sendoff-keys. Mount it at the root of a server, or of a host, or below
// HandlerConfig.BasePath.
func (e *Engine) Handler(cfg HandlerConfig) http.Handler {
	bodies := body.NewRoom(256<<20, body.Pace{})
	before := cfg.guarded()
	keys := e.ring.With(cfg.APIKeys, len(cfg.TrustHeaders) > 0)
	before.Authorize = keys.Authorize
	var doors http.Handler = e.routes(cfg)
	if cfg.Console != ConsoleOff {
		before.SignedOn = console.SignedOn(keys, cfg.base())
		doors = console.Lead(cfg.base(), doors)
	}
	return route.Under(cfg.base(), guard.Wrap(bodies.Wrap(doors), before))
}

// base is the BasePath with a slash before it and none behind; "" = the root.
func (cfg *HandlerConfig) base() string {
	if base := strings.Trim(cfg.BasePath, "/"); base != "" {
		return "/" + base
	}
	return ""
}

// NeedsKey tells whether a request needs an API key although none is given in
// HandlerConfig: the database has one, or had.
func (e *Engine) NeedsKey() bool { return e.ring.Closed() }

// routes are those of all doors.
func (e *Engine) routes(cfg HandlerConfig) *route.Mux { return e.routesWith(cfg, e.consoleOf(cfg)) }

// routesWith are the routes of all doors, with the pages for people as they are said; nil =
// none.
func (e *Engine) routesWith(cfg HandlerConfig, pages *console.Config) *route.Mux {
	mux := route.NewMux(route.Config{Refuse: refuse(pages), Record: e.record, Refused: e.refusals.Add, Changes: e.sealsChanges})
	runs, _ := cfg.GraphRuns.(api.GraphRuns)
	api.Mount(mux, api.Config{
		Submit: e.acceptor, Stored: e.tasks, Tasks: e.tasks, Waits: e.waits, Steer: e.tasks, Others: e.tasks, Changes: e.tasks, Acks: e.acks, Queues: e.queues, Settings: e.queues, Limits: e.gates, Functions: e.functions, Definitions: e.definitions, Schedules: e.schedules,
		Endpoints: e.endpoints, Events: e.events, Workers: e.endpoints, Audit: operate.NewAudit(e.store), Actions: e.actions, Keys: e.apiKeys, SigningKeys: e.signingKeys(), Failures: e.failures, Series: e.series, Suggest: operate.NewSuggest(e.store, e.tasks, e.catalog.Queues), Health: e.health, Views: operate.NewSavedViews(e.store), Control: e.cfg.Control, GraphRuns: runs, Nodes: e.store.Nodes, Drain: e.drainNode, Version: e.cfg.Version, Unknown: e.unknown,
	})
	dispatchr.Mount(mux, e.acceptor, e.unknown)
	dispatchapi.Mount(mux, e.dispatchDoor())
	mux.Handle(auth.Read|auth.Whole, "GET /metrics", promhttp.HandlerFor(e.meters.Registry, promhttp.HandlerOpts{}))
	mux.HandleFunc(auth.Public, "GET /livez", func(w http.ResponseWriter, _ *http.Request) { status(w, nil) })
	mux.HandleFunc(auth.Public, "GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		status(w, e.Ready(ctx))
	})
	mux.HandleFunc(auth.Public, "GET "+httpsig.KeysPath, func(w http.ResponseWriter, _ *http.Request) {
		if e.keys == nil {
			problem.Write(w, problem.New(http.StatusNotFound, "not_found", "pushes of this server are not signed"))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(e.keys.Current().PublicJWKS())
	})
	if pages != nil {
		console.Mount(mux, *pages)
	}
	mux.HandleFunc(auth.AnyKey, "/", api.NotFound(mux))
	return mux
}

// consoleOf is how the pages for people are made; nil = there are none.
func (e *Engine) consoleOf(cfg HandlerConfig) *console.Config {
	if cfg.Console == ConsoleOff {
		return nil
	}
	return &console.Config{ReadOnly: cfg.Console == ConsoleRead, Version: e.cfg.Version, Base: cfg.base(), Events: e.events, Sessions: e.ring.With(cfg.APIKeys, len(cfg.TrustHeaders) > 0)}
}

// refuse answers whoever has no key, or one that may not do that, in the words of the door.
func refuse(pages *console.Config) func(http.ResponseWriter, *http.Request, *problem.Problem) {
	return func(w http.ResponseWriter, r *http.Request, p *problem.Problem) {
		if p.Status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", "Bearer")
		}
		switch {
		case dispatchapi.Refuse(w, r, p):
		case pages != nil && console.Refuse(w, r, p, *pages):
		default:
			problem.Write(w, p)
		}
	}
}

// sealsChanges tells whether every node seals what the audit says of changes.
func (e *Engine) sealsChanges() bool {
	return e.catalog.Least(node.Version) >= store.VersionAuditChange
}

// record adds to the audit what has no transaction of its own.
func (e *Engine) record(ctx context.Context, row store.AuditRow) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := e.store.PutAudit(ctx, []store.AuditRow{row}); err != nil {
		e.cfg.Log.Error("an action could not be recorded in the audit", "action", row.Action, "target", row.Target, "result", row.Result, "err", err)
	}
}

// status answers a health check.
func status(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte("not ready: " + err.Error() + "\n"))
		return
	}
	_, _ = w.Write([]byte("ok\n"))
}

func (e *Engine) dispatchDoor() dispatchapi.Config {
	cfg := dispatchapi.Config{
		Submit: e.acceptor, Tasks: e.tasks, Signals: e.functions, Journals: seenJournals{e}, Receive: e.receiveSeen, Bridge: e.runner.Hub(),
		Embedded: e.embeds, Unknown: e.unknown,
	}
	if e.keys != nil {
		cfg.PublicKeyPEM = func() string { return e.keys.Current().PublicKeyPEM() }
	}
	return cfg
}
