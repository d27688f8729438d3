package storetest

import (
	"bytes"
	"context"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func (o *Oracle) PromoteDue(_ context.Context, limit int) (int, int64, []store.Woken, error) {
	now := o.Clock()
	var woken []store.Woken
	promoted := 0
	for i, e := range o.waitingTimers() {
		if e.At > now || i == limit {
			break
		}
		pos := o.position()
		if _, had := o.timers[e.ID]; !had { // one before it has replaced it
			continue
		}
		delete(o.timers, e.ID)
		o.makeReady(o.tasks[e.ID], pos, task.NoReason, &woken)
		promoted++
	}
	var next int64
	if left := o.waitingTimers(); len(left) > 0 {
		next = left[0].At
	}
	return promoted, next, woken, nil
}

func (o *Oracle) Rescue(_ context.Context, self task.ID, known []task.ID, limit int) (store.Rescued, error) {
	var r store.Rescued
	for _, c := range o.sortedClaims() {
		orphan := !o.alive(c.Node)
		forgotten := c.Node == self && !slices.Contains(known, c.ID) && c.At <= o.Clock()-1_000_000
		if r.Claims == limit || !orphan && !forgotten {
			continue
		}
		r.Claims++
		for _, id := range c.Tasks {
			o.rescue(o.tasks[id], c, &r)
		}
		for _, id := range c.Tasks {
			o.left(&r.Woken, func(l *store.Leaver) bool { return l.Task == id && l.Node == c.Node })
		}
		delete(o.claims, c.ID)
	}
	o.left(&r.Woken, func(l *store.Leaver) bool { return !o.alive(l.Node) })
	for id := range o.nodes {
		if !o.alive(id) && !slices.ContainsFunc(o.sortedClaims(), func(c store.ClaimEntry) bool { return c.Node == id }) {
			delete(o.nodes, id)
		}
	}
	o.endShares()
	return r, nil
}

func (o *Oracle) rescue(row *store.Row, c store.ClaimEntry, r *store.Rescued) {
	if row == nil || row.State != task.Running || row.Node != c.Node {
		return
	}
	t := store.LostTransition(row)
	before := *row
	o.stop(row, &t)
	o.move(row, &t, &r.Woken)
	o.movedOn(before, row, &r.Woken)
	r.Tasks++
	switch t.Decision.Reason {
	case task.Poison:
		r.Poison++
	case task.Lost:
		r.Lost++
	}
}

func (o *Oracle) Retain(_ context.Context, keep store.Keep, cursor task.ID, limit int) (r store.Retained, err error) {
	seen := 0
	now := o.Clock()
	for _, row := range o.sortedTasks() {
		if bytes.Compare(row.ID[:], cursor[:]) <= 0 {
			continue
		}
		if seen == limit {
			break
		}
		seen++
		r.Next = row.ID
		if keep.Over(row, now) {
			o.erase(row)
			r.Deleted++
		}
		if row.Overdue(now) {
			r.Overdue = append(r.Overdue, row.ID)
		}
	}
	if seen < limit {
		r.Next = task.ID{}
	}
	o.forgetGates(limit)
	for _, e := range o.expiredKeys(limit) {
		delete(o.keys, keyName{e.Namespace, e.Kind, e.Hash})
	}
	return r, nil
}

func (o *Oracle) Expire(_ context.Context, ids []task.ID) (ended int, woken []store.Woken, err error) {
	for _, id := range ids {
		row := o.tasks[id]
		if row == nil || !row.Overdue(o.Clock()) {
			continue
		}
		before := *row
		o.finish(row, task.Failed, task.Expired)
		o.ended(row, store.ExpiredError, nil, &woken)
		o.leaveGates(before, true, &woken)
		ended++
	}
	return ended, woken, nil
}

func (o *Oracle) expiredKeys(limit int) []store.KeyEntry {
	var out []store.KeyEntry
	for _, e := range o.keys {
		if e.Until > 0 && e.Until <= o.Clock() && (!e.WhileOpen || o.tasks[e.Task] == nil) {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b store.KeyEntry) int {
		if a.Until != b.Until {
			return cmpInt(a.Until, b.Until)
		}
		return bytes.Compare(a.Hash[:], b.Hash[:])
	})
	return out[:min(len(out), limit)]
}

func (o *Oracle) erase(row *store.Row) {
	for _, e := range o.keysOf[row.ID] {
		name := keyName{e.Namespace, e.Kind, e.Hash}
		if o.keys[name].Task == row.ID && o.keys[name].Until <= o.Clock() {
			delete(o.keys, name)
		}
	}
	delete(o.keysOf, row.ID)
	delete(o.ready, row.ID)
	delete(o.timers, row.ID)
	delete(o.dead, row.ID)
	delete(o.attempts, row.ID)
	delete(o.payloads, row.ID)
	delete(o.tasks, row.ID)
	o.eraseDeps(row.ID)
	delete(o.waits, row.ID)
	delete(o.messages, row.ID)
	delete(o.journals, row.ID)
	delete(o.states, row.ID)
	delete(o.progress, row.ID)
}
