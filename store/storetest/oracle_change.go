package storetest

import (
	"context"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func (o *Oracle) Change(_ context.Context, c *store.Change) (woken []store.Woken, err error) {
	row := o.tasks[c.ID]
	if row == nil {
		return nil, store.ErrNotFound
	}
	next, move, err := c.Next(row, o.Clock())
	if err == nil && c.Unique != nil {
		err = o.rename(c.ID, *c.Unique)
	}
	if err != nil {
		return nil, err
	}
	before := *row
	*row = next
	if c.Payload != nil {
		o.payloads[row.ID] = string(*c.Payload)
	}
	delete(o.ready, row.ID)
	delete(o.timers, row.ID)
	switch {
	case move == store.Comes:
		err = o.makeReady(row, o.position(), task.NoReason, &woken)
		return woken, err
	case move == store.Defers && before.AtGates():
		o.leaveGates(before, true, &woken)
	}
	switch {
	case row.InGateLine():
		for e := range o.lines {
			if e.Task == row.ID {
				g := o.gates[e.Gate]
				delete(o.lines, e)
				o.lines[g.Place(row)] = true
			}
		}
	case row.Place() == store.InRelation:
		n := o.needs[row.ID]
		n.Lane = row.Lane
		o.needs[row.ID] = n
	default:
		o.stand(row, row.Standing(), row.At, &woken)
	}
	return woken, nil
}

func (o *Oracle) rename(id task.ID, as store.Renaming) error {
	for i, k := range o.keysOf[id] {
		if k.Kind != store.UniqueKey || k.Hash != as.From || as.From == as.To {
			continue
		}
		from, to := keyName{k.Namespace, k.Kind, k.Hash}, keyName{k.Namespace, k.Kind, as.To}
		if e, there := o.keys[to]; there && e.Task != id {
			row := o.tasks[e.Task]
			if e.Until > o.Clock() || e.WhileOpen && row != nil && !row.State.Final() {
				return store.KeyHeld{By: e.Task}
			}
		}
		if e, there := o.keys[from]; there && e.Task == id {
			delete(o.keys, from)
			e.Hash = as.To
			o.keys[to] = e
		}
		o.keysOf[id] = append([]store.KeyEntry(nil), o.keysOf[id]...)
		o.keysOf[id][i].Hash = as.To
	}
	return nil
}
