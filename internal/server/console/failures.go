package console

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/internal/server/console/pages"
)

// failures lists what failed alike, those that failed last first.
func (d *door) failures(w http.ResponseWriter, r *http.Request) error {
	var page items[sendoff.FailureGroup]
	if err := d.get(r.Context(), "/v1/failures", paging(r), &page); err != nil {
		return err
	}
	return d.write(w, r, http.StatusOK, pages.FailureList(d.frame(r, "Failures"), page.Items, page.Next))
}

// failure shows a group, the task of it that failed last, and its other tasks.
func (d *door) failure(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	var shown pages.Failure
	if err := d.get(r.Context(), "/v1/failures/"+url.PathEscape(id), nil, &shown.Group); err != nil {
		return err
	}
	var page pages.TaskItems
	query := url.Values{"failure": {id}, "sort": {"-finished_at"}, "limit": {"20"}}
	if err := d.get(r.Context(), "/v1/tasks", query, &page); err != nil {
		return err
	}
	shown.Tasks, shown.More = page.Items, page.Next != ""
	return d.write(w, r, http.StatusOK, pages.FailurePage(d.frame(r, "Failures alike"), &shown))
}

// newestFailures are the groups that failed last and that nobody has muted.
func (d *door) newestFailures(r *http.Request) (newest []sendoff.FailureGroup, err error) {
	var page items[sendoff.FailureGroup]
	if err := d.get(r.Context(), "/v1/failures", url.Values{"limit": {strconv.Itoa(3 * pages.OverviewRows)}}, &page); err != nil {
		return nil, err
	}
	for i := range page.Items {
		if !pages.Muted(&page.Items[i]) && len(newest) < pages.OverviewRows {
			newest = append(newest, page.Items[i])
		}
	}
	return newest, nil
}

func (d *door) actOnFailure(w http.ResponseWriter, r *http.Request) error {
	verb, path := r.PathValue("verb"), "/failures/"+url.PathEscape(r.PathValue("id"))
	did, ok := map[string]string{"mute": "muted", "unmute": "unmuted"}[verb]
	if !ok {
		return unknownVerb(verb)
	}
	body := map[string]string{}
	if verb == "mute" {
		body["for"] = r.PostForm.Get("for")
	}
	if err := d.post(r.Context(), "/v1"+path+"/mute", body, r.PostForm.Get("reason"), nil); err != nil {
		return err
	}
	done(w, r, path, did)
	return nil
}
