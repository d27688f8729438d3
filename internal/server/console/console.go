// Package console is the door for people: pages that a browser shows, made here as a
// whole and complete without scripts.
//
// A page shows what the HTTP API answers, asked in this process as whoever looks at the
// page: its address has the parameters of that question, and what a key may not see or do
// is refused there, whatever the page offers. A button is a form; what it changes is
// recorded as the call of the API that it leads to.
package console

import (
	"bytes"
	"html"
	"net/http"
	"net/url"
	"strings"

	"github.com/a-h/templ"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/events"
	"github.com/sendoff-dev/sendoff/internal/inprocess"
	"github.com/sendoff-dev/sendoff/internal/need"
	"github.com/sendoff-dev/sendoff/internal/server/console/pages"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/internal/server/route"
)

// Config of the console. Version, Base, Events and Sessions may be left out.
type Config struct {
	ReadOnly bool        // nothing can be done from it
	Version  string      // of the server
	Base     string      // below which all of it is, such as /sendoff; "" = the root of the host
	Events   *events.Hub // that pages hear; nil = they are asked for again now and then
	Sessions Sessions    // of those who have signed on with a key; nil = no keys are used
}

// Sessions remember who has signed on. access.Keyring implements it.
type Sessions interface {
	// SignOn returns a token for somebody who has a key.
	SignOn(key string) (token string, err error)
	// SignedOn tells whose a token is; renewed is another one that holds for longer, "" =
	// this one is good for a while.
	SignedOn(token string) (who auth.Principal, renewed string, err error)
}

// door is the console.
type door struct {
	cfg   Config
	api   http.RoundTripper
	tries tries

	streams chan struct{} // of pages that hear events; as many as there can be
}

// page writes a page, or returns why there is none.
type page func(w http.ResponseWriter, r *http.Request) error

// Mount puts the console on a mux that has the routes of the API.
func Mount(mux *route.Mux, cfg Config) {
	need.Fields(struct{ Mux *route.Mux }{mux}, "Mux")
	d := &door{cfg: cfg, api: inprocess.Transport(mux), streams: make(chan struct{}, liveStreams)}
	show := func(path string, scope auth.Scope, p page) { mux.Through(scope, "GET "+path, d.serve(p)) }
	act := func(path string, p page) { mux.Through(auth.Operate, "POST "+path, d.serve(d.writable(p))) }

	show("/{$}", auth.Read, d.overview)
	act("/everything/{verb}", d.actOnEverything)
	show("/tasks", auth.Read, d.tasks)
	show("/tasks.csv", auth.Read, d.csv)
	show("/go", auth.Read, d.find)
	show("/functions", auth.Read, d.functions)
	show("/tasks/new", auth.Enqueue, d.newTask)
	mux.Through(auth.Enqueue, "POST /tasks/new", d.serve(d.writable(d.submitTask)))
	show("/tasks/{id}", auth.Read, d.task)
	show("/tasks/{id}/compare", auth.Read, d.compare)
	show("/tasks/{id}/change", auth.Read|auth.Operate, d.changeForm)
	act("/tasks/{id}/{verb}", d.actOnTask)
	show("/graphs", auth.Read, d.graphs)
	show("/graph-runs/{id}", auth.Read, d.graphRun)
	act("/graph-runs/{id}/{verb}", d.actOnGraphRun)
	show("/failures", auth.Read, d.failures)
	show("/failures/{id}", auth.Read, d.failure)
	act("/failures/{id}/{verb}", d.actOnFailure)
	show("/queues", auth.Read, d.queues)
	show("/queues/{name}", auth.Read, d.queue)
	act("/queues/{name}/{verb}", d.actOnQueue)
	show("/schedules", auth.Read, d.schedules)
	show("/schedules/{name}", auth.Read, d.schedule)
	act("/schedules/{name}/{verb}", d.actOnSchedule)
	show("/limits", auth.Read, d.limits)
	show("/nodes", auth.Read|auth.Whole, d.nodes)
	act("/nodes/{id}/{verb}", d.actOnNode)
	act("/workers/{id}/{verb}", d.actOnWorker)
	show("/endpoints", auth.Read|auth.Whole, d.endpoints)
	act("/endpoints/{host}/{verb}", d.actOnEndpoint)
	show("/actions", auth.Read, d.actions)
	show("/actions/{id}", auth.Read, d.action)
	show("/actions/new", auth.Read|auth.Operate, d.newAction)
	act("/actions", d.startAction)
	act("/actions/{id}/{verb}", d.steerAction)
	show("/audit", auth.Admin, d.audit)
	show("/keys", auth.Admin, d.keys)
	mux.Through(auth.Admin, "POST /keys", d.serve(d.writable(d.createKey)))
	mux.Through(auth.Admin, "POST /keys/{id}/{verb}", d.serve(d.writable(d.revokeKey)))
	act("/views", d.saveView)
	act("/views/{name}/{verb}", d.actOnView)
	show("/health", auth.Read|auth.Whole, d.health)
	show("/settings", auth.AnyKey, d.settings)
	mux.Through(auth.AnyKey, "POST /settings", d.serve(d.changeSettings))
	if cfg.Events != nil {
		show("/live", auth.Read, d.live)
	}
	show("/help", auth.Read, d.help)

	mux.Through(auth.Public, "GET /login", d.login)
	mux.Through(auth.Public, "POST /login", d.signOn)
	mux.Through(auth.AnyKey, "POST /logout", d.signOff)
	mux.Through(auth.Public, "GET /assets/{hash}/{file}", serveAsset)
}

