package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/task"
)

// Others steers tasks that wait for others.
type Others interface {
	RetryFollowers(ctx context.Context, id string) (operate.Task, error)
	RunBeyond(ctx context.Context, id string) (operate.Task, error)
}

// Dependency is a task that another one depends on, in an answer.
type Dependency struct {
	ID       string   `json:"id"`
	State    string   `json:"state,omitempty" enum:"scheduled,ready,running,suspended,blocked,succeeded,failed,canceled" doc:"Absent when it is stored no more."`
	Reason   string   `json:"reason,omitempty"`
	CountsAs string   `json:"counts_as,omitempty" enum:"ok,failed,skipped" doc:"How its end counts for the task that depends on it; absent while it has not ended."`
	Attempt  *Attempt `json:"attempt,omitempty" doc:"Its last attempt that has ended, with what came back; absent when none has."`
}

type dependenciesInput struct {
	ID     string `path:"id" doc:"Id of the task, an id chosen by the client, or its job number."`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"50"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before."`
}

type dependenciesReply struct {
	Body struct {
		Items      []Dependency `json:"items" doc:"In the order of their creation."`
		NextCursor string       `json:"next_cursor,omitempty"`
	}
}

type retryInput struct {
	ID        string `path:"id" doc:"Id of the task, an id chosen by the client, or its job number."`
	Followers bool   `query:"followers" doc:"Tasks that were canceled because this one did not succeed wait for it again, and those that depend on them."`
}

type runInput struct {
	ID           string `path:"id" doc:"Id of the task, an id chosen by the client, or its job number."`
	IgnoreLimits bool   `query:"ignore_limits" doc:"Whatever limits, order and duplicates say: it counts beyond them. Tasks that it depends on are waited for."`
}

var countNames = map[task.End]string{task.EndedWell: "ok", task.EndedBadly: "failed", task.EndedUnrun: "skipped"}

func mountOthers(api huma.API, cfg Config) {
	get(api, "/v1/tasks/{id}/dependencies", "list-dependencies", "List the tasks that a task depends on, with what came of them", func(ctx context.Context, in *dependenciesInput) (*dependenciesReply, error) {
		page, err := cfg.Waits.Dependencies(ctx, in.ID, in.Cursor, in.Limit)
		if err != nil {
			return nil, cursorProblem(err)
		}
		out := &dependenciesReply{}
		out.Body.NextCursor = page.Next
		out.Body.Items = make([]Dependency, len(page.Items))
		for i := range page.Items {
			out.Body.Items[i] = dependencyView(&page.Items[i])
		}
		return out, nil
	})
	huma.Register(api, operation(auth.Operate, http.MethodPost, "/v1/tasks/{id}/retry", "retry-task", "Start a new run of an ended task", http.StatusOK),
		func(ctx context.Context, in *retryInput) (*taskReply, error) {
			if in.Followers {
				return replyOf(cfg.Others.RetryFollowers(ctx, in.ID))
			}
			return replyOf(cfg.Steer.Retry(ctx, in.ID))
		})
	huma.Register(api, operation(auth.Operate, http.MethodPost, "/v1/tasks/{id}/run", "run-task", "Run a scheduled task now", http.StatusOK),
		func(ctx context.Context, in *runInput) (*taskReply, error) {
			if in.IgnoreLimits {
				return replyOf(cfg.Others.RunBeyond(ctx, in.ID))
			}
			return replyOf(cfg.Steer.RunNow(ctx, in.ID))
		})
}

func dependencyView(d *operate.Dependency) Dependency {
	v := Dependency{ID: d.ID, Reason: d.Reason.String(), CountsAs: countNames[d.Counts]}
	if d.State != 0 {
		v.State = d.State.String()
	}
	if d.Answer != nil {
		a := attemptView(d.Answer, d.Kind)
		v.Attempt = &a
	}
	return v
}
