package console

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/internal/server/console/pages"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
)

// compare shows two attempts of a task side by side, and what differs in what came back:
// those whose tokens are asked for, or the last two that have ended.
func (d *door) compare(w http.ResponseWriter, r *http.Request) error {
	path := "/v1/tasks/" + url.PathEscape(r.PathValue("id"))
	var shown pages.Comparison
	if err := d.get(r.Context(), path, nil, &shown.Task); err != nil {
		return err
	}
	attempts, err := d.attempts(r, path)
	if err != nil {
		return err
	}
	shown.Choose(attempts)
	for name, to := range map[string]**sendoff.Attempt{"a": &shown.A, "b": &shown.B} {
		if asked := r.URL.Query().Get(name); asked != "" {
			if *to = withToken(attempts, asked); *to == nil {
				return problem.New(http.StatusNotFound, "not_found", "attempt "+asked+" of task "+shown.Task.ID+" is not kept, or there was none: its page lists those that are")
			}
		}
	}
	return d.write(w, r, http.StatusOK, pages.Compare(d.frame(r, "Two attempts of "+pages.NameOf(&shown.Task)), &shown))
}

// attempts are all of a task that are kept.
func (d *door) attempts(r *http.Request, path string) (all []sendoff.Attempt, err error) {
	q := url.Values{"limit": {"100"}}
	for {
		var page items[sendoff.Attempt]
		if err := d.get(r.Context(), path+"/attempts", q, &page); err != nil {
			return nil, err
		}
		if all = append(all, page.Items...); page.Next == "" {
			return all, nil
		}
		q.Set("cursor", page.Next)
	}
}

func withToken(attempts []sendoff.Attempt, token string) *sendoff.Attempt {
	for i := range attempts {
		if strconv.FormatInt(attempts[i].Token, 10) == token {
			return &attempts[i]
		}
	}
	return nil
}
