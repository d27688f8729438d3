package storetest

import (
	"context"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func (o *Oracle) Cancel(_ context.Context, id task.ID, reach store.Reach) (woken []store.Woken, err error) {
	row := o.tasks[id]
	if row == nil {
		return nil, store.ErrNotFound
	}
	if err := row.CanCancel(); err != nil || row.State == task.Canceled {
		return nil, err
	}
	o.leaveCalls(row, reach)
	o.cancel(row, task.Requested, &woken)
	return woken, nil
}

func (o *Oracle) cancel(row *store.Row, why task.Reason, woken *[]store.Woken) {
	text, before := "", *row
	if row.State == task.Running {
		t := store.CanceledTransition(row, why)
		text = t.Error
		o.stop(row, &t)
	}
	o.finish(row, task.Canceled, why)
	o.ended(row, text, nil, woken)
	if before.State == task.Running {
		o.leaveSlowly(before)
		return
	}
	o.leaveGates(before, true, woken)
}

// stop ends the attempt of a task, which can settle nothing any more.
func (o *Oracle) stop(row *store.Row, t *store.Transition) {
	o.record(row, t)
	row.LastOutcome, row.LastCode, row.LastError, row.LastCause = t.Outcome, t.Code, t.Error, t.Cause
	row.Token++
}

func (o *Oracle) Retry(_ context.Context, id task.ID) ([]store.Woken, error) {
	return o.retry(id, store.Alone)
}

func (o *Oracle) retry(id task.ID, reach store.Reach) ([]store.Woken, error) {
	row := o.tasks[id]
	if row == nil {
		return nil, store.ErrNotFound
	}
	if err := row.CanRetry(); err != nil {
		return nil, err
	}
	undo := o.clone()
	if row.Flags&store.FlagNeed != 0 {
		if n := o.recount(id); n.Verdict().Reason() != task.NoReason {
			*o = *undo
			return nil, store.ErrUnmet
		}
	}
	if err := o.reclaim(id); err != nil {
		*o = *undo
		return nil, err
	}
	delete(o.dead, id)
	*row = row.Retried()
	if row.Flags&store.FlagWaits != 0 {
		o.leaveCalls(row, reach)
		o.reset(id, 0, nil)
	}
	var woken []store.Woken
	if err := o.enterAgain(row, task.Retried, &woken); err != nil {
		undo.last = o.last
		*o = *undo
		return nil, err
	}
	return woken, nil
}

func (o *Oracle) reclaim(id task.ID) error {
	var keys []store.HeldKey
	taken := map[store.KeyName]*store.Taken{}
	for _, k := range o.keysOf[id] {
		name := store.KeyName{Namespace: k.Namespace, Kind: k.Kind, Hash: k.Hash}
		keys = append(keys, store.HeldKey{KeyName: name, WhileOpen: k.WhileOpen})
		if e, ok := o.keys[keyName{k.Namespace, k.Kind, k.Hash}]; ok {
			taken[name] = &store.Taken{Entry: e}
			if row := o.tasks[e.Task]; row != nil {
				taken[name].State = row.State
			}
		}
	}
	entries, err := store.Reclaim(id, keys, taken, o.Clock())
	for _, e := range entries {
		o.keys[keyName{e.Namespace, e.Kind, e.Hash}] = e
	}
	return err
}

func (o *Oracle) RunNow(_ context.Context, id task.ID) ([]store.Woken, error) {
	row := o.tasks[id]
	if row == nil {
		return nil, store.ErrNotFound
	}
	if err := row.CanRunNow(); err != nil || row.State == task.Ready {
		return nil, err
	}
	delete(o.timers, id)
	var woken []store.Woken
	o.makeReady(row, o.position(), task.NoReason, &woken)
	return woken, nil
}

func (o *Oracle) RunBeyond(_ context.Context, id task.ID) ([]store.Woken, error) {
	row := o.tasks[id]
	if row == nil {
		return nil, store.ErrNotFound
	}
	if err := row.CanRunBeyond(); err != nil || row.State == task.Ready {
		return nil, err
	}
	delete(o.timers, id)
	var woken []store.Woken
	pos := o.position()
	if row.Flags&store.FlagGate != 0 {
		err := o.comeAgain(row, task.NoReason, pos, store.Beyond, &woken)
		return woken, err
	}
	err := o.makeReady(row, pos, task.NoReason, &woken)
	return woken, err
}

func (o *Oracle) Delete(_ context.Context, id task.ID) (woken []store.Woken, err error) {
	row := o.tasks[id]
	if row == nil {
		return nil, store.ErrNotFound
	}
	if err := row.CanDelete(); err != nil {
		return nil, err
	}
	if !row.State.Final() && row.Flags&store.FlagParent != 0 {
		o.tell(row, task.Canceled, task.Requested, "", nil, &woken)
	}
	if !row.State.Final() {
		o.follow(row, task.EndedBadly, &woken)
		o.leaveGates(*row, true, &woken)
	}
	o.erase(row)
	return woken, nil
}

func (o *Oracle) Purge(_ context.Context, lanes []int32, limit int) (purged int, woken []store.Woken, err error) {
	for _, e := range sortedReady(o.ready) {
		if purged < limit && slices.Contains(lanes, e.Lane) {
			o.cancel(o.tasks[e.ID], task.Requested, &woken)
			purged++
		}
	}
	for _, e := range o.waitingTimers() {
		if purged < limit && slices.Contains(lanes, e.Lane) {
			o.cancel(o.tasks[e.ID], task.Requested, &woken)
			purged++
		}
	}
	var waited []*store.Row
	for _, n := range o.sortedNeeds() {
		if purged < limit && n.Waits && slices.Contains(lanes, n.Lane) {
			waited = append(waited, o.tasks[n.Task])
			o.finish(o.tasks[n.Task], task.Canceled, task.Requested)
			purged++
		}
	}
	for _, row := range waited {
		o.ended(row, "", nil, &woken)
	}
	waiting := map[task.ID]bool{}
	for e := range o.lines {
		if slices.Contains(lanes, e.Lane) {
			waiting[e.Task] = true
		}
	}
	for _, row := range o.sortedTasks() {
		if purged < limit && waiting[row.ID] {
			o.cancel(row, task.Requested, &woken)
			purged++
		}
	}
	return purged, woken, nil
}

// Place stores a task as ready at a position of the caller's choice, as a commit
// that arrives late does.
func (o *Oracle) Place(t store.NewTask, position int64) {
	var woken []store.Woken
	row := &store.Row{ID: t.ID, Lane: t.Lane, Priority: t.Priority, Kind: t.Kind, Run: 1, MaxAttempts: t.MaxAttempts, CreatedAt: position}
	o.tasks[t.ID] = row
	o.makeReady(row, position, task.NoReason, &woken)
}

// Suspect stores a task as ready that has crashed once.
func (o *Oracle) Suspect(t store.NewTask) {
	var woken []store.Woken
	row := &store.Row{ID: t.ID, Lane: t.Lane, Priority: t.Priority, Kind: t.Kind, Run: 1, MaxAttempts: t.MaxAttempts, CreatedAt: o.Clock(), Crashes: 1}
	o.tasks[t.ID] = row
	o.makeReady(row, o.position(), task.Interrupted, &woken)
}
