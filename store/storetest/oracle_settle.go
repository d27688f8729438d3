package storetest

import (
	"context"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func (o *Oracle) Settle(_ context.Context, ts []store.Transition) ([]error, []store.Woken, error) {
	errs := make([]error, len(ts))
	var woken []store.Woken
	for i := range ts {
		errs[i] = o.settle(&ts[i], &woken)
	}
	return errs, woken, nil
}

func (o *Oracle) settle(t *store.Transition, woken *[]store.Woken) error {
	row := o.tasks[t.ID]
	switch {
	case row == nil:
		return store.ErrLeaseLost
	case t.Applied(row.Token, row.State, row.LastOutcome):
		return nil
	case row.Token != t.Token || row.State != task.Running:
		return store.ErrLeaseLost
	}
	e := t.Effects
	if e != nil && e.Append != nil {
		if !o.appendable(row.ID, e.Append) {
			return store.ErrBadValue
		}
		o.append(row.ID, t.Token, *e.Append)
	}
	w, waited := o.waits[row.ID]
	o.leave(t.Todo(waited, w.Epoch, o.Clock()))
	o.record(row, t)
	row.LastOutcome, row.LastCode, row.LastError = t.Outcome, t.Code, store.CleanText(t.Error, store.MaxError)
	row.LastCause = t.Cause
	if e != nil && e.Restart {
		o.reset(row.ID, e.Seen, e.Tell)
	}
	if t.BeginsAgain() {
		row.Run++
	}
	if e != nil && e.Next != nil {
		o.replace(row, e.Next)
	}
	if e != nil {
		row.Flags = e.Undo.In(row.Flags)
	}
	before := *row
	before.State = task.Running
	o.move(row, t, woken)
	o.movedOn(before, row, woken)
	return nil
}

// movedOn gives up the places of a task that has ended its attempt.
func (o *Oracle) movedOn(before store.Row, row *store.Row, woken *[]store.Woken) {
	switch store.PlaceOf(row.State, row.Reason) {
	case store.Nowhere:
		o.leaveGates(before, true, woken)
	case store.InTimer:
		o.leaveGates(before, false, woken)
	}
}

func (o *Oracle) record(row *store.Row, t *store.Transition) {
	if !t.Recorded() {
		return
	}
	o.attempts[row.ID] = append(o.attempts[row.ID], store.AttemptRow{
		Token: row.Token, Run: row.Run, Number: t.Number(), Node: row.Node, StartedAt: row.LastStarted,
		FinishedAt: o.Clock(), Outcome: t.Outcome, Code: t.Code, Error: store.CleanText(t.Error, store.MaxError), Cause: t.Cause, Answer: t.Answer,
	})
	o.attempts[row.ID] = store.Kept(o.attempts[row.ID])
}

func (o *Oracle) move(row *store.Row, t *store.Transition, woken *[]store.Woken) {
	d := t.Decision
	row.Failures, row.Crashes = d.Failures, d.Crashes
	place := store.PlaceOf(d.To, d.Reason)
	switch {
	case d.To == task.Suspended:
		o.suspend(row, t, woken)
	case place == store.InReady:
		o.makeReady(row, row.At, d.Reason, woken)
	case place == store.InTimer:
		if t.Effects.Hurries(row.Flags) {
			d.Delay = 0
		}
		o.later(row, d.To, d.Reason, o.Clock()+d.Delay.Microseconds())
	default:
		o.finish(row, d.To, d.Reason)
		o.ended(row, store.CleanText(t.Error, store.MaxError), t.Answer.Body, woken)
	}
}
