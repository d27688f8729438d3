package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/internal/server/console/pages"
)

// graphs lists the runs of graphs, and the graphs that are kept.
func (d *door) graphs(w http.ResponseWriter, r *http.Request) error {
	shown := pages.Graphs{Graph: r.URL.Query().Get("graph")}
	var me sendoff.Me
	if err := d.get(r.Context(), "/v1/me", nil, &me); err != nil {
		return err
	}
	if shown.None = !slices.Contains(me.Features, "graph_runs"); !shown.None {
		q := paging(r)
		if shown.Graph != "" {
			q.Set("graph", shown.Graph)
		}
		var runs items[sendoff.GraphRun]
		if err := d.get(r.Context(), "/v1/graph-runs", q, &runs); err != nil {
			return err
		}
		shown.Runs, shown.Next = runs.Items, runs.Next
	}
	var kept items[sendoff.GraphRevision]
	if err := d.get(r.Context(), "/v1/graphs", nil, &kept); err != nil {
		return err
	}
	shown.Kept = kept.Items
	return d.write(w, r, http.StatusOK, pages.GraphList(d.frame(r, "Graphs of jobs"), &shown))
}

// graphRun shows how the jobs of a run stand, as a drawing and as a list.
func (d *door) graphRun(w http.ResponseWriter, r *http.Request) error {
	zoom, err := zoomOf(r.URL.Query())
	if err != nil {
		return err
	}
	shown := pages.GraphRun{Zoom: zoom}
	if err := d.get(r.Context(), "/v1/graph-runs/"+url.PathEscape(r.PathValue("id")), nil, &shown.Run); err != nil {
		return err
	}
	return d.write(w, r, http.StatusOK, pages.GraphRunPage(d.frame(r, "Run of a graph"), &shown))
}

// actOnGraphRun steers a run. What tries one again is another run, whose page is next.
func (d *door) actOnGraphRun(w http.ResponseWriter, r *http.Request) error {
	if r.PathValue("verb") != "retry" {
		return d.steer(w, r, "graph-runs", r.PathValue("id"), map[string]string{"pause": "paused", "resume": "resumed", "cancel": "canceled"})
	}
	var made sendoff.GraphRun
	if err := d.post(r.Context(), "/v1/graph-runs/"+url.PathEscape(r.PathValue("id"))+"/retry", nil, r.PostForm.Get("reason"), &made); err != nil {
		return err
	}
	done(w, r, "/graph-runs/"+url.PathEscape(made.ID), "retried")
	return nil
}

// zoomOf is the size of a drawing, in percent; 0 = nobody chose one.
func zoomOf(q url.Values) (int, error) {
	if !q.Has("z") {
		return 0, nil
	}
	zoom, err := strconv.Atoi(q.Get("z"))
	if err != nil || !pages.KnownZoom(zoom) {
		return 0, wrong("z is %q: want 50, 75, 100, 150 or 200", q.Get("z"))
	}
	return zoom, nil
}
