package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/internal/server/route"
	"github.com/sendoff-dev/sendoff/store"
)

// SavedViews keeps what people look at often.
type SavedViews interface {
	List(ctx context.Context) ([]store.SavedView, error)
	Set(ctx context.Context, name, path, query string) (v store.SavedView, made bool, err error)
	Delete(ctx context.Context, name string) error
}

// ViewRequest is the body of PUT /v1/views/{name}.
type ViewRequest struct {
	Path  string `json:"path" doc:"Of the page in the console; that of the list in the API is the same below /v1." example:"/tasks"`
	Query string `json:"query,omitempty" doc:"What it selects, as behind the ? of an address, in the console and the API alike; at most 2048 bytes." example:"state=failed&queue=mail"`
}

// View is a page with what it selects, in an answer.
type View struct {
	Name      string `json:"name"`
	Path      string `json:"path" doc:"Of the page in the console; that of the list in the API is the same below /v1."`
	Query     string `json:"query" doc:"What it selects, as behind the ? of an address."`
	CreatedAt string `json:"created_at"`
	UpdatedAt string `json:"updated_at"`
}

type viewsReply struct {
	Body struct {
		Items []View `json:"items" doc:"By name; there are 500 at most."`
	}
}

type viewInput struct {
	Name string `path:"name" doc:"Name of the view, percent-encoded."`
}

func mountViews(mux *route.Mux, api huma.API, views SavedViews, refuse func(http.ResponseWriter, *problem.Problem)) {
	get(api, "/v1/views", "list-views", "List the views that were saved for all who use the namespace", func(ctx context.Context, _ *struct{}) (*viewsReply, error) {
		all, err := views.List(ctx)
		if err != nil {
			return nil, problemOf(err)
		}
		out := &viewsReply{}
		out.Body.Items = make([]View, len(all))
		for i := range all {
			out.Body.Items[i] = savedView(&all[i])
		}
		return out, nil
	})
	huma.Register(api, operation(auth.Operate, http.MethodDelete, "/v1/views/{name}", "delete-view", "Forget a view", http.StatusNoContent),
		func(ctx context.Context, in *viewInput) (*struct{}, error) {
			if err := views.Delete(ctx, in.Name); err != nil {
				return nil, problemOf(err)
			}
			return nil, nil
		})
	mux.HandleFunc(auth.Operate, "PUT /v1/views/{name}", byHand(refuse, func(w http.ResponseWriter, r *http.Request) (int, any, *problem.Problem) {
		req, _, fault := readAs[ViewRequest](w, r, maxSettings)
		if fault != nil {
			return 0, nil, fault
		}
		v, made, err := views.Set(r.Context(), r.PathValue("name"), req.Path, req.Query)
		switch {
		case err != nil:
			return 0, nil, problemOf(err)
		case made:
			return http.StatusCreated, savedView(&v), nil
		}
		return http.StatusOK, savedView(&v), nil
	}))
	put := operation(auth.Operate, http.MethodPut, "/v1/views/{name}", "set-view", "Save a view for all who use the namespace, or change it", http.StatusOK)
	put.Parameters = []*huma.Param{{Name: "name", In: "path", Required: true, Schema: &huma.Schema{Type: "string"}, Description: "Name of the view, percent-encoded, at most 200 bytes."}}
	describe[ViewRequest, View](api.OpenAPI(), &put, "200", "201", "400", "401", "403", "408", "413", "415", "422", "503")
}

func savedView(v *store.SavedView) View {
	return View{Name: v.Name, Path: v.Path, Query: v.Query, CreatedAt: timeText(v.CreatedAt), UpdatedAt: timeText(v.UpdatedAt)}
}
