package console

import (
	"net/http"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/server/console/pages"
)

// The cookies in which a browser keeps how it wants its pages. Scripts may read them.
const (
	themeCookie = "sendoff_theme" // light or dark
	zoneCookie  = "sendoff_zone"  // in which times are shown, such as Europe/Berlin
	keysCookie  = "sendoff_keys"  // off = pages do not listen to keys
)

// settings shows who looks, and how pages are shown.
func (d *door) settings(w http.ResponseWriter, r *http.Request) error {
	return d.showSettings(w, r, http.StatusOK, "")
}

func (d *door) showSettings(w http.ResponseWriter, r *http.Request, status int, wrong string) error {
	shown := pages.Settings{Wrong: wrong, Zone: kept(r, zoneCookie), Now: time.Now()}
	if status != http.StatusOK {
		shown.Zone = r.PostForm.Get("zone")
	}
	if err := d.get(r.Context(), "/v1/me", nil, &shown.Me); err != nil {
		return err
	}
	if who := auth.From(r.Context()); who == nil || who.Lacks(auth.Read) == 0 {
		var err error
		if shown.Views, err = d.views(r, ""); err != nil {
			return err
		}
	}
	return d.write(w, r, status, pages.SettingsPage(d.frame(r, "Settings"), &shown))
}

// changeSettings has the browser keep how pages are shown. Nothing of the server changes.
func (d *door) changeSettings(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	zone := strings.TrimSpace(r.PostForm.Get("zone"))
	if _, err := zoneOf(zone); err != nil {
		return d.showSettings(w, r, http.StatusUnprocessableEntity, "The time zone "+zone+" is not known: want one such as Europe/Berlin, or UTC.")
	}
	for name, value := range map[string]string{themeCookie: r.PostForm.Get("theme"), zoneCookie: zone, keysCookie: r.PostForm.Get("keys")} {
		c := &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: int(365 * 24 * time.Hour / time.Second), Secure: secure(r), SameSite: http.SameSiteLaxMode}
		if value == "" {
			c.MaxAge = -1
		}
		http.SetCookie(w, c)
	}
	done(w, r, "/settings", "kept")
	return nil
}

// kept is what a browser keeps in a cookie; "" = nothing.
func kept(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// zoneOf is a time zone by its name; "" is UTC. Local, the zone of the server, is none.
func zoneOf(name string) (*time.Location, error) {
	if name == "Local" {
		name = "the zone of the server"
	}
	return time.LoadLocation(name)
}
