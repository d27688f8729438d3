package api

import (
	"bytes"
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/internal/server/route"
	"github.com/sendoff-dev/sendoff/task"
)

// Limits looks at limits and configures them.
type Limits interface {
	List(ctx context.Context, cursor string, limit int) (operate.LimitPage, error)
	Get(ctx context.Context, key string) (operate.Limit, error)
	Set(ctx context.Context, s operate.LimitSettings) (operate.Limit, error)
	Delete(ctx context.Context, key string) error
}

// LimitState is a limit as it is.
type LimitState struct {
	Limit
	Paused     bool  `json:"paused" doc:"Nobody enters."`
	Configured bool  `json:"configured" doc:"Otherwise what the newest task says of it counts."`
	Used       int32 `json:"used" doc:"Tasks that run under it, or may. It can be more than concurrency: after that was lowered, and after runs that went beyond it by request."`
	Waiting    int32 `json:"waiting" doc:"Tasks in line."`
}

// LimitSettings is the body of PUT /v1/limits/{key}.
type LimitSettings struct {
	Concurrency *int32  `json:"concurrency,omitempty" minimum:"1" maximum:"1000000" doc:"So many tasks run at a time, on all nodes together; default any number."`
	Rate        *string `json:"rate,omitempty" doc:"So many start in a second, minute or hour; default any number." example:"100/s"`
	Burst       *int32  `json:"burst,omitempty" minimum:"1" maximum:"1000000" default:"1" doc:"Of a rate: so many start at once after a rest."`
	Paused      bool    `json:"paused,omitempty" doc:"Nobody enters; what is inside goes on."`
}

type limitReply struct{ Body LimitState }

type limitInput struct {
	Key string `path:"key" doc:"Key of the limit, percent-encoded."`
}

type limitsInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before."`
}

type limitsReply struct {
	Body struct {
		Items      []LimitState `json:"items"`
		NextCursor string       `json:"next_cursor,omitempty"`
	}
}

func mountLimits(mux *route.Mux, api huma.API, limits Limits, refuse func(http.ResponseWriter, *problem.Problem)) {
	get(api, "/v1/limits", "list-limits", "List the limits that are configured, by their keys", func(ctx context.Context, in *limitsInput) (*limitsReply, error) {
		page, err := limits.List(ctx, in.Cursor, in.Limit)
		if err != nil {
			return nil, cursorProblem(err)
		}
		out := &limitsReply{}
		out.Body.NextCursor = page.Next
		out.Body.Items = make([]LimitState, len(page.Items))
		for i := range page.Items {
			out.Body.Items[i] = limitState(&page.Items[i])
		}
		return out, nil
	})
	get(api, "/v1/limits/{key}", "get-limit", "Get a limit that is configured, or that tasks are under", func(ctx context.Context, in *limitInput) (*limitReply, error) {
		l, err := limits.Get(ctx, in.Key)
		if err != nil {
			return nil, problemOf(err)
		}
		return &limitReply{limitState(&l)}, nil
	})
	huma.Register(api, operation(auth.Operate, http.MethodDelete, "/v1/limits/{key}", "delete-limit", "Forget what was configured of a limit: what the next task says of it counts", http.StatusNoContent),
		func(ctx context.Context, in *limitInput) (*struct{}, error) {
			if err := limits.Delete(ctx, in.Key); err != nil {
				return nil, problemOf(err)
			}
			return nil, nil
		})
	mux.HandleFunc(auth.Operate, "PUT /v1/limits/{key}", byHand(refuse, func(w http.ResponseWriter, r *http.Request) (int, any, *problem.Problem) {
		settings, fault := readLimit(w, r)
		if fault != nil {
			return 0, nil, fault
		}
		l, err := limits.Set(r.Context(), settings)
		if err != nil {
			return 0, nil, problemOf(err)
		}
		return http.StatusOK, limitState(&l), nil
	}))
	put := operation(auth.Operate, http.MethodPut, "/v1/limits/{key}", "set-limit", "Configure a limit, whatever tasks say of it", http.StatusOK)
	put.Parameters = []*huma.Param{{Name: "key", In: "path", Required: true, Schema: &huma.Schema{Type: "string"}, Description: "Key of the limit, percent-encoded."}}
	describe[LimitSettings, LimitState](api.OpenAPI(), &put, "200", "400", "401", "403", "408", "409", "413", "415", "422", "503")
}

// readLimit reads what is to be configured. A field that is left out is not limited.
func readLimit(w http.ResponseWriter, r *http.Request) (operate.LimitSettings, *problem.Problem) {
	req, text, fault := readAs[LimitSettings](w, r, maxSettings)
	if fault != nil {
		return operate.LimitSettings{}, fault
	}
	var bad task.Invalid
	if kind := kindOf(bytes.TrimSpace(text)); kind != "object" {
		bad.Add("body", "is a JSON %s: want an object such as {\"concurrency\":5}", kind)
	}
	asked := LimitRequest{Key: r.PathValue("key"), Concurrency: req.Concurrency, Rate: req.Rate, Burst: req.Burst}
	settings := operate.LimitSettings{Limit: asked.limit(&bad, ""), Paused: req.Paused}
	if len(bad) > 0 {
		return settings, invalidProblem(bad)
	}
	return settings, nil
}

func limitState(l *operate.Limit) LimitState {
	return LimitState{Limit: limitView(&l.Limit), Paused: l.Paused, Configured: l.Configured, Used: l.Used, Waiting: l.Waiting}
}
