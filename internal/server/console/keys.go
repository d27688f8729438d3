package console

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/server/console/pages"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
)

// keys lists the API keys, with a form for another one.
func (d *door) keys(w http.ResponseWriter, r *http.Request) error {
	return d.showKeys(w, r, http.StatusOK, &pages.Keys{Values: url.Values{}})
}

func (d *door) showKeys(w http.ResponseWriter, r *http.Request, status int, shown *pages.Keys) error {
	var list items[sendoff.APIKey]
	if err := d.get(r.Context(), "/v1/api-keys", nil, &list); err != nil {
		return err
	}
	shown.Items, shown.Scopes = list.Items, auth.Scopes()
	f := d.frame(r, "API keys")
	shown.Open = f.Who == auth.Anybody().Name && !f.SignedOn
	return d.write(w, r, status, pages.KeyList(f, shown))
}

// createKey makes a key, and shows it: the only time that it is seen.
func (d *door) createKey(w http.ResponseWriter, r *http.Request) error {
	v := r.PostForm
	scopes, err := json.Marshal(append([]string{}, v["scope"]...))
	if err != nil {
		return err
	}
	body := fields{"scopes": scopes}
	body.text("name", strings.TrimSpace(v.Get("name")))
	body.text("namespace", strings.TrimSpace(v.Get("namespace")))
	body.text("expires_at", laterOf(strings.TrimSpace(v.Get("expires_at")), time.Now()))
	shown := &pages.Keys{Values: url.Values{}}
	err = d.post(r.Context(), "/v1/api-keys", body, v.Get("reason"), &shown.Made)
	p, refused := errors.AsType[*problem.Problem](err)
	switch {
	case refused:
		shown.Wrong, shown.Values = p, v
		return d.showKeys(w, r, p.Status, shown)
	case err != nil:
		return err
	}
	return d.showKeys(w, r, http.StatusCreated, shown)
}

// laterOf is a time that was typed: as it is, or a duration from now on.
func laterOf(value string, now time.Time) string {
	if d, err := time.ParseDuration(value); err == nil {
		return now.Add(d).UTC().Format(time.RFC3339)
	}
	return value
}

// revokeKey ends a key.
func (d *door) revokeKey(w http.ResponseWriter, r *http.Request) error {
	if verb := r.PathValue("verb"); verb != "revoke" {
		return unknownVerb(verb)
	}
	path := "/v1/api-keys/" + url.PathEscape(r.PathValue("id"))
	if err := d.call(r.Context(), ask{method: http.MethodDelete, path: path, reason: r.PostForm.Get("reason")}, nil); err != nil {
		return err
	}
	done(w, r, "/keys", "revoked")
	return nil
}
