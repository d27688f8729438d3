package api

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/task"
)

type listInput struct {
	State          []string `query:"state,explode" doc:"Any of these; repeat it for several."`
	Queue          string   `query:"queue"`
	Name           string   `query:"name"`
	Function       string   `query:"function" doc:"Name of a function."`
	Root           string   `query:"root" doc:"Id of the first function of a tree: selects the calls below it, itself not."`
	TargetHost     string   `query:"target_host" doc:"Host of the url, with its port when it has one."`
	CreatedAfter   string   `query:"created_after" doc:"RFC 3339."`
	CreatedBefore  string   `query:"created_before" doc:"RFC 3339."`
	FinishedAfter  string   `query:"finished_after" doc:"RFC 3339."`
	FinishedBefore string   `query:"finished_before" doc:"RFC 3339."`
	Limit          int      `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor         string   `query:"cursor" doc:"next_cursor of the page before."`
	query          url.Values
}

// Resolve implements huma.Resolver: it keeps the query for label.K=V.
func (in *listInput) Resolve(ctx huma.Context) []error {
	u := ctx.URL()
	in.query = u.Query()
	return nil
}

type listReply struct {
	Body struct {
		Items      []Task `json:"items"`
		NextCursor string `json:"next_cursor,omitempty"`
		Partial    bool   `json:"partial,omitempty" doc:"The page is not full because 10,000 tasks were looked at: go on at next_cursor."`
	}
}

var listParams = []string{"state", "queue", "name", "function", "root", "target_host", "created_after", "created_before", "finished_after", "finished_before", "limit", "cursor"}

// list answers a listing. State, queue, root and creation time are looked up in the
// database; the other filters are applied to at most 10,000 tasks a page.
func list(ctx context.Context, tasks Viewer, in *listInput) (*listReply, error) {
	var bad task.Invalid
	f := operate.Filter{
		Queue: in.Queue, Name: in.Name, Function: in.Function, Root: in.Root, TargetHost: in.TargetHost, CreatedAfter: timeOf(&bad, "created_after", in.CreatedAfter), CreatedBefore: timeOf(&bad, "created_before", in.CreatedBefore),
		FinishedAfter: timeOf(&bad, "finished_after", in.FinishedAfter), FinishedBefore: timeOf(&bad, "finished_before", in.FinishedBefore),
		Limit: in.Limit, Cursor: in.Cursor, Labels: map[string]string{},
	}
	for _, name := range in.State {
		s, err := task.ParseState(name)
		if err != nil {
			bad.Add("state", "%s", err)
		}
		f.States = append(f.States, s)
	}
	for name, values := range in.query {
		if len(values) > 1 && name != "state" {
			bad.Add(name, "is given %d times: only state can be", len(values))
		}
		if values[0] == "" && slices.Contains(listParams, name) && name != "cursor" {
			bad.Add(name, "is empty, which selects nothing: leave it out to have all")
		}
		if label, ok := strings.CutPrefix(name, "label."); ok {
			f.Labels[label] = values[0]
		} else if !slices.Contains(listParams, name) {
			bad.Add(name, "is not a filter: want label.KEY or one of %s", strings.Join(listParams, ", "))
		}
	}
	if err := bad.Err(); err != nil {
		return nil, problemOf(err)
	}
	page, err := tasks.List(ctx, f)
	if err != nil {
		return nil, cursorProblem(err)
	}
	reply := &listReply{}
	reply.Body.NextCursor, reply.Body.Partial = page.Next, page.Partial
	reply.Body.Items = make([]Task, len(page.Items))
	for i := range page.Items {
		reply.Body.Items[i] = viewOf(&page.Items[i])
	}
	return reply, nil
}

// cursorProblem is problemOf for what takes a cursor.
func cursorProblem(err error) *problem.Problem {
	p := problemOf(err)
	if errors.Is(err, operate.ErrBadCursor) {
		p.Errors = []problem.FieldError{{Field: "cursor", Message: p.Detail}}
	}
	return p
}
