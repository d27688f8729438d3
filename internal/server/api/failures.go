package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/internal/server/route"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Failures looks at groups of failures, and mutes them.
type Failures interface {
	List(ctx context.Context, cursor string, limit int) (operate.FailurePage, error)
	Get(ctx context.Context, id string) (store.FailureGroup, error)
	Mute(ctx context.Context, id string, until time.Time) (store.FailureGroup, error)
	Now() time.Time
}

// FailureGroup is what failed alike, in an answer.
type FailureGroup struct {
	ID         string `json:"id" doc:"The filter failure of tasks and of actions takes it."`
	Queue      string `json:"queue"`
	Target     string `json:"target,omitempty" doc:"Host of the url, or name of the function, process or handler."`
	Code       string `json:"code,omitempty" doc:"How the last attempt went: its status; or why there was no answer, such as timeout; or its outcome, such as crash."`
	Text       string `json:"text,omitempty" scope:"payloads" doc:"The first line of the error, without ids, numbers, quoted text and addresses."`
	Count      int64  `json:"count" doc:"So many tasks ended like this, retried and deleted ones too."`
	FirstAt    string `json:"first_at"`
	LastAt     string `json:"last_at"`
	Sample     string `json:"sample" doc:"Id of the task that failed last. It may be gone by now."`
	MutedUntil string `json:"muted_until,omitempty" doc:"Somebody knows of it until then."`
	Redacted   bool   `json:"redacted,omitempty" doc:"The text was left out: the key has no scope payloads."`
}

// MuteRequest is the body of POST /v1/failures/{id}/mute: one of both, or none to end it.
type MuteRequest struct {
	Until string          `json:"until,omitempty" doc:"RFC 3339." example:"2027-03-27T00:00:00Z"`
	For   json.RawMessage `json:"for,omitempty" doc:"In place of until: so long from now on, such as \"8h\"."`
}

type failureReply struct{ Body FailureGroup }

type failureInput struct {
	ID string `path:"id" doc:"Id of the group."`
}

type failuresInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before."`
}

type failuresReply struct {
	Body struct {
		Items      []FailureGroup `json:"items"`
		NextCursor string         `json:"next_cursor,omitempty"`
	}
}

func mountFailures(mux *route.Mux, api huma.API, failures Failures, refuse func(http.ResponseWriter, *problem.Problem)) {
	get(api, "/v1/failures", "list-failures", "List groups of tasks that failed alike, by their last failure, newest first; the last 5 seconds may be missing", func(ctx context.Context, in *failuresInput) (*failuresReply, error) {
		page, err := failures.List(ctx, in.Cursor, in.Limit)
		if err != nil {
			return nil, cursorProblem(err)
		}
		out := &failuresReply{}
		out.Body.NextCursor = page.Next
		out.Body.Items = make([]FailureGroup, len(page.Items))
		for i := range page.Items {
			out.Body.Items[i] = failureView(&page.Items[i])
		}
		return out, nil
	})
	get(api, "/v1/failures/{id}", "get-failure", "Get a group of tasks that failed alike", func(ctx context.Context, in *failureInput) (*failureReply, error) {
		g, err := failures.Get(ctx, in.ID)
		if err != nil {
			return nil, problemOf(err)
		}
		return &failureReply{failureView(&g)}, nil
	})
	mux.HandleFunc(auth.Operate, "POST /v1/failures/{id}/mute", byHand(refuse, func(w http.ResponseWriter, r *http.Request) (int, any, *problem.Problem) {
		until, fault := readMute(w, r, failures.Now())
		if fault != nil {
			return 0, nil, fault
		}
		g, err := failures.Mute(r.Context(), r.PathValue("id"), until)
		if err != nil {
			return 0, nil, problemOf(err)
		}
		return http.StatusOK, failureView(&g), nil
	}))
	mute := operation(auth.Operate, http.MethodPost, "/v1/failures/{id}/mute", "mute-failure", "Mark a group of failures as known until a time; with neither until nor for, that ends", http.StatusOK)
	mute.Parameters = []*huma.Param{{Name: "id", In: "path", Required: true, Schema: &huma.Schema{Type: "string"}, Description: "Id of the group."}}
	describe[MuteRequest, FailureGroup](api.OpenAPI(), &mute, "200", "400", "401", "403", "404", "408", "413", "415", "422", "503")
}

// readMute reads until when a group is to be muted; the zero time when it is not to be.
func readMute(w http.ResponseWriter, r *http.Request, now time.Time) (until time.Time, fault *problem.Problem) {
	if r.ContentLength == 0 {
		return until, nil
	}
	req, _, fault := readAs[MuteRequest](w, r, maxSettings)
	if fault != nil {
		return until, fault
	}
	var bad task.Invalid
	until = timeOf(&bad, "until", req.Until)
	d, given := duration(&bad, "for", req.For)
	switch {
	case given && req.Until != "":
		bad.Add("for", "is given beside until: want one of them")
	case given && (d <= 0 || d > task.Horizon):
		bad.Add("for", "is %s: want more than nothing, and at most %s", d, task.Horizon)
	case given:
		until = now.Add(d)
	case !until.IsZero() && !until.After(now):
		bad.Add("until", "is over: want a time that is to come, or leave it out to end a mute")
	}
	if len(bad) > 0 {
		return until, invalidProblem(bad)
	}
	return until, nil
}

func failureView(g *store.FailureGroup) FailureGroup {
	return FailureGroup{
		ID: operate.FailureID(g.Print), Queue: g.Queue, Target: g.Target, Code: g.Code, Text: g.Text, Count: g.Count,
		FirstAt: timeText(g.FirstAt), LastAt: timeText(g.LastAt), Sample: idText(g.Sample), MutedUntil: timeText(g.MutedUntil),
	}
}
