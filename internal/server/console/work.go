package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/server/console/pages"
)

// queuesShown is how many queues are looked at one by one.
const queuesShown = 100

// overview says whether all is well: how many tasks there are of each state, the queues,
// what failed last and what runs for longest.
func (d *door) overview(w http.ResponseWriter, r *http.Request) error {
	var shown pages.Overview
	var err error
	for _, state := range pages.States {
		var page pages.TaskItems
		if err = d.get(r.Context(), "/v1/tasks", url.Values{"state": {state}, "count": {"true"}, "limit": {"1"}}, &page); err != nil {
			return err
		}
		shown.Counts = append(shown.Counts, pages.StateCount{State: state, Count: page.Count})
	}
	if shown.Lately, err = d.failedLately(r); err != nil {
		return err
	}
	if shown.Queues, err = d.queueStats(r); err != nil {
		return err
	}
	for _, list := range []struct {
		into  *[]sendoff.Task
		query url.Values
	}{
		{&shown.Failed, url.Values{"state": {"failed"}, "sort": {"-finished_at"}, "limit": {strconv.Itoa(pages.OverviewRows)}}},
		{&shown.Running, url.Values{"state": {"running"}, "sort": {"started_at"}, "limit": {strconv.Itoa(pages.OverviewRows)}}},
	} {
		var page items[sendoff.Task]
		if err := d.get(r.Context(), "/v1/tasks", list.query, &page); err != nil {
			return err
		}
		*list.into = page.Items
	}
	if shown.History, err = d.history(r, ""); err != nil {
		return err
	}
	if shown.Alike, err = d.newestFailures(r); err != nil {
		return err
	}
	if err := d.get(r.Context(), "/v1/me", nil, &shown.Me); err != nil {
		return err
	}
	if who := auth.From(r.Context()); who == nil || !who.Elsewhere() {
		var nodes items[sendoff.Node]
		if err := d.get(r.Context(), "/v1/nodes", nil, &nodes); err != nil {
			return err
		}
		shown.Nodes = nodes.Items
	}
	return d.write(w, r, http.StatusOK, pages.OverviewPage(d.frame(r, "Overview"), &shown))
}

// failedLately counts the tasks that have failed within the hour.
func (d *door) failedLately(r *http.Request) (*pages.Count, error) {
	var page pages.TaskItems
	q := url.Values{"state": {"failed"}, "finished_after": {time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)}, "count": {"true"}, "limit": {"1"}}
	err := d.get(r.Context(), "/v1/tasks", q, &page)
	return page.Count, err
}

// queueStats are the queues, those with most to do first.
func (d *door) queueStats(r *http.Request) ([]sendoff.QueueStats, error) {
	var list items[sendoff.Queue]
	if err := d.get(r.Context(), "/v1/queues", nil, &list); err != nil {
		return nil, err
	}
	var all []sendoff.QueueStats
	for i := range list.Items {
		s := sendoff.QueueStats{Queue: list.Items[i].Name, Paused: list.Items[i].Paused}
		if i < queuesShown {
			if err := d.get(r.Context(), "/v1/queues/"+url.PathEscape(s.Queue)+"/stats", nil, &s); err != nil {
				return nil, err
			}
		}
		all = append(all, s)
	}
	slices.SortStableFunc(all, func(a, b sendoff.QueueStats) int { return int(pages.Waiting(&b) - pages.Waiting(&a)) })
	return all, nil
}

func (d *door) queues(w http.ResponseWriter, r *http.Request) error {
	all, err := d.queueStats(r)
	if err != nil {
		return err
	}
	return d.write(w, r, http.StatusOK, pages.QueueList(d.frame(r, "Queues"), all))
}

func (d *door) queue(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	var shown pages.Queue
	path := "/v1/queues/" + url.PathEscape(name)
	if err := d.get(r.Context(), path, nil, &shown.Queue); err != nil {
		return err
	}
	if err := d.get(r.Context(), path+"/stats", nil, &shown.Stats); err != nil {
		return err
	}
	var err error
	if shown.History, err = d.history(r, name); err != nil {
		return err
	}
	var page items[sendoff.Task]
	if err := d.get(r.Context(), "/v1/tasks", url.Values{"queue": {name}, "limit": {"20"}}, &page); err != nil {
		return err
	}
	shown.Newest = page.Items
	return d.write(w, r, http.StatusOK, pages.QueuePage(d.frame(r, "Queue "+name), &shown))
}

func (d *door) actOnQueue(w http.ResponseWriter, r *http.Request) error {
	return d.steer(w, r, "queues", r.PathValue("name"), map[string]string{"pause": "paused", "resume": "resumed"})
}

// actOnEverything pauses or resumes all queues.
func (d *door) actOnEverything(w http.ResponseWriter, r *http.Request) error {
	verb := r.PathValue("verb")
	did, ok := map[string]string{"pause": "paused", "resume": "resumed"}[verb]
	if !ok {
		return unknownVerb(verb)
	}
	if err := d.post(r.Context(), "/v1/"+verb, nil, r.PostForm.Get("reason"), nil); err != nil {
		return err
	}
	done(w, r, "/", did)
	return nil
}

