package storetest

import (
	"bytes"
	"context"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// functions is what the oracle keeps of durable functions.
type functions struct {
	waits    map[task.ID]store.Wait
	messages map[task.ID][]store.Message
	journals map[task.ID][]segment
	states   map[task.ID]string
	progress map[task.ID]store.Progress
}

type segment struct {
	task.Segment
	token int64
}

func newFunctions() functions {
	return functions{
		waits: map[task.ID]store.Wait{}, messages: map[task.ID][]store.Message{},
		journals: map[task.ID][]segment{}, states: map[task.ID]string{}, progress: map[task.ID]store.Progress{},
	}
}

// appendable tells whether a segment can be added to a journal.
func (f *functions) appendable(id task.ID, s *task.Segment) bool {
	return !slices.ContainsFunc(f.journals[id], func(o segment) bool { return o.Offset == s.Offset })
}

func (f *functions) append(id task.ID, token int64, s task.Segment) {
	f.journals[id] = append(f.journals[id], segment{s, token})
	slices.SortFunc(f.journals[id], func(a, b segment) int { return cmpInt(a.Offset, b.Offset) })
}

// suspend has a function wait, or go on at once when enough has come already.
// Its calls are made first.
func (o *Oracle) suspend(row *store.Row, t *store.Transition, woken *[]store.Woken) {
	e := t.Effects
	if e == nil {
		e = &store.Effects{}
	}
	w := o.waits[row.ID]
	w.Task = row.ID
	usedUp := w.Suspend(t.Token, e.Seen, e.Open, e.Need, e.Prompt)
	o.states[row.ID] = string(e.State)
	if e.State == nil {
		delete(o.states, row.ID)
	}
	o.messages[row.ID] = slices.DeleteFunc(slices.Clone(o.messages[row.ID]), func(m store.Message) bool { return m.Seq <= usedUp })
	for _, m := range e.Tell {
		m.Seq = w.Put(m.Urgent())
		o.messages[row.ID] = append(o.messages[row.ID], m)
	}
	o.waits[row.ID] = w
	for i := range e.Calls {
		call := store.Called(&e.Calls[i], w.Epoch, o.Clock())
		o.insert(&call, woken)
	}
	if w.Met() || e.Hurries(row.Flags) {
		o.makeReady(row, o.position(), task.NoReason, woken)
		return
	}
	o.later(row, task.Suspended, t.Decision.Reason, o.Clock()+t.Decision.Delay.Microseconds())
}

// ended tells all who wait for the end of a task.
func (o *Oracle) ended(row *store.Row, errorText string, body []byte, woken *[]store.Woken) {
	o.endedAlone(row, errorText, body, woken)
	o.follow(row, row.End(), woken)
}

// endedAlone tells the parent, and lets go of what only a living function needs.
func (o *Oracle) endedAlone(row *store.Row, errorText string, body []byte, woken *[]store.Woken) {
	if w, ok := o.waits[row.ID]; ok {
		w.End()
		o.waits[row.ID] = w
	}
	delete(o.messages, row.ID)
	delete(o.states, row.ID)
	if row.Flags&store.FlagParent != 0 {
		o.tell(row, row.State, row.Reason, errorText, body, woken)
	}
}

// tell gives the end of a call to its parent.
func (o *Oracle) tell(row *store.Row, state task.State, why task.Reason, errorText string, body []byte, woken *[]store.Woken) {
	w, ok := o.waits[row.Parent]
	if !ok || !w.Takes(row.Epoch) {
		return
	}
	o.deliver(row.Parent, store.Message{
		Kind: store.Result, From: row.ID, Correlation: row.Correlation, State: state, Reason: why, Error: errorText, Body: body,
	}, woken)
}

func (o *Oracle) deliver(to task.ID, m store.Message, woken *[]store.Woken) {
	w := o.waits[to]
	w.Task = to
	m.Seq = w.Put(m.Urgent())
	o.waits[to] = w
	o.messages[to] = append(slices.Clone(o.messages[to]), m)
	if row := o.tasks[to]; row.State == task.Suspended && w.Met() {
		delete(o.timers, to)
		o.makeReady(row, o.position(), task.NoReason, woken)
	}
}

// reset forgets everything but the input and signals: those of tell, and those
// after seen. They are told anew; what earlier calls bring is dropped from now on.
func (o *Oracle) reset(id task.ID, seen int64, tell []store.Message) {
	delete(o.states, id)
	delete(o.journals, id)
	w := o.waits[id]
	w.Task = id
	old := o.messages[id]
	delete(o.messages, id)
	usedUp := w.Reset(seen)
	left := slices.Clone(tell)
	for _, m := range old {
		if m.Kind == store.Signal && m.Seq > usedUp {
			left = append(left, m)
		}
	}
	for _, m := range left {
		m.Seq = w.Put(m.Urgent())
		o.messages[id] = append(o.messages[id], m)
	}
	o.waits[id] = w
}

func (o *Oracle) replace(row *store.Row, n *store.Next) {
	row.Spec = n.Spec
	o.payloads[row.ID] = string(n.Payload)
	row.Flags = row.Flags&^store.FlagBody | store.PayloadFlag(n.Payload)
}

func (o *Oracle) Resume(_ context.Context, id task.ID, after int64, limit, maxBytes int) (store.Resumption, error) {
	w := o.waits[id]
	r := store.Resumption{Epoch: w.Epoch, Open: w.Open, Writer: w.Writer}
	if s, ok := o.states[id]; ok {
		r.State = []byte(s)
	}
	for _, s := range o.journals[id] {
		r.Journal += int64(len(s.Bytes))
	}
	behind := slices.DeleteFunc(slices.Clone(o.messages[id]), func(m store.Message) bool { return m.Seq <= after })
	r.Messages, r.More = store.Page(behind, limit, maxBytes)
	return r, nil
}

func (o *Oracle) Journal(_ context.Context, id task.ID) ([]task.Segment, error) {
	var out []task.Segment
	for _, s := range o.journals[id] {
		out = append(out, s.Segment)
	}
	return out, nil
}

func (o *Oracle) Append(_ context.Context, cs []store.Checkpoint) ([]error, error) {
	errs := make([]error, len(cs))
	for i, c := range cs {
		row := o.tasks[c.ID]
		at := slices.IndexFunc(o.journals[c.ID], func(s segment) bool { return s.Offset == c.Offset })
		switch {
		case row == nil || row.Flags&store.FlagWaits == 0 || row.State != task.Running || row.Token != c.Token:
			errs[i] = store.ErrLeaseLost
		case at < 0:
			o.append(c.ID, c.Token, c.Segment)
		case o.journals[c.ID][at].token != c.Token || !bytes.Equal(o.journals[c.ID][at].Bytes, c.Bytes):
			errs[i] = store.ErrBadValue
		}
	}
	return errs, nil
}

func (o *Oracle) Signal(_ context.Context, id task.ID, name string, body []byte) ([]store.Woken, error) {
	row := o.tasks[id]
	if row == nil {
		return nil, store.ErrNotFound
	}
	if err := row.CanTell(); err != nil {
		return nil, err
	}
	var woken []store.Woken
	o.tellAll(id, []store.Message{{Kind: store.Signal, Name: name, Body: body}}, &woken)
	return woken, nil
}

func (o *Oracle) tellAll(id task.ID, signals []store.Message, woken *[]store.Woken) {
	for _, m := range signals {
		o.deliver(id, m, woken)
	}
}

// Undo implements store.Functions.
func (o *Oracle) Undo(_ context.Context, id task.ID, grace int64) ([]store.Woken, error) {
	row := o.tasks[id]
	if row == nil {
		return nil, store.ErrNotFound
	}
	if err := row.CanUndo(); err != nil {
		return nil, err
	}
	*row = row.Undone(o.Clock() + grace)
	var woken []store.Woken
	if _, waits := o.timers[id]; waits {
		delete(o.timers, id)
		o.makeReady(row, o.position(), task.NoReason, &woken)
	}
	return woken, nil
}

func (o *Oracle) Restart(_ context.Context, id task.ID) ([]store.Woken, error) {
	row := o.tasks[id]
	if row == nil {
		return nil, store.ErrNotFound
	}
	if err := row.CanRestart(); err != nil {
		return nil, err
	}
	if row.State.Final() {
		return o.retry(id, store.WithCalls)
	}
	o.leaveCalls(row, store.WithCalls)
	if row.State == task.Running {
		t := store.RestartedTransition(row)
		o.stop(row, &t)
	}
	delete(o.ready, id)
	delete(o.timers, id)
	o.reset(id, 0, nil)
	*row = row.Restarted()
	var woken []store.Woken
	o.makeReady(row, o.position(), task.Restarted, &woken)
	return woken, nil
}

func (o *Oracle) Tree(_ context.Context, root, after task.ID, limit int) ([]store.Row, error) {
	var out []store.Row
	for _, row := range o.sortedTasks() {
		if (row.ID == root || row.Root == root) && bytes.Compare(row.ID[:], after[:]) > 0 && len(out) < limit {
			out = append(out, *row)
		}
	}
	return out, nil
}
