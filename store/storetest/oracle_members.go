package storetest

import (
	"bytes"
	"context"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func (o *Oracle) Register(_ context.Context, n store.Node, ttl int64) error {
	n.StartedAt = o.Clock()
	n.LeaseUntil = o.Clock() + ttl
	o.nodes[n.ID] = n
	return nil
}

func (o *Oracle) Heartbeat(_ context.Context, id task.ID, ttl int64, draining bool) (told bool, err error) {
	if !o.alive(id) {
		return false, store.ErrNodeLost
	}
	n := o.nodes[id]
	n.LeaseUntil, n.Draining = o.Clock()+ttl, draining
	o.nodes[id] = n
	return o.ordered[id], nil
}

func (o *Oracle) Drain(_ context.Context, id task.ID, on bool) error {
	if !o.alive(id) {
		return store.ErrNotFound
	}
	o.ordered[id] = on
	return nil
}

func (o *Oracle) Leave(_ context.Context, id task.ID) error {
	delete(o.nodes, id)
	delete(o.ordered, id)
	o.endShares()
	return nil
}

func (o *Oracle) Nodes(context.Context) ([]store.Node, error) {
	var out []store.Node
	for id, n := range o.nodes {
		if o.alive(id) {
			n.Draining = n.Draining || o.ordered[id]
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b store.Node) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return out, nil
}

func (o *Oracle) Lost(_ context.Context, held []store.Held) ([]task.ID, error) {
	var lost []task.ID
	for _, h := range held {
		if row := o.tasks[h.ID]; row == nil || row.State != task.Running || row.Token != h.Token ||
			row.Flags&store.FlagCanceling != 0 && row.ExpiresAt <= o.Clock() {
			lost = append(lost, h.ID)
		}
	}
	return lost, nil
}
