package storetest

import (
	"context"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func (o *Oracle) alive(node task.ID) bool {
	n, ok := o.nodes[node]
	return ok && n.LeaseUntil > o.Clock()
}

func (o *Oracle) Claim(_ context.Context, req store.ClaimRequest) (store.ClaimBatch, error) {
	now := o.Clock()
	batch := store.ClaimBatch{Now: now}
	for _, id := range req.Done {
		delete(o.claims, id)
	}
	if !o.alive(req.Node) {
		return batch, nil
	}
	left := req.Limit
	var ids []task.ID
	for _, slot := range req.Slots {
		if o.paused(slot.Lane) {
			continue
		}
		for _, e := range o.line(slot) {
			if left == 0 {
				break
			}
			left--
			row := o.tasks[e.ID]
			delete(o.ready, e.ID)
			row.Token++
			if row.ExpiresAt != 0 && row.ExpiresAt <= now && row.Flags&store.Related == 0 {
				o.finish(row, task.Failed, task.Expired)
				batch.Expired++
				continue
			}
			batch.Tasks = append(batch.Tasks, o.claimed(row, e, req.Node))
			ids = append(ids, e.ID)
		}
	}
	if len(ids) > 0 {
		o.claims[req.ID] = store.ClaimEntry{ID: req.ID, Node: req.Node, At: now, Tasks: ids}
	}
	return batch, nil
}

func (o *Oracle) claimed(row *store.Row, e store.ReadyEntry, node task.ID) store.Claimed {
	now := o.Clock()
	c := store.Claimed{LastCode: row.LastCode}
	row.State, row.Reason, row.Node, row.LastStarted = task.Running, task.NoReason, node, now
	if row.FirstStarted == 0 {
		row.FirstStarted = now
	}
	c.ID, c.Token, c.Lane, c.Priority, c.Position = row.ID, row.Token, row.Lane, e.Priority, e.Position
	c.Kind, c.Flags, c.Run, c.Failures, c.Crashes = row.Kind, row.Flags, row.Run, row.Failures, row.Crashes
	c.MaxAttempts, c.CreatedAt, c.ReadyAt, c.ExpiresAt = row.MaxAttempts, row.CreatedAt, row.At, row.ExpiresAt
	c.Parent, c.Root, c.Gates = row.Parent, row.Root, row.Gates
	c.FirstStarted, c.StartedAt, c.Spec, c.Payload = row.FirstStarted, now, row.Spec, []byte(o.payloads[row.ID])
	return c
}

func (o *Oracle) line(slot store.ClaimSlot) []store.ReadyEntry {
	var line []store.ReadyEntry
	for _, e := range o.ready {
		if e.Lane == slot.Lane && e.Priority == slot.Priority && e.Position >= slot.Cursor {
			line = append(line, e)
		}
	}
	slices.SortFunc(line, byPosition)
	return line[:min(len(line), slot.Limit)]
}

func (o *Oracle) Probe(_ context.Context, lane int32, priority int16, from, to int64) (int64, bool, error) {
	for _, e := range o.line(store.ClaimSlot{Lane: lane, Priority: priority, Cursor: from, Limit: len(o.ready)}) {
		return e.Position, e.Position < to, nil
	}
	return 0, false, nil
}
