package console

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/internal/server/console/pages"
)

// tree shows a function with all calls made for it: as a tree, over time, or as a graph.
func (d *door) tree(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	q.Del("did")
	shown := pages.Tree{View: q.Get("view"), Query: q}
	if !slices.Contains([]string{"tree", "waterfall", "graph"}, shown.View) {
		return wrong("view is %q: want tree, waterfall or graph", shown.View)
	}
	var err error
	if shown.Zoom, err = zoomOf(q); err != nil {
		return err
	}
	var answer struct {
		Items     []sendoff.Task `json:"items"`
		Truncated bool           `json:"truncated"`
	}
	if err := d.get(r.Context(), "/v1/tasks/"+url.PathEscape(r.PathValue("id"))+"/tree", nil, &answer); err != nil {
		return err
	}
	shown.Items, shown.Truncated = answer.Items, answer.Truncated
	f := d.frame(r, pages.NameOf(&shown.Items[0]))
	f.Still = shown.Still()
	return d.write(w, r, http.StatusOK, pages.TreePage(f, &shown))
}