// steer has the API do something to what has a name, and leads back to its page.
func (d *door) steer(w http.ResponseWriter, r *http.Request, kind, name string, verbs map[string]string) error {
	return d.steerFrom(w, r, "/"+kind+"/"+url.PathEscape(name), kind, name, verbs)
}

// steerFrom is steer from another page, to which it leads back.
func (d *door) steerFrom(w http.ResponseWriter, r *http.Request, back, kind, name string, verbs map[string]string) error {
	verb := r.PathValue("verb")
	did, ok := verbs[verb]
	if !ok {
		return unknownVerb(verb)
	}
	if err := d.post(r.Context(), "/v1/"+kind+"/"+url.PathEscape(name)+"/"+verb, nil, r.PostForm.Get("reason"), nil); err != nil {
		return err
	}
	done(w, r, back, did)
	return nil
}

func (d *door) schedules(w http.ResponseWriter, r *http.Request) error {
	var page items[sendoff.Schedule]
	if err := d.get(r.Context(), "/v1/schedules", paging(r), &page); err != nil {
		return err
	}
	return d.write(w, r, http.StatusOK, pages.ScheduleList(d.frame(r, "Schedules"), page.Items, page.Next))
}

func (d *door) schedule(w http.ResponseWriter, r *http.Request) error {
	path := "/v1/schedules/" + url.PathEscape(r.PathValue("name"))
	var shown pages.Schedule
	if err := d.get(r.Context(), path, nil, &shown.Schedule); err != nil {
		return err
	}
	var next items[sendoff.FireTime]
	if err := d.get(r.Context(), path+"/preview", nil, &next); err != nil {
		return err
	}
	var fires items[sendoff.Fire]
	if err := d.get(r.Context(), path+"/fires", nil, &fires); err != nil {
		return err
	}
	shown.Next, shown.Fires = next.Items, fires.Items
	return d.write(w, r, http.StatusOK, pages.SchedulePage(d.frame(r, "Schedule "+shown.Schedule.Name), &shown))
}

func (d *door) actOnSchedule(w http.ResponseWriter, r *http.Request) error {
	return d.steer(w, r, "schedules", r.PathValue("name"), map[string]string{"pause": "paused", "resume": "resumed", "run": "run"})
}

func (d *door) limits(w http.ResponseWriter, r *http.Request) error {
	var page items[sendoff.LimitState]
	if err := d.get(r.Context(), "/v1/limits", paging(r), &page); err != nil {
		return err
	}
	return d.write(w, r, http.StatusOK, pages.LimitList(d.frame(r, "Limits"), page.Items, page.Next))
}

// nodes shows who works: the servers, and their worker processes.
func (d *door) nodes(w http.ResponseWriter, r *http.Request) error {
	var nodes items[sendoff.Node]
	if err := d.get(r.Context(), "/v1/nodes", nil, &nodes); err != nil {
		return err
	}
	var workers items[sendoff.Worker]
	if err := d.get(r.Context(), "/v1/workers", nil, &workers); err != nil {
		return err
	}
	return d.write(w, r, http.StatusOK, pages.NodeList(d.frame(r, "Nodes"), nodes.Items, workers.Items))
}

func (d *door) endpoints(w http.ResponseWriter, r *http.Request) error {
	var page items[sendoff.EndpointStats]
	if err := d.get(r.Context(), "/v1/endpoints", nil, &page); err != nil {
		return err
	}
	return d.write(w, r, http.StatusOK, pages.EndpointList(d.frame(r, "Endpoints"), page.Items))
}

func (d *door) actOnNode(w http.ResponseWriter, r *http.Request) error {
	return d.steerFrom(w, r, "/nodes", "nodes", r.PathValue("id"), map[string]string{"drain": "drained", "undrain": "undrained"})
}

func (d *door) actOnWorker(w http.ResponseWriter, r *http.Request) error {
	return d.steerFrom(w, r, "/nodes", "workers", r.PathValue("id"), map[string]string{"replace": "replaced"})
}

func (d *door) actOnEndpoint(w http.ResponseWriter, r *http.Request) error {
	return d.steerFrom(w, r, "/endpoints", "endpoints", r.PathValue("host"), map[string]string{"pause": "paused", "resume": "resumed", "probe": "probed"})
}

func (d *door) audit(w http.ResponseWriter, r *http.Request) error {
	var page items[sendoff.AuditRecord]
	q := r.URL.Query()
	if err := d.get(r.Context(), "/v1/audit", q, &page); err != nil {
		return err
	}
	return d.write(w, r, http.StatusOK, pages.AuditList(d.frame(r, "Audit"), q, page.Items, page.Next))
}

func (d *door) help(w http.ResponseWriter, r *http.Request) error {
	return d.write(w, r, http.StatusOK, pages.Help(d.frame(r, "Keys and filters")))
}

// paging is the part of a query that says which page of a listing it is.
func paging(r *http.Request) url.Values {
	q := url.Values{}
	for _, name := range []string{"cursor", "limit"} {
		if v := r.URL.Query().Get(name); v != "" {
			q.Set(name, v)
		}
	}
	return q
}
