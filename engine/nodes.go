package engine

import (
	"context"
	"strings"
	"time"
)

// Node is a running engine, in this process or another one over the same database.
type Node struct {
	ID         string
	Name       string // Config.Name
	Roles      []Role
	Pools      []string // whose tasks it carries out: any, function, local:HANDLER
	StartedAt  time.Time
	LeaseUntil time.Time // counts as lost from then on, unless it is renewed; zero where no other node could take over
	Draining   bool      // it is stopping
}

// Nodes lists the nodes that are alive, oldest first.
func (e *Engine) Nodes(ctx context.Context) ([]Node, error) {
	rows, err := e.store.Nodes(ctx)
	out := make([]Node, len(rows))
	for i, n := range rows {
		out[i] = Node{
			ID: n.ID.String(), Name: n.Name, Pools: strings.FieldsFunc(n.Pools, func(r rune) bool { return r == '\n' }), StartedAt: timeOf(n.StartedAt),
			Draining: n.Draining,
		}
		if until := timeOf(n.LeaseUntil); until.Before(time.Now().AddDate(1, 0, 0)) {
			out[i].LeaseUntil = until
		}
		for role := range strings.SplitSeq(n.Roles, ",") {
			out[i].Roles = append(out[i].Roles, Role(role))
		}
	}
	return out, err
}
