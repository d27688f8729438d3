package console

import (
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/server/console/pages"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
)

// areas are the first parts of the paths of the console.
var areas = map[string]bool{
	"": true, "tasks": true, "tasks.csv": true, "go": true, "functions": true, "graphs": true, "graph-runs": true, "failures": true, "queues": true, "schedules": true, "limits": true, "nodes": true, "endpoints": true, "actions": true, "audit": true, "keys": true, "settings": true, "health": true, "views": true, "live": true,
	"help": true, "everything": true, "workers": true, "login": true, "logout": true, "assets": true,
}

// Owns tells whether a path is one of the console, where the cookie of a session counts.
func Owns(path string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return areas[first]
}

// SignedOn tells who looks at a page below a base, by the cookie of the session.
func SignedOn(s Sessions, base string) func(*http.Request) (auth.Principal, bool) {
	return func(r *http.Request) (auth.Principal, bool) {
		c, err := r.Cookie(cookieName(r, base))
		if err != nil || !Owns(r.URL.Path) {
			return auth.Principal{}, false
		}
		who, _, err := s.SignedOn(c.Value)
		return who, err == nil
	}
}

// secure tells whether the browser came by TLS, to us or to a proxy before us. Who lies
// about it loses only his own cookie.
func secure(r *http.Request) bool {
	return r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"
}

// cookieName is that of the session. The prefix has browsers keep it to this host, on which
// there may be several servers, each below a base of its own.
func cookieName(r *http.Request, base string) string {
	name := "sendoff"
	if base != "" {
		name += "-" + hex.EncodeToString([]byte(base))
	}
	if secure(r) {
		return "__Host-" + name
	}
	return name
}

func (d *door) setCookie(w http.ResponseWriter, r *http.Request, token string) {
	c := &http.Cookie{Name: cookieName(r, d.cfg.Base), Value: token, Path: "/", HttpOnly: true, Secure: secure(r), SameSite: http.SameSiteLaxMode}
	if token == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// renew gives the browser a token that holds for longer, when it is time for that.
func (d *door) renew(w http.ResponseWriter, r *http.Request) {
	if d.cfg.Sessions == nil {
		return
	}
	if c, err := r.Cookie(cookieName(r, d.cfg.Base)); err == nil {
		if _, renewed, err := d.cfg.Sessions.SignedOn(c.Value); err == nil && renewed != "" {
			d.setCookie(w, r, renewed)
		}
	}
}

// nextOf is the page to show after signing on: the one that was asked for.
func nextOf(r *http.Request) string {
	if r.Method != http.MethodGet || r.URL.Path == "/login" {
		return "/"
	}
	return r.URL.RequestURI()
}

func (d *door) login(w http.ResponseWriter, r *http.Request) {
	headers(w.Header())
	_ = d.write(w, r, http.StatusOK, pages.Login(d.frame(r, "Sign in"), pages.SignOn{Next: localPath(r.URL.Query().Get("next"))}))
}

// signOn takes a key and opens a session.
func (d *door) signOn(w http.ResponseWriter, r *http.Request) {
	headers(w.Header())
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	if err := r.ParseForm(); err != nil {
		d.fail(w, r, problem.New(http.StatusBadRequest, "invalid_request", "the form cannot be read"))
		return
	}
	next := localPath(r.PostForm.Get("next"))
	refuse := func(status int, why string) {
		_ = d.write(w, r, status, pages.Login(d.frame(r, "Sign in"), pages.SignOn{Next: next, Wrong: why}))
	}
	switch {
	case d.cfg.Sessions == nil:
		http.Redirect(w, r, next, http.StatusSeeOther)
		return
	case !d.tries.take(r.RemoteAddr):
		w.Header().Set("Retry-After", "60")
		refuse(http.StatusTooManyRequests, "Too many wrong keys from this address. Wait a minute.")
		return
	}
	token, err := d.cfg.Sessions.SignOn(strings.TrimSpace(r.PostForm.Get("key")))
	if err != nil {
		refuse(http.StatusUnauthorized, "This is no API key of this server. sendoff api-keys create makes one.")
		return
	}
	d.tries.forget(r.RemoteAddr)
	d.setCookie(w, r, token)
	http.Redirect(w, r, next, http.StatusSeeOther)
}

func (d *door) signOff(w http.ResponseWriter, r *http.Request) {
	headers(w.Header())
	d.setCookie(w, r, "")
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// localPath is a path of this server: what leads elsewhere is not followed.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") || !Owns(u.Path) {
		return "/"
	}
	return next
}

// mostTries is how many wrong keys an address may try in a minute.
const mostTries = 5

// tries count wrong keys by address. The zero value is ready.
type tries struct {
	mu    sync.Mutex
	since time.Time
	by    map[string]int
}

// take tells whether an address may try once more.
func (t *tries) take(remote string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.since) > time.Minute {
		t.since, t.by = time.Now(), map[string]int{}
	}
	host := hostOf(remote)
	t.by[host]++
	return t.by[host] <= mostTries
}

func (t *tries) forget(remote string) {
	t.mu.Lock()
	delete(t.by, hostOf(remote))
	t.mu.Unlock()
}

func hostOf(remote string) string {
	if i := strings.LastIndexByte(remote, ':'); i > 0 {
		return remote[:i]
	}
	return remote
}
