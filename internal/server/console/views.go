package console

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/internal/server/console/pages"
)

// views are the views that were saved of a page; path "" = of all pages.
func (d *door) views(r *http.Request, path string) (views []sendoff.View, err error) {
	var all items[sendoff.View]
	if err := d.get(r.Context(), "/v1/views", nil, &all); err != nil {
		return nil, err
	}
	for _, v := range all.Items {
		if path == "" || v.Path == path {
			views = append(views, v)
		}
	}
	return views, nil
}

// saveView saves a page with what it selects, for all who use the namespace, and leads
// back to it.
func (d *door) saveView(w http.ResponseWriter, r *http.Request) error {
	v := r.PostForm
	name := strings.TrimSpace(v.Get("name"))
	if name == "" {
		return wrong("a view needs a name")
	}
	view := sendoff.NewView{Path: v.Get("path"), Query: v.Get("query")}
	if err := d.call(r.Context(), ask{method: http.MethodPut, path: "/v1/views/" + url.PathEscape(name), body: view}, nil); err != nil {
		return err
	}
	q, err := url.ParseQuery(view.Query)
	if err != nil {
		return wrong("query cannot be read: %s", err)
	}
	q.Set("did", "saved")
	http.Redirect(w, r, (&url.URL{Path: localPath(view.Path), RawQuery: q.Encode()}).String(), http.StatusSeeOther)
	return nil
}

func (d *door) actOnView(w http.ResponseWriter, r *http.Request) error {
	if verb := r.PathValue("verb"); verb != "forget" {
		return unknownVerb(verb)
	}
	path := "/v1/views/" + url.PathEscape(r.PathValue("name"))
	if err := d.call(r.Context(), ask{method: http.MethodDelete, path: path, reason: r.PostForm.Get("reason")}, nil); err != nil {
		return err
	}
	done(w, r, "/settings", "forgotten")
	return nil
}

// health shows what the checks of the server and its database found.
func (d *door) health(w http.ResponseWriter, r *http.Request) error {
	var found sendoff.Health
	if err := d.call(r.Context(), ask{method: http.MethodGet, path: "/v1/health", also: http.StatusServiceUnavailable}, &found); err != nil {
		return err
	}
	var keys pages.SigningKeys
	if err := d.get(r.Context(), "/v1/signing-keys", nil, &keys); err != nil {
		return err
	}
	return d.write(w, r, http.StatusOK, pages.HealthPage(d.frame(r, "Health"), &found, &keys))
}
