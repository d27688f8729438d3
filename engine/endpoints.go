package engine

import (
	"context"
	"time"

	"github.com/sendoff-dev/sendoff/internal/exec/pace"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/telemetry"
	"github.com/sendoff-dev/sendoff/task"
)

// Endpoints looks at the hosts that tasks are pushed to and the apps that serve
// functions, and lets those in again that are held back. Safe for concurrent use.
type Endpoints struct{ endpoints *operate.Endpoints }

// EndpointState says how an endpoint is treated.
type EndpointState string

// The states of endpoints.
const (
	EndpointOpen   EndpointState = "open"   // it gets what there is
	EndpointSlow   EndpointState = "slow"   // it gets fewer at a time than it did
	EndpointPaused EndpointState = "paused" // it is left alone: until one attempt has found it well, or an operator resumes it
)

// Endpoint is a host that tasks are pushed to, or an app that serves functions, as all
// nodes that are alive know it since they started. Of other nodes it is what they have
// told last, some seconds ago.
type Endpoint struct {
	Endpoint    string    // its URL, without credentials; of a push scheme, host and port alone
	Kind        task.Kind // HTTP or Function
	State       EndpointState
	Reason      string    // why it is not open: unreachable, refused, throttled, errors or operator; "" = it is
	Detail      string    // the same, for people
	Since       time.Time // it is not open; zero = it is
	PausedUntil time.Time // it is left alone; zero = it is not
	Limit       int       // attempts at a time that are tried now; shrinks with trouble and grows with success
	InFlight    int       // attempts under way on its host
	Waiting     int       // attempts that wait for room on its host
	Succeeded   int64     // attempts; of a function also those that brought it on
	Failed      int64     // all others
	PutOff      int64     // tasks that were put off without an attempt
	LastError   string
	SDK         string           // Sendoff's SDK with its version; "" = another one, or none
	Nodes       []EndpointOnNode // what each node knows; nil in a node's own
}

// EndpointOnNode is what one node knows of an endpoint.
type EndpointOnNode struct {
	NodeID string
	Node   string    // its name
	At     time.Time // when it was so
	Endpoint
}

// Endpoints returns what looks at endpoints.
func (e *Engine) Endpoints() *Endpoints { return &Endpoints{e.endpoints} }

// List lists the endpoints that were called lately, by name.
func (es *Endpoints) List(ctx context.Context) ([]Endpoint, error) {
	all, err := es.endpoints.List(ctx)
	out := make([]Endpoint, len(all))
	for i := range all {
		out[i] = endpointOf(&all[i].Endpoint)
		for j := range all[i].Nodes {
			n := &all[i].Nodes[j]
			out[i].Nodes = append(out[i].Nodes, EndpointOnNode{n.Node.String(), n.Name, timeOf(n.At), endpointOf(&n.Endpoint)})
		}
	}
	return out, err
}

// Reset has all nodes forget what went wrong with an endpoint, so that it gets what
// there is again, and returns its name. It may be named by any URL below it. Tasks that
// were put off already come when they are due. task.Invalid, and store.ErrNotFound when
// no node has called it lately.
func (es *Endpoints) Reset(ctx context.Context, endpoint string) (name string, err error) {
	return es.endpoints.Reset(ctx, endpoint)
}

// PausedHost tells whether pushes to a host are paused.
type PausedHost struct {
	Host   string // with its port when it has one
	Paused bool
	Since  time.Time // zero = it is not paused
}

// Pause pauses the pushes to a host, such as app.example:8080, on all nodes: its tasks
// wait and spend no attempt. What is under way goes on. task.Invalid.
func (es *Endpoints) Pause(ctx context.Context, host string) (PausedHost, error) {
	return pausedHost(es.endpoints.PauseHost(ctx, host, true))
}

// Resume lets pushes to a host go again: the tasks come when they are due, most of them
// within half a minute. task.Invalid.
func (es *Endpoints) Resume(ctx context.Context, host string) (PausedHost, error) {
	return pausedHost(es.endpoints.PauseHost(ctx, host, false))
}

func pausedHost(h operate.PausedHost, err error) (PausedHost, error) {
	return PausedHost{h.Host, h.Paused, timeOf(h.Since)}, err
}

// Probe is what a host was tried with.
type Probe struct {
	Host      string
	Endpoints []string // of the host, that the nodes ask again
	Task      string   // id of the one that goes first; "" = none of those that were put off was found
}

// Probe has all nodes ask at once whether a host is well that they leave alone. One of the
// tasks that were put off there goes first, and the others follow when it goes well.
// task.Invalid, store.ErrNotFound when no node has called the host lately, and an error
// when it is paused.
func (es *Endpoints) Probe(ctx context.Context, host string) (Probe, error) {
	p, err := es.endpoints.Probe(ctx, host)
	return Probe(p), err
}

func endpointOf(e *operate.Endpoint) Endpoint {
	return Endpoint{
		Endpoint: e.Endpoint, Kind: e.Kind, State: EndpointState(e.State), Reason: e.Reason, Detail: e.Detail, Since: timeOf(e.Since),
		PausedUntil: timeOf(e.PausedUntil), Limit: e.Limit, InFlight: e.InFlight, Waiting: e.Waiting, Succeeded: e.Succeeded, Failed: e.Failed,
		PutOff: e.PutOff, LastError: e.LastError, SDK: e.SDK,
	}
}

// called is what this node knows of endpoints.
type called struct{ e *Engine }

// Self implements operate.Called.
func (c called) Self() (task.ID, string) {
	id, _ := c.e.member.ID()
	return id, c.e.cfg.Name
}

// Endpoints implements operate.Called.
func (c called) Endpoints() []operate.Endpoint {
	var out []operate.Endpoint
	for _, s := range c.e.pusher.Stats() {
		out = append(out, paced(&s, task.HTTP))
	}
	for _, s := range c.e.runner.Stats() {
		e := paced(&s.Stats, task.Function)
		e.SDK = s.SDK
		out = append(out, e)
	}
	return out
}

// states counts them by how they are treated; a state that none is in is there too.
func (c called) states() map[telemetry.Called]int {
	out := map[telemetry.Called]int{}
	for _, kind := range []task.Kind{task.HTTP, task.Function} {
		for _, state := range []EndpointState{EndpointOpen, EndpointSlow, EndpointPaused} {
			out[telemetry.Called{Kind: kind, State: string(state)}] = 0
		}
	}
	for _, e := range c.Endpoints() {
		out[telemetry.Called{Kind: e.Kind, State: e.State}]++
	}
	return out
}

// ResetEndpoint implements operate.Called.
func (c called) ResetEndpoint(name string) bool {
	pushed, served := c.e.pusher.Reset(name), c.e.runner.Reset(name)
	return pushed || served
}

// ProbeEndpoint implements operate.Called.
func (c called) ProbeEndpoint(name string) bool {
	pushed, served := c.e.pusher.Probe(name), c.e.runner.Probe(name)
	return pushed || served
}

func paced(s *pace.Stats, kind task.Kind) operate.Endpoint {
	return operate.Endpoint{
		Endpoint: s.Endpoint, Kind: kind, State: string(s.State), Reason: string(s.Why), Detail: s.Text, Since: microsOf(s.Since),
		PausedUntil: microsOf(s.Paused), Limit: s.Limit, InFlight: s.InFlight, Waiting: s.Waiting, Succeeded: s.Succeeded, Failed: s.Failed,
		PutOff: s.PutOff, LastError: s.LastError, Used: microsOf(s.Used),
	}
}

func microsOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}
