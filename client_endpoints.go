package sendoff

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// EndpointStats is a host that tasks are pushed to, or an app that serves functions, as
// all nodes know it: limits and counts are sums, the state is that of the node that holds
// it back most.
type EndpointStats struct {
	Endpoint string `json:"endpoint"` // its URL, without credentials; of what is pushed to, the host, without its scheme while nobody has called it
	EndpointStatus
	Nodes []NodeEndpoint `json:"nodes"` // what each node knows
}

// EndpointStatus is how an endpoint is treated, and how it fares.
type EndpointStatus struct {
	Kind        string        `json:"kind"` // http, function
	State       EndpointState `json:"state"`
	Reason      string        `json:"reason,omitempty"`      // why it is not open: unreachable, refused, throttled, errors, operator
	Detail      string        `json:"detail,omitempty"`      // the same, for people
	Since       time.Time     `json:"since,omitzero"`        // it is not open; zero = it is
	PausedUntil time.Time     `json:"paused_until,omitzero"` // left alone until then
	Limit       int           `json:"limit"`                 // attempts at a time that are tried now
	InFlight    int           `json:"in_flight"`
	Waiting     int           `json:"waiting"` // attempts that wait for the limit
	Succeeded   int64         `json:"succeeded"`
	Failed      int64         `json:"failed"`
	PutOff      int64         `json:"put_off"` // tasks, without an attempt
	LastError   string        `json:"last_error,omitempty"`
	SDK         string        `json:"sdk,omitempty"`
}

// NodeEndpoint is what one node knows of an endpoint.
type NodeEndpoint struct {
	Node   string    `json:"node"` // its id
	Name   string    `json:"name"`
	SeenAt time.Time `json:"seen_at,omitzero"` // when it was so
	EndpointStatus
}

// EndpointState says in a word how an endpoint is treated.
type EndpointState string

// The states of endpoints.
const (
	EndpointOpen   EndpointState = "open"   // it gets what there is
	EndpointSlow   EndpointState = "slow"   // it gets fewer attempts at a time than it did
	EndpointPaused EndpointState = "paused" // it is left alone: until one attempt has found it well, or an operator resumes it
)

// Endpoints are the hosts and apps that the servers call: [Client.Endpoints].
type Endpoints struct{ c *Client }

// List returns the endpoints that were called lately, by name.
func (e Endpoints) List(ctx context.Context) ([]EndpointStats, error) {
	var out items[EndpointStats]
	_, _, err := e.c.do(ctx, request{method: http.MethodGet, path: "/v1/endpoints"}, &out)
	return out.Items, err
}

// Reset has all nodes forget what went wrong with an endpoint, so that it gets what
// there is again, and returns its name. It may be named by any URL below it. Tasks that
// were put off already come when they are due.
func (e Endpoints) Reset(ctx context.Context, endpoint string) (name string, err error) {
	var out resetEndpoint
	_, _, err = e.c.do(ctx, request{method: http.MethodPost, path: "/v1/endpoints/reset", body: resetEndpoint{endpoint}, again: true}, &out)
	return out.Endpoint, err
}

// Pause pauses the pushes to a host, such as app.example:8080, on all nodes: its tasks
// wait and spend no attempt. What is under way goes on.
func (e Endpoints) Pause(ctx context.Context, host string) (PausedHost, error) {
	return e.steer(ctx, host, "pause")
}

// Resume lets pushes to a host go again: the tasks come when they are due, most of them
// within half a minute.
func (e Endpoints) Resume(ctx context.Context, host string) (PausedHost, error) {
	return e.steer(ctx, host, "resume")
}

func (e Endpoints) steer(ctx context.Context, host, verb string) (out PausedHost, err error) {
	_, _, err = e.c.do(ctx, request{method: http.MethodPost, path: hostPath(host) + verb, again: true}, &out)
	return out, err
}

// Probe has all nodes ask at once whether a host is well that they leave alone. One of the
// tasks that were put off there goes first, and the others follow when it goes well. An
// error for which [IsNotFound] is true when no node has called the host lately.
func (e Endpoints) Probe(ctx context.Context, host string) (out Probe, err error) {
	_, _, err = e.c.do(ctx, request{method: http.MethodPost, path: hostPath(host) + "probe", again: true}, &out)
	return out, err
}

func hostPath(host string) string { return "/v1/endpoints/" + url.PathEscape(host) + "/" }

// PausedHost tells whether pushes to a host are paused.
type PausedHost struct {
	Host   string    `json:"host"` // with its port when it has one
	Paused bool      `json:"paused"`
	Since  time.Time `json:"since,omitzero"` // zero = it is not paused
}

// Probe is what a host was tried with.
type Probe struct {
	Host      string   `json:"host"`
	Endpoints []string `json:"endpoints"`      // of the host, that the nodes ask again
	Task      string   `json:"task,omitempty"` // id of the one that goes first; "" = none of those that were put off was found
}

type resetEndpoint struct {
	Endpoint string `json:"endpoint"`
}