// policy is what a page may load and do: what is ours, and no script that is not a file.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types sendoff"

func headers(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// serve answers with a page, or with one that says why there is none.
func (d *door) serve(p page) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		headers(w.Header())
		d.renew(w, r)
		if zone, err := zoneOf(kept(r, zoneCookie)); err == nil {
			r = r.WithContext(pages.WithZone(r.Context(), zone))
		}
		if err := p(w, r); err != nil {
			d.fail(w, r, err)
		}
	}
}

// mostForm is how much a form can have, in bytes: a payload of a MiB grows by its escapes.
const mostForm = 4 << 20

// writable refuses what would change something on a console that only shows.
func (d *door) writable(p page) page {
	return func(w http.ResponseWriter, r *http.Request) error {
		if d.cfg.ReadOnly {
			return problem.New(http.StatusConflict, "state_conflict", "this console only shows: the server was started with --console=read")
		}
		if err := readForm(w, r); err != nil {
			return err
		}
		return p(w, r)
	}
}

func readForm(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, mostForm)
	if err := r.ParseForm(); err != nil {
		return problem.New(http.StatusBadRequest, "invalid_request", "the form cannot be read: "+err.Error())
	}
	return nil
}

// frame is what is around every page.
func (d *door) frame(r *http.Request, title string) pages.Frame {
	who := auth.From(r.Context())
	f := pages.Frame{Title: title, Path: r.URL.Path, Version: d.cfg.Version, Base: d.cfg.Base, Style: assetPath("app.css"), Script: assetPath("app.js"), Icon: assetPath("icon.svg")}
	f.Theme, f.KeysOff = themeOf(r), kept(r, keysCookie) == "off"
	if who != nil {
		f.Who, f.Namespace = who.Name, who.Namespace
		f.Admin, f.Whole = who.Lacks(auth.Admin) == 0, !who.Elsewhere()
		f.MayAct, f.MaySubmit = !d.cfg.ReadOnly && who.Lacks(auth.Operate) == 0, !d.cfg.ReadOnly && who.Lacks(auth.Enqueue) == 0
	}
	if _, err := r.Cookie(cookieName(r, d.cfg.Base)); err == nil {
		f.SignedOn = true
	}
	if d.cfg.Events != nil {
		f.Topics = topicsOf(r.URL)
	}
	f.Did = pages.Did(r.URL.Query().Get("did"))
	return f
}

func themeOf(r *http.Request) string {
	if theme := kept(r, themeCookie); theme == "light" || theme == "dark" {
		return theme
	}
	return ""
}

// write answers with a page. What is written down in pages leads to the root of a host:
// below a base the links of their elements are moved there, which no text of a task can
// look like, for its quotes are escaped.
func (d *door) write(w http.ResponseWriter, r *http.Request, status int, c templ.Component) error {
	var page bytes.Buffer
	if err := c.Render(r.Context(), &page); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if d.cfg.Base == "" {
		_, err := page.WriteTo(w)
		return err
	}
	base := html.EscapeString(d.cfg.Base)
	_, err := strings.NewReplacer(` href="/`, ` href="`+base+`/`, ` src="/`, ` src="`+base+`/`, ` action="/`, ` action="`+base+`/`).WriteString(w, page.String())
	return err
}

// done leads to a page, whose path is escaped, after something was done.
func done(w http.ResponseWriter, r *http.Request, path, did string) {
	http.Redirect(w, r, path+"?"+url.Values{"did": {did}}.Encode(), http.StatusSeeOther)
}
