package console

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/internal/server/console/pages"
)

// functions lists what carries tasks out besides URLs, as far as tasks name it.
func (d *door) functions(w http.ResponseWriter, r *http.Request) error {
	prefix := r.URL.Query().Get("prefix")
	shown := pages.Functions{Prefix: prefix}
	for _, of := range pages.Callables {
		var names items[string]
		if err := d.get(r.Context(), "/v1/suggest", url.Values{"field": {of[0]}, "prefix": {prefix}}, &names); err != nil {
			return err
		}
		shown.Names = append(shown.Names, names.Items)
	}
	return d.write(w, r, http.StatusOK, pages.FunctionList(d.frame(r, "Functions"), &shown))
}

// find leads to the task that has an id, one of its client's own or a job number, and else
// to the list of those whose last error has that text.
func (d *door) find(w http.ResponseWriter, r *http.Request) error {
	return d.filter(w, r, strings.TrimSpace(r.URL.Query().Get("q")))
}

// known is the id of the task that a word names; "" = it names none.
func (d *door) known(r *http.Request, word string) string {
	if word == "" || strings.ContainsAny(word, " :\"/?#%") {
		return ""
	}
	var t sendoff.Task
	if d.get(r.Context(), "/v1/tasks/"+url.PathEscape(word), nil, &t) != nil {
		return ""
	}
	return t.ID
}
