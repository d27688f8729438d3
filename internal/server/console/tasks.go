package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/internal/server/console/pages"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/task"
)

// tasks lists what GET /v1/tasks answers to the same query.
func (d *door) tasks(w http.ResponseWriter, r *http.Request) error {
	if typed, ok := r.URL.Query()["filter"]; ok {
		return d.filter(w, r, strings.Join(typed, " "))
	}
	q := r.URL.Query()
	q.Del("did")
	shown := pages.Tasks{Query: q, Selects: selecting(q), Filter: filterText(q)}
	if q.Get("cursor") == "" {
		q.Set("count", "true")
	}
	if err := d.get(r.Context(), "/v1/tasks", q, &shown.Page); err != nil {
		return err
	}
	var err error
	if shown.Views, err = d.views(r, "/tasks"); err != nil {
		return err
	}
	return d.write(w, r, http.StatusOK, pages.TaskList(d.frame(r, "Tasks"), &shown))
}

// filter leads from what was typed to the query that it is. The id of a task alone, one of
// its client's own or a job number leads to that task.
func (d *door) filter(w http.ResponseWriter, r *http.Request, typed string) error {
	if id := strings.TrimSpace(typed); isID(id) {
		http.Redirect(w, r, "/tasks/"+url.PathEscape(id), http.StatusSeeOther)
		return nil
	}
	if id := d.known(r, strings.TrimSpace(typed)); id != "" {
		http.Redirect(w, r, "/tasks/"+url.PathEscape(id), http.StatusSeeOther)
		return nil
	}
	q, err := parseFilter(typed)
	if err != nil {
		return err
	}
	http.Redirect(w, r, (&url.URL{Path: "/tasks", RawQuery: q.Encode()}).String(), http.StatusSeeOther)
	return nil
}

func isID(text string) bool {
	_, err := task.ParseID(text)
	return err == nil
}

// callsShown is how many calls of a function its page has.
const callsShown = 100

func (d *door) task(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Query().Get("view") != "" {
		return d.tree(w, r)
	}
	path := "/v1/tasks/" + url.PathEscape(r.PathValue("id"))
	var shown pages.Task
	if err := d.get(r.Context(), path, nil, &shown.Task); err != nil {
		return err
	}
	var attempts items[sendoff.Attempt]
	if err := d.get(r.Context(), path+"/attempts", url.Values{"limit": {"50"}}, &attempts); err != nil {
		return err
	}
	shown.Attempts, shown.MoreAttempts = attempts.Items, attempts.Next != ""
	if shown.Task.Kind == "function" {
		var calls items[sendoff.Task]
		if err := d.get(r.Context(), "/v1/tasks", url.Values{"parent_id": {shown.Task.ID}, "limit": {strconv.Itoa(callsShown)}}, &calls); err != nil {
			return err
		}
		shown.Calls, shown.MoreCalls = calls.Items, calls.Next != ""
		shown.Steps = &sendoff.StepPage{}
		if err := d.get(r.Context(), path+"/steps", url.Values{"limit": {"20"}, "order": {"newest"}}, shown.Steps); err != nil {
			return err
		}
		slices.Reverse(shown.Steps.Items)
	}
	return d.write(w, r, http.StatusOK, pages.TaskPage(d.frame(r, pages.NameOf(&shown.Task)), &shown))
}

// verbs of a task, and where each leads.
var taskVerbs = map[string]string{"cancel": "canceled", "retry": "retried", "run": "run", "restart": "restarted"}

func (d *door) actOnTask(w http.ResponseWriter, r *http.Request) error {
	verb, id := r.PathValue("verb"), r.PathValue("id")
	did, ok := taskVerbs[verb]
	path := "/v1/tasks/" + url.PathEscape(id)
	switch {
	case verb == "delete":
		if err := d.call(r.Context(), ask{method: http.MethodDelete, path: path, reason: r.PostForm.Get("reason")}, nil); err != nil {
			return err
		}
		done(w, r, "/tasks", "deleted")
		return nil
	case verb == "change":
		return d.changeTask(w, r)
	case !ok:
		return unknownVerb(verb)
	}
	if err := d.post(r.Context(), path+"/"+verb, nil, r.PostForm.Get("reason"), nil); err != nil {
		return err
	}
	done(w, r, "/tasks/"+url.PathEscape(id), did)
	return nil
}

func unknownVerb(verb string) error {
	return problem.New(http.StatusNotFound, "not_found", "there is no action "+strconv.Quote(verb)+" here")
}
