package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/task"
)

type listInput struct {
	Filter
	Sort   string `query:"sort" enum:"-created_at,-finished_at,next_at,position,started_at" doc:"Newest first, or one of state failed, scheduled, ready and running, in this order."`
	Count  bool   `query:"count" doc:"Count what the filter selects, to 10,000."`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before."`
	query  url.Values
}

// Filter describes the parameters that select tasks; operate.ParseFilter reads them.
type Filter struct {
	State          []string `query:"state,explode" doc:"Any of these; repeat it for several. This and what follows to node may be repeated, and with a ! behind its name, as in state!=failed, it selects all others."`
	Queue          []string `query:"queue,explode"`
	Name           []string `query:"name,explode"`
	Kind           []string `query:"kind,explode" enum:"http,function,process,local,job"`
	Function       []string `query:"function,explode" doc:"Name of a function."`
	Process        []string `query:"process,explode" doc:"What a worker process runs."`
	Handler        []string `query:"handler,explode"`
	Endpoint       []string `query:"endpoint,explode" doc:"Of a function."`
	TargetHost     []string `query:"target_host,explode" doc:"Host of the url, with its port when it has one."`
	Group          []string `query:"group,explode"`
	Schedule       []string `query:"schedule,explode" doc:"Name of the schedule that made it."`
	Priority       []string `query:"priority,explode" doc:"0 to 9."`
	Reason         []string `query:"reason,explode"`
	Code           []string `query:"code,explode" doc:"How the last attempt went: its status; or why there was no answer, such as timeout; or its outcome, such as crash."`
	LastStatus     []string `query:"last_status,explode" doc:"404, or all of a hundred as 5xx."`
	Node           []string `query:"node,explode" doc:"Id of the node of the last attempt."`
	Failure        []string `query:"failure,explode" doc:"Id of a group of GET /v1/failures. Without state it selects failed tasks."`
	ParentID       string   `query:"parent_id" doc:"Calls that this function made itself."`
	RootID         string   `query:"root_id" doc:"Id of the first function of a tree: selects the calls below it, itself not."`
	Root           string   `query:"root" deprecated:"true" doc:"The same as root_id."`
	GraphRun       string   `query:"graph_run" doc:"Id of a run of a graph: its jobs."`
	Error          string   `query:"error" doc:"A part of the last error, in any letters. It takes the scope payloads."`
	MinAttempts    int32    `query:"min_attempts" minimum:"1"`
	IDPrefix       string   `query:"id_prefix"`
	CreatedAfter   string   `query:"created_after" doc:"RFC 3339."`
	CreatedBefore  string   `query:"created_before" doc:"RFC 3339."`
	StartedAfter   string   `query:"started_after" doc:"RFC 3339. The last attempt."`
	StartedBefore  string   `query:"started_before" doc:"RFC 3339."`
	FinishedAfter  string   `query:"finished_after" doc:"RFC 3339."`
	FinishedBefore string   `query:"finished_before" doc:"RFC 3339."`
}

// Resolve implements huma.Resolver: it keeps the query for what is not described, such as
// label.K=V.
func (in *listInput) Resolve(ctx huma.Context) []error {
	u := ctx.URL()
	in.query = u.Query()
	return nil
}

type listReply struct {
	Body struct {
		Items      []Task   `json:"items"`
		NextCursor string   `json:"next_cursor,omitempty"`
		Partial    bool     `json:"partial,omitempty" doc:"The page is not full because 10,000 tasks were looked at: go on at next_cursor."`
		ScannedTo  string   `json:"scanned_to,omitempty" doc:"Of a partial page: the creation, or the time that is sorted by, of the last task that was looked at."`
		Indexed    []string `json:"indexed,omitempty" doc:"The parameters that were looked up; by the others, tasks were tested one by one."`
		Count      *Count   `json:"count,omitempty" doc:"When it was asked for."`
	}
}

// Count is how many tasks a filter selects, in an answer.
type Count struct {
	Value int  `json:"value"`
	Exact bool `json:"exact" doc:"false: there are that many at least."`
}

// list answers a listing. What operate.Filter says is looked up in the database; the other
// filters are applied to at most 10,000 tasks a page.
func list(ctx context.Context, tasks Viewer, in *listInput) (*listReply, error) {
	params, bad := in.query, task.Invalid{}
	for _, name := range []string{"sort", "count", "limit", "cursor"} {
		if n := len(params[name]); n > 1 {
			bad.Add(name, "is given %d times: want it once", n)
		}
		delete(params, name)
	}
	f := operate.ParseFilter(params, &bad)
	f.Sort, f.Count, f.Limit, f.Cursor = in.Sort, in.Count, in.Limit, in.Cursor
	f.CheckSort(&bad)
	if err := bad.Err(); err != nil {
		return nil, problemOf(err)
	}
	if f.Error != "" && !auth.May(ctx, auth.Payloads) {
		return nil, lacksPayloads("error")
	}
	page, err := tasks.List(ctx, f)
	if err != nil {
		return nil, cursorProblem(err)
	}
	reply := &listReply{}
	body := &reply.Body
	body.NextCursor, body.Partial, body.Indexed = page.Next, page.Partial, page.Indexed
	if page.Partial {
		body.ScannedTo = timeText(page.ScannedTo.UnixMicro())
	}
	if page.Count != nil {
		body.Count = &Count{page.Count.Value, page.Count.Exact}
	}
	body.Items = make([]Task, len(page.Items))
	for i := range page.Items {
		body.Items[i] = viewOf(&page.Items[i])
	}
	return reply, nil
}

// lacksPayloads refuses to select by what the key may not see.
func lacksPayloads(param string) *problem.Problem {
	return lacks(auth.Payloads, param+" selects by what tasks brought back: this key has no scope "+auth.Payloads.String())
}

// lacks refuses what takes a scope that the key has not, beyond that of the route.
func lacks(scope auth.Scope, text string) *problem.Problem {
	p := problem.New(http.StatusForbidden, "forbidden", text)
	p.Scope = scope.String()
	return p
}

// cursorProblem is problemOf for what takes a cursor.
func cursorProblem(err error) *problem.Problem {
	p := problemOf(err)
	if errors.Is(err, operate.ErrBadCursor) {
		p.Errors = []problem.FieldError{{Field: "cursor", Message: p.Detail}}
	}
	return p
}
