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
)

// Endpoints looks at the hosts and apps that nodes call, and lets those in again that
// are held back.
type Endpoints interface {
	List(ctx context.Context) ([]operate.EndpointInfo, error)
	Reset(ctx context.Context, endpoint string) (name string, err error)
	PauseHost(ctx context.Context, host string, paused bool) (operate.PausedHost, error)
	Probe(ctx context.Context, host string) (operate.Probe, error)
}

// Endpoint is a host that tasks are pushed to, or an app that serves functions, as all
// nodes know it.
type Endpoint struct {
	Endpoint string `json:"endpoint" doc:"The URL of an app of functions; of what is pushed to, the host, without its scheme while it is paused and no node has called it."`
	EndpointState
	Nodes []EndpointOnNode `json:"nodes" doc:"What each node knows; above are the sums, and the state of the node that holds it back most."`
}

// EndpointState is how an endpoint is treated, and how it fares.
type EndpointState struct {
	Kind        string `json:"kind" enum:"http,function"`
	State       string `json:"state" enum:"open,slow,paused" doc:"open: it gets what there is; slow: fewer attempts at a time than before; paused: none, until one has found it well, or an operator resumes it."`
	Reason      string `json:"reason,omitempty" enum:"unreachable,refused,throttled,errors,operator" doc:"Why it is not open."`
	Detail      string `json:"detail,omitempty" doc:"The same, for people."`
	Since       string `json:"since,omitempty" format:"date-time" doc:"When it was last open."`
	PausedUntil string `json:"paused_until,omitempty" doc:"The endpoint did not let attempts in, and is left alone until then."`
	Limit       int    `json:"limit" doc:"Attempts at a time that are tried now; it grows with success and halves with failure."`
	InFlight    int    `json:"in_flight"`
	Waiting     int    `json:"waiting" doc:"Attempts that wait for the limit."`
	Succeeded   int64  `json:"succeeded"`
	Failed      int64  `json:"failed"`
	PutOff      int64  `json:"put_off" doc:"Tasks that were put off without an attempt."`
	LastError   string `json:"last_error,omitempty" scope:"payloads"`
	SDK         string `json:"sdk,omitempty"`
	Redacted    bool   `json:"redacted,omitempty" doc:"What it carries was left out: the key has no scope payloads."`
}

// EndpointOnNode is what one node knows of an endpoint.
type EndpointOnNode struct {
	Node   string `json:"node" doc:"Id of the node."`
	Name   string `json:"name"`
	SeenAt string `json:"seen_at" format:"date-time" doc:"When it was so: another node tells it every some seconds."`
	EndpointState
}

type endpointsReply struct {
	Body struct {
		Items []Endpoint `json:"items"`
	}
}

// ResetRequest is the body of POST /v1/endpoints/reset.
type ResetRequest struct {
	Endpoint string `json:"endpoint" doc:"The endpoint, or any URL below it."`
}

// ResetReply names what was reset.
type ResetReply struct {
	Endpoint string `json:"endpoint" doc:"What was reset."`
}

// maxReset bounds the body of a reset.
const maxReset = 16 << 10

func mountEndpoints(mux *route.Mux, api huma.API, endpoints Endpoints, refuse func(http.ResponseWriter, *problem.Problem)) {
	getWith(api, auth.Read|auth.Whole, "/v1/endpoints", "list-endpoints", "List the hosts and apps that nodes have called lately", func(ctx context.Context, _ *struct{}) (*endpointsReply, error) {
		all, err := endpoints.List(ctx)
		if err != nil {
			return nil, problemOf(err)
		}
		out := &endpointsReply{}
		out.Body.Items = make([]Endpoint, len(all))
		for i := range all {
			out.Body.Items[i] = endpointView(&all[i])
		}
		return out, nil
	})
	mountHosts(api, endpoints)
	mux.HandleFunc(auth.Operate|auth.Whole, "POST /v1/endpoints/reset", byHand(refuse, func(w http.ResponseWriter, r *http.Request) (int, any, *problem.Problem) {
		name, fault := resetEndpoint(w, r, endpoints)
		return http.StatusOK, ResetReply{name}, fault
	}))
	op := operation(auth.Operate|auth.Whole, http.MethodPost, "/v1/endpoints/reset", "reset-endpoint",
		"Forget what went wrong with an endpoint, on all nodes: it gets what there is again. Tasks that were put off come when they are due", http.StatusOK)
	describe[ResetRequest, ResetReply](api.OpenAPI(), &op, "200", "400", "401", "403", "404", "408", "413", "415", "422", "503")
}

