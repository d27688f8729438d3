package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Node is a running engine, in this process or another one over the same database.
type Node struct {
	ID         string
	Name       string // Config.Name
	Roles      []Role
	Pools      []string // whose tasks it carries out: any, function, local:HANDLER
	StartedAt  time.Time
	LeaseUntil time.Time // counts as lost from then on, unless it is renewed; zero where no other node could take over
	Draining   bool      // it claims nothing more: it is stopping, or was told so
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

// Drain has a node claim nothing more, until Undrain or for as long as its process lives: it
// finishes what it runs, and still accepts and schedules. store.ErrNotFound when no such node
// is alive.
func (e *Engine) Drain(ctx context.Context, node string) (Node, error) {
	return e.drained(ctx, node, true)
}

// Undrain has a node that was told to drain claim again, unless it is stopping.
// store.ErrNotFound when no such node is alive.
func (e *Engine) Undrain(ctx context.Context, node string) (Node, error) {
	return e.drained(ctx, node, false)
}

func (e *Engine) drained(ctx context.Context, node string, on bool) (Node, error) {
	if err := e.drainNode(ctx, node, on); err != nil {
		return Node{}, err
	}
	all, err := e.Nodes(ctx)
	if i := slices.IndexFunc(all, func(n Node) bool { return n.ID == node }); i >= 0 {
		return all[i], nil
	}
	return Node{}, cmp.Or(err, noNode(node))
}

// drainNode hands the order to the node, whichever that is.
func (e *Engine) drainNode(ctx context.Context, node string, on bool) error {
	id, err := task.ParseID(node)
	if err != nil {
		return noNode(node)
	}
	if err := e.store.Drain(ctx, id, on); err != nil {
		if errors.Is(err, store.ErrNotFound) {
			return noNode(node)
		}
		return err
	}
	e.member.Look()
	e.member.Tell(store.Hint{Changed: store.ChangedOrders})
	return nil
}

func noNode(id string) error {
	return fmt.Errorf("node %s: %w: it is not alive", id, store.ErrNotFound)
}

// claiming is this node's id, and whether it may claim.
func (e *Engine) claiming() (task.ID, bool) {
	id, trusted := e.member.ID()
	return id, trusted && !e.member.Draining()
}
