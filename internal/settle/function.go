package settle

import (
	"context"
	"errors"
	"time"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// functionEffects adds to the transition of a function what its run leaves
// behind: calls, state, journal, the news for its parent.
func (s *Settler) functionEffects(ctx context.Context, c *store.Claimed, t *store.Transition, o *task.Outcome) error {
	e := &store.Effects{}
	t.Effects = e
	s.untilExpiry(c, &t.Decision)
	p := o.Progress
	e.Told = c.Flags&store.FlagCanceling != 0
	if p == nil {
		return nil
	}
	e.Append, e.Restart, e.Undo = p.Append, p.Restart, undo(p, t.Decision.To)
	if p.Next != nil && !t.Decision.To.Final() {
		e.Seen, e.Tell = p.Seen, messages(p.Untaken)
		e.Restart, e.Next = true, &store.Next{Spec: p.Next.Spec.Encode(), Payload: p.Next.Payload}
	}
	e.Cancel, e.Abandon = p.Cancel, abandoned(p, t)
	if t.Decision.To != task.Suspended {
		return nil
	}
	e.State, e.Seen, e.Open = p.State, p.Seen, p.Open
	refusal, err := s.makeCalls(ctx, c, p, e)
	if err != nil {
		return err
	}
	e.Need, e.Prompt = task.Need(p.Min, p.Max, e.Open), p.Prompt
	if refusal != "" { // to be told at once, whatever else it waits for
		e.Tell, e.Need = []store.Message{{Kind: store.PollError, Error: store.CleanText(refusal, store.MaxError)}}, 1
	}
	return nil
}

// abandoned tells whether nobody waits any more for any of the calls that were made.
func abandoned(p *task.Progress, t *store.Transition) bool {
	return t.Effects.Restart && (p.Restart || p.CancelOpen) || p.CancelOpen && t.Decision.To.Final()
}

// undo is what a run tells of what there is to undo. A run that failed may not have
// come to it; what begins anew has done nothing yet.
func undo(p *task.Progress, to task.State) store.Undo {
	switch {
	case p.Restart || p.Next != nil:
		return store.UndoNothing
	case p.Undo:
		return store.UndoSomething
	case to == task.Suspended:
		return store.UndoNothing
	}
	return store.UndoAsBefore
}

func messages(signals []task.Signal) []store.Message {
	list := make([]store.Message, len(signals))
	for i, s := range signals {
		list[i] = store.Message{Kind: store.Signal, Name: s.Name, Body: s.Value}
	}
	return list
}

// makeCalls turns the calls of a poll into rows: all of them, or none and why.
func (s *Settler) makeCalls(ctx context.Context, c *store.Claimed, p *task.Progress, e *store.Effects) (refusal string, err error) {
	if p.PollError != "" {
		return p.PollError, nil
	}
	for i := range p.Calls {
		row, err := s.cfg.Call(ctx, c, &p.Calls[i])
		if invalid, ok := errors.AsType[task.Invalid](err); ok || errors.Is(err, store.ErrTooManyQueues) || errors.Is(err, store.ErrOldNode) {
			e.Calls, e.Open = nil, p.Open-task.WaitedFor(p.Calls)
			if ok {
				err = invalid
			}
			return "the call of " + p.Calls[i].Spec.Function + " cannot be made: " + err.Error(), nil
		}
		if err != nil {
			return "", err
		}
		e.Calls = append(e.Calls, row)
	}
	return "", nil
}

// untilExpiry has a function that waits look up when it expires at the latest,
// so that it ends on time.
func (s *Settler) untilExpiry(c *store.Claimed, d *task.Decision) {
	switch d.To {
	case task.Suspended, task.Scheduled, task.Blocked:
	default:
		return
	}
	left := task.MaxExpiration
	if c.ExpiresAt != 0 {
		left = time.Duration(max(c.ExpiresAt-s.cfg.Store.Now(), 0)) * time.Microsecond
	}
	if d.To == task.Suspended && d.Delay == 0 {
		d.Delay = left
	}
	d.Delay = min(d.Delay, left)
}

// unstorable is the outcome of a run whose journal does not fit the one that is
// stored: the run counts as failed and is made again from what is there.
func unstorable(o task.Outcome) task.Outcome {
	return task.Outcome{Class: task.Failure, Code: o.Code, Error: "the journal does not continue the one that is stored: another segment is in its place"}
}

// leavesTodo tells whether a transition leaves calls to be canceled.
func leavesTodo(t *store.Transition) bool {
	return t.Effects != nil && (t.Effects.Abandon || len(t.Effects.Cancel) > 0)
}
