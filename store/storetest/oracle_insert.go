package storetest

import (
	"context"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func (o *Oracle) Insert(_ context.Context, tasks []store.NewTask, atomic bool) ([]store.Inserted, []store.Woken, error) {
	undo := o.clone()
	out := make([]store.Inserted, len(tasks))
	var woken []store.Woken
	ups := store.Ups{}
	for i := range tasks {
		out[i] = o.insertAfter(&tasks[i], ups, &woken)
		if atomic && out[i].Status.Refused() {
			*o = *undo
			if o.tasks[out[i].ID] == nil {
				out[i].CreatedAt = 0 // it stood behind a task of this very batch
			}
			for j := range out {
				if j != i {
					out[j] = store.Inserted{Status: store.Skipped}
				}
			}
			return out, nil, nil
		}
	}
	return out, woken, nil
}

// insertAfter stores a task, unless what it depends on is not stored.
func (o *Oracle) insertAfter(t *store.NewTask, ups store.Ups, woken *[]store.Woken) store.Inserted {
	for _, id := range t.Deps {
		if o.tasks[id] != nil {
			ups[id] = store.Up{ID: id}
		}
	}
	in := o.insertWith(t, ups, woken)
	ups.Add(t.ID, &in, task.NotEnded)
	return in
}

func (o *Oracle) insert(t *store.NewTask, woken *[]store.Woken) store.Inserted {
	return o.insertWith(t, nil, woken)
}

func (o *Oracle) insertWith(t *store.NewTask, ups store.Ups, woken *[]store.Woken) store.Inserted {
	now := o.Clock()
	if row, ok := o.tasks[t.ID]; ok {
		return store.Inserted{Status: store.Created, ID: t.ID, CreatedAt: row.CreatedAt}
	}
	taken := make([]*store.Taken, len(t.Keys))
	for i, k := range t.Keys {
		if e, ok := o.keys[keyName{k.Namespace, k.Kind, k.Hash}]; ok {
			taken[i] = &store.Taken{Entry: e}
			if row := o.tasks[e.Task]; row != nil {
				taken[i].State, taken[i].Kind, taken[i].Reason = row.State, row.Kind, row.Reason
			}
		}
	}
	v := store.Resolve(t, taken, now)
	on, missing := ups.Of(t)
	if v.Inserted.Status == store.Created && !missing.IsZero() {
		return store.Inserted{Status: store.Missing, ID: missing}
	}
	p, row := store.Placed(t, now), &store.Row{
		ID: t.ID, Lane: t.Lane, Priority: t.Priority, Kind: t.Kind, Run: 1, MaxAttempts: t.MaxAttempts,
		CreatedAt: now, ExpiresAt: t.ExpiresAt, Group: t.Group, Parent: t.Parent, Root: t.Root,
		Correlation: t.Correlation, Epoch: t.Epoch, Spec: t.Spec, Gates: store.EncodeGates(t.Gates),
	}
	row.Flags = p.Flags
	if v.Inserted.Status == store.Created {
		if !v.Cancel.IsZero() {
			o.cancel(o.tasks[v.Cancel], task.Replaced, woken)
		}
		if len(on) > 0 {
			n := o.depend(row, t.When, on)
			p = p.Depending(&n)
			row.Flags = p.Flags
		}
		if row.Gates != nil && p.State == task.Ready {
			e := o.enterGates(row, store.Newcomer, p.Reason, woken)
			if e.Dropped() {
				o.eraseDeps(t.ID)
				return store.Inserted{Status: store.Dropped, ID: e.Holder, CreatedAt: o.tasks[e.Holder].CreatedAt}
			}
			p = e.Placement
		}
	}
	for _, k := range v.Keys {
		o.keys[keyName{k.Namespace, k.Kind, k.Hash}] = store.KeyEntryFor(k, v.Inserted.ID, now)
	}
	if v.Inserted.Status != store.Created {
		if row := o.tasks[v.Inserted.ID]; row != nil {
			v.Inserted.CreatedAt = row.CreatedAt
		}
		if v.Tell {
			o.tellAll(v.Inserted.ID, t.Tell, woken)
		}
		return v.Inserted
	}
	for _, k := range t.Keys {
		if k.Kind != store.IdempotencyKey {
			o.keysOf[t.ID] = append(o.keysOf[t.ID], store.KeyEntryFor(k, t.ID, now))
		}
	}
	o.tasks[t.ID] = row
	o.payloads[t.ID] = string(t.Payload)
	var pos int64
	switch p.State {
	case task.Ready:
		pos = o.position()
	case task.Canceled:
		o.finish(row, p.State, p.Reason)
		o.ended(row, "", nil, woken)
		return v.Inserted
	}
	o.stand(row, p, pos, woken)
	o.tellAll(t.ID, t.Tell, woken)
	return v.Inserted
}

// later has a task wait for a time, in a state that may end before.
func (o *Oracle) later(row *store.Row, state task.State, why task.Reason, at int64) {
	row.State, row.Reason, row.At = state, why, at
	o.timers[row.ID] = store.TimerEntry{Lane: row.Lane, At: at, ID: row.ID}
}

func (o *Oracle) makeReady(row *store.Row, pos int64, why task.Reason, woken *[]store.Woken) error {
	if row.Flags&store.FlagGate != 0 {
		return o.comeAgain(row, why, pos, store.Due, woken)
	}
	o.stand(row, store.Placement{Entry: store.Enter(row.Entrant(), why), Flags: row.Flags}, pos, woken)
	return nil
}

func (o *Oracle) finish(row *store.Row, to task.State, why task.Reason) {
	delete(o.ready, row.ID)
	delete(o.timers, row.ID)
	o.notWaiting(row.ID)
	row.State, row.Reason, row.FinishedAt = to, why, o.Clock()
	if to == task.Failed {
		o.dead[row.ID] = store.TimerEntry{Lane: row.Lane, At: row.FinishedAt, ID: row.ID}
	}
}
