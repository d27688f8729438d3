package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/internal/server/route"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Quota is what a namespace may use. What is left out is not limited.
type Quota struct {
	Rate  string `json:"rate,omitempty" doc:"Of submissions, on each node." example:"100/s"`
	Burst int32  `json:"burst,omitempty" doc:"So many may come at once; default those of a second."`
	Tasks int64  `json:"tasks,omitempty" doc:"Tasks that have not ended, or have failed and are kept. What other nodes let in counts some seconds later."`

	Bytes     int64 `json:"bytes,omitempty" doc:"Payloads of all tasks that are stored, those that have ended and are kept included. What other nodes let in counts some seconds later."`
	Schedules int64 `json:"schedules,omitempty" doc:"Schedules that are stored."`
}

// Namespace is a namespace in an answer.
type Namespace struct {
	Name      string `json:"name"`
	Quota     Quota  `json:"quota"`
	CreatedAt string `json:"created_at,omitempty"`
}

type namespacesReply struct {
	Body struct {
		Items []Namespace `json:"items"`
	}
}

func mountNamespaces(mux *route.Mux, api huma.API, keys Keys, refuse func(http.ResponseWriter, *problem.Problem)) {
	getWith(api, auth.Admin|auth.Whole, "/v1/namespaces", "list-namespaces", "List the namespaces by name, with what they may use", func(ctx context.Context, _ *struct{}) (*namespacesReply, error) {
		all, err := keys.Namespaces(ctx)
		if err != nil {
			return nil, problemOf(err)
		}
		out := &namespacesReply{}
		out.Body.Items = make([]Namespace, len(all))
		for i := range all {
			out.Body.Items[i] = namespaceView(&all[i])
		}
		return out, nil
	})
	mux.HandleFunc(auth.Admin|auth.Whole, "PUT /v1/namespaces/{name}", byHand(refuse, func(w http.ResponseWriter, r *http.Request) (int, any, *problem.Problem) {
		n, fault := setQuota(w, r, keys)
		return http.StatusOK, n, fault
	}))
	put := operation(auth.Admin|auth.Whole, http.MethodPut, "/v1/namespaces/{name}", "set-namespace", "Set what a namespace may use, which is made when it is new", http.StatusOK)
	put.Parameters = []*huma.Param{{Name: "name", In: "path", Required: true, Schema: &huma.Schema{Type: "string"}}}
	describe[Quota, Namespace](api.OpenAPI(), &put, "200", "400", "401", "403", "408", "413", "415", "422", "503")
}

func setQuota(w http.ResponseWriter, r *http.Request, keys Keys) (Namespace, *problem.Problem) {
	req, _, fault := readAs[Quota](w, r, maxSettings)
	if fault != nil {
		return Namespace{}, fault
	}
	var bad task.Invalid
	quota := store.Quota{Burst: req.Burst, Tasks: req.Tasks, Bytes: req.Bytes, Schedules: req.Schedules}
	if req.Rate != "" {
		var err error
		if quota.Rate, err = task.ParseRate(req.Rate); err != nil {
			bad.Add("rate", "%s", err)
		}
	}
	if len(bad) > 0 {
		return Namespace{}, invalidProblem(bad)
	}
	n, err := keys.SetQuota(r.Context(), r.PathValue("name"), quota)
	if err != nil {
		return Namespace{}, problemOf(err)
	}
	return namespaceView(&n), nil
}

func namespaceView(n *operate.Namespace) Namespace {
	q := &n.Quota
	return Namespace{n.Name, Quota{Rate: q.Rate.String(), Burst: q.Burst, Tasks: q.Tasks, Bytes: q.Bytes, Schedules: q.Schedules}, timeText(n.CreatedAt)}
}