type hostInput struct {
	Host string `path:"host" doc:"The host, with its port when it has one, such as app.example:8080; or any URL of it."`
}

// PausedHost tells whether pushes to a host are paused.
type PausedHost struct {
	Host   string `json:"host"`
	Paused bool   `json:"paused"`
	Since  string `json:"since,omitempty" format:"date-time" doc:"Since when it is."`
}

// Probe is what a host was tried with.
type Probe struct {
	Host      string   `json:"host"`
	Endpoints []string `json:"endpoints" doc:"Of the host: the nodes ask them again."`
	Task      string   `json:"task,omitempty" doc:"Id of the task that goes first, one of those that were put off at the host; absent when none was found."`
}

type pausedHostReply struct{ Body PausedHost }

type probeReply struct{ Body Probe }

func mountHosts(api huma.API, endpoints Endpoints) {
	for _, to := range []struct {
		verb, summary string
		paused        bool
	}{
		{"pause", "Pause pushes to a host, on all nodes: they wait and spend no attempt; those under way go on", true},
		{"resume", "Resume pushes to a host, on all nodes: they come when they are due", false},
	} {
		huma.Register(api, operation(auth.Operate|auth.Whole, http.MethodPost, "/v1/endpoints/{host}/"+to.verb, to.verb+"-endpoint", to.summary, http.StatusOK),
			func(ctx context.Context, in *hostInput) (*pausedHostReply, error) {
				h, err := endpoints.PauseHost(ctx, in.Host, to.paused)
				if err != nil {
					return nil, problemOf(err)
				}
				return &pausedHostReply{PausedHost{h.Host, h.Paused, timeText(h.Since)}}, nil
			})
	}
	probe := operation(auth.Operate|auth.Whole, http.MethodPost, "/v1/endpoints/{host}/probe", "probe-endpoint",
		"Ask at once whether a host is well that is left alone, on all nodes: one of the tasks that were put off there goes first", http.StatusOK)
	huma.Register(api, probe, func(ctx context.Context, in *hostInput) (*probeReply, error) {
		p, err := endpoints.Probe(ctx, in.Host)
		if err != nil {
			return nil, problemOf(err)
		}
		return &probeReply{Probe(p)}, nil
	})
}

func resetEndpoint(w http.ResponseWriter, r *http.Request, endpoints Endpoints) (name string, fault *problem.Problem) {
	req, _, fault := readAs[ResetRequest](w, r, maxReset)
	if fault != nil {
		return "", fault
	}
	store.AuditOf(r.Context()).SetTarget(req.Endpoint)
	name, err := endpoints.Reset(r.Context(), req.Endpoint)
	if err != nil {
		return "", problemOf(err)
	}
	return name, nil
}

func endpointView(e *operate.EndpointInfo) Endpoint {
	v := Endpoint{Endpoint: e.Endpoint.Endpoint, EndpointState: endpointStateView(&e.Endpoint), Nodes: make([]EndpointOnNode, len(e.Nodes))}
	for i := range e.Nodes {
		n := &e.Nodes[i]
		v.Nodes[i] = EndpointOnNode{n.Node.String(), n.Name, timeText(n.At), endpointStateView(&n.Endpoint)}
	}
	return v
}

func endpointStateView(e *operate.Endpoint) EndpointState {
	return EndpointState{
		Kind: e.Kind.String(), State: e.State, Reason: e.Reason, Detail: e.Detail, Since: timeText(e.Since), PausedUntil: timeText(e.PausedUntil),
		Limit: e.Limit, InFlight: e.InFlight, Waiting: e.Waiting, Succeeded: e.Succeeded, Failed: e.Failed, PutOff: e.PutOff,
		LastError: e.LastError, SDK: e.SDK,
	}
}
