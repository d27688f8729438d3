package console

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/internal/server/console/pages"
)

// bulk is the body of POST /v1/tasks/bulk.
type bulk struct {
	Action string            `json:"action"`
	To     map[string]string `json:"to,omitempty"`
	Filter url.Values        `json:"filter,omitempty"`
	IDs    []string          `json:"ids,omitempty"`
	All    bool              `json:"all,omitempty"`
	Rate   string            `json:"rate,omitempty"`
	Reason string            `json:"reason,omitempty"`
	DryRun bool              `json:"dry_run,omitempty"`
	Bound  json.RawMessage   `json:"bound,omitempty"`
}

// selected says which tasks it is about: those that were ticked, or what a filter selects.
func selected(action string, q url.Values) bulk {
	b := bulk{Action: action, To: become(action, q.Get("to")), IDs: q["id"]}
	if len(b.IDs) > 0 {
		return b
	}
	b.Filter = selecting(q)
	for _, name := range []string{"action", "to", "id", "rate", "reason", "bound"} {
		b.Filter.Del(name)
	}
	b.All = len(b.Filter) == 0
	return b
}

// become says what tasks are to become: of a move a queue, of what is rescheduled a time, or
// a duration from now on.
func become(action, to string) map[string]string {
	field := "queue"
	switch _, err := time.ParseDuration(to); {
	case !pages.AsksTo(action):
		return nil
	case action == "move":
	case err == nil:
		field = "delay"
	default:
		field = "run_at"
	}
	return map[string]string{field: to}
}

// newAction shows what would be done, before it is; first it asks what tasks are to become.
func (d *door) newAction(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	b := selected(q.Get("action"), q)
	b.DryRun = true
	shown := pages.Dry{Action: b.Action, IDs: b.IDs, Filter: b.Filter, Text: filterText(b.Filter), To: q.Get("to")}
	if pages.AsksTo(b.Action) && shown.To == "" {
		return d.write(w, r, http.StatusOK, pages.AskTo(d.frame(r, "Act on many"), &shown))
	}
	if err := d.post(r.Context(), "/v1/tasks/bulk", b, "", &shown.Preview); err != nil {
		return err
	}
	bound, err := json.Marshal(shown.Preview.Bound)
	if err != nil {
		return err
	}
	shown.Bound = string(bound)
	return d.write(w, r, http.StatusOK, pages.DryRun(d.frame(r, "Act on many"), &shown))
}

func (d *door) startAction(w http.ResponseWriter, r *http.Request) error {
	form := r.PostForm
	b := selected(form.Get("action"), form)
	b.Rate, b.Reason = form.Get("rate"), form.Get("reason")
	if bound := form.Get("bound"); json.Valid([]byte(bound)) {
		b.Bound = json.RawMessage(bound)
	}
	var made sendoff.Action
	if err := d.post(r.Context(), "/v1/tasks/bulk", b, b.Reason, &made); err != nil {
		return err
	}
	done(w, r, "/actions/"+made.ID, "started")
	return nil
}

func (d *door) actions(w http.ResponseWriter, r *http.Request) error {
	var page items[sendoff.Action]
	if err := d.get(r.Context(), "/v1/actions", paging(r), &page); err != nil {
		return err
	}
	return d.write(w, r, http.StatusOK, pages.ActionList(d.frame(r, "Actions"), page.Items, page.Next))
}

func (d *door) action(w http.ResponseWriter, r *http.Request) error {
	var shown pages.Action
	path := "/v1/actions/" + url.PathEscape(r.PathValue("id"))
	if err := d.get(r.Context(), path, nil, &shown.Action); err != nil {
		return err
	}
	var touched items[sendoff.ActionItem]
	if err := d.get(r.Context(), path+"/items", url.Values{"limit": {"20"}}, &touched); err != nil {
		return err
	}
	shown.Touched, shown.Text = touched.Items, filterText(shown.Action.Filter)
	return d.write(w, r, http.StatusOK, pages.ActionPage(d.frame(r, "Action"), &shown))
}

func (d *door) steerAction(w http.ResponseWriter, r *http.Request) error {
	return d.steer(w, r, "actions", r.PathValue("id"), map[string]string{"pause": "paused", "resume": "resumed", "abort": "aborted", "undo": "undone"})
}
