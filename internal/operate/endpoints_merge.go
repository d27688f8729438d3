package operate

import (
	"cmp"
	"slices"

	"github.com/sendoff-dev/sendoff/task"
)

// EndpointInfo is what all nodes know of an endpoint: limits and counts are sums, state,
// reason and times those of the node that holds it back most.
type EndpointInfo struct {
	Endpoint
	Nodes []EndpointOnNode // by name and id
}

// EndpointOnNode is what one node knows of an endpoint.
type EndpointOnNode struct {
	Node task.ID
	Name string // of the node
	At   int64  // when it was so
	Endpoint
}

// rank orders states by how much they hold back.
func rank(state string) int { return slices.Index([]string{"slow", "paused"}, state) }

type endpointName struct {
	kind task.Kind
	name string
}

// merging puts together what nodes know.
type merging map[endpointName]*EndpointInfo

func (m merging) add(n EndpointOnNode) {
	name := endpointName{n.Kind, n.Endpoint.Endpoint}
	all, known := m[name]
	if !known {
		m[name] = &EndpointInfo{Endpoint: n.Endpoint, Nodes: []EndpointOnNode{n}}
		return
	}
	all.Nodes = append(all.Nodes, n)
	a, b := &all.Endpoint, &n.Endpoint
	a.Limit += b.Limit
	a.InFlight += b.InFlight
	a.Waiting += b.Waiting
	a.Succeeded += b.Succeeded
	a.Failed += b.Failed
	a.PutOff += b.PutOff
	a.SDK = cmp.Or(a.SDK, b.SDK)
	if b.LastError != "" && (a.LastError == "" || b.Used > a.Used) {
		a.LastError = b.LastError
	}
	a.Used = max(a.Used, b.Used)
	switch by := cmp.Compare(rank(b.State), rank(a.State)); {
	case by > 0:
		a.State, a.Reason, a.Detail, a.Since, a.PausedUntil = b.State, b.Reason, b.Detail, b.Since, b.PausedUntil
	case by == 0 && b.Since != 0:
		a.Since, a.PausedUntil = min(a.Since, b.Since), max(a.PausedUntil, b.PausedUntil)
	}
}

func (m merging) list() []EndpointInfo {
	out := make([]EndpointInfo, 0, len(m))
	for _, e := range m {
		slices.SortFunc(e.Nodes, func(a, b EndpointOnNode) int {
			return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Node.String(), b.Node.String()))
		})
		out = append(out, *e)
	}
	slices.SortFunc(out, func(a, b EndpointInfo) int {
		return cmp.Or(cmp.Compare(a.Endpoint.Endpoint, b.Endpoint.Endpoint), cmp.Compare(a.Kind, b.Kind))
	})
	return out
}
