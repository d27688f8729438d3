package storetest

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// doors is what the oracle keeps of gates: neither who is inside nor how many wait is
// counted, both are looked for among the tasks.
type doors struct {
	gates   map[store.Hash]store.GateRow
	lines   map[store.LineEntry]bool
	leavers map[store.Held]store.Leaver
	counts  store.GateCounts
}

func newDoors() doors {
	return doors{gates: map[store.Hash]store.GateRow{}, lines: map[store.LineEntry]bool{}, leavers: map[store.Held]store.Leaver{}}
}

func (d doors) clone() doors {
	return doors{gates: maps.Clone(d.gates), lines: maps.Clone(d.lines), leavers: maps.Clone(d.leavers), counts: d.counts}
}

// row is a gate with those who are there. as is a task that counts as it stands there,
// whatever has become of it.
func (o *Oracle) gateRow(id store.Hash, as *store.Row) (store.GateRow, bool) {
	g, ok := o.gates[id]
	if !ok {
		return g, false
	}
	inside := func(row *store.Row) {
		if as != nil && row.ID == as.ID && row != as || row.State.Final() {
			return
		}
		gates, _ := store.DecodeGates(row.Gates)
		for i := range gates {
			if gates[i].ID() == id && row.Inside(gates[i].Kind) {
				g.Inside++
			}
		}
	}
	for _, row := range o.tasks {
		inside(row)
	}
	for _, l := range o.leavers {
		gates, _ := store.DecodeGates(l.Gates)
		if slices.ContainsFunc(gates, func(a store.Gate) bool { return a.ID() == id }) {
			g.Inside++
		}
	}
	if as != nil {
		inside(as)
	}
	for e := range o.lines {
		if e.Gate == id {
			g.Waiting++
		}
	}
	return g, true
}

// gateFloor is the oracle as a store.Keeper sees it.
type gateFloor struct {
	o     *Oracle
	as    *store.Row
	woken *[]store.Woken
}

func (f gateFloor) Gate(id store.Hash) (*store.GateRow, error) {
	if g, ok := f.o.gateRow(id, f.as); ok {
		return &g, nil
	}
	return nil, nil
}

func (f gateFloor) PutGate(g *store.GateRow, over bool) error {
	if over {
		delete(f.o.gates, g.ID)
		return nil
	}
	kept := *g
	kept.Inside, kept.Waiting = 0, 0
	f.o.gates[g.ID] = kept
	return nil
}

func (f gateFloor) First(gate store.Hash) (*store.Row, error) {
	for _, e := range f.o.lineAt(gate) {
		row := *f.o.tasks[e.Task]
		return &row, nil
	}
	return nil, nil
}

func (o *Oracle) lineAt(gate store.Hash) []store.LineEntry {
	line := slices.SortedFunc(maps.Keys(o.lines), store.CompareLine)
	return slices.DeleteFunc(line, func(e store.LineEntry) bool { return e.Gate != gate })
}

func (f gateFloor) PutLine(e store.LineEntry) error {
	f.o.lines[e] = true
	return nil
}

func (f gateFloor) TakeLine(e store.LineEntry) (bool, error) {
	there := f.o.lines[e]
	delete(f.o.lines, e)
	return there, nil
}

func (f gateFloor) Admit(row *store.Row, p store.Placement) error {
	var pos int64
	if p.State == task.Ready {
		pos = f.o.position()
	}
	f.o.stand(f.o.tasks[row.ID], p, pos, f.woken)
	return nil
}

func (o *Oracle) stand(row *store.Row, p store.Placement, pos int64, woken *[]store.Woken) {
	if p.State != task.Ready {
		pos = p.Due
	}
	row.State, row.Reason, row.At, row.Flags = p.State, p.Reason, pos, p.Flags
	switch p.State {
	case task.Ready:
		o.ready[row.ID] = store.ReadyEntry{Lane: p.Lane, Priority: p.Priority, Position: pos, ID: row.ID}
		*woken = store.Collect(*woken, p.Woken(pos))
	case task.Scheduled:
		o.timers[row.ID] = store.TimerEntry{Lane: row.Lane, At: pos, ID: row.ID}
	}
}

func (o *Oracle) atGates(as *store.Row, woken *[]store.Woken, step func(*store.Keeper) error) error {
	k := store.Keeper{Now: o.Clock(), Floor: gateFloor{o, as, woken}, Counts: &o.counts}
	if err := step(&k); err != nil {
		return err
	}
	todos, err := k.Close()
	for _, t := range todos {
		if before, there := o.todos[nameOf(&t)]; there {
			t.At = min(t.At, before.At)
		}
		o.leave(&t)
	}
	return err
}

func (o *Oracle) enterGates(row *store.Row, how store.Arrival, why task.Reason, woken *[]store.Woken) (e store.Entered) {
	gates, _ := store.DecodeGates(row.Gates)
	for _, wait := range []bool{false, true} {
		_ = o.atGates(nil, woken, func(k *store.Keeper) (err error) {
			e, err = k.Enter(row, gates, how, why, wait)
			return err
		})
		if e.Replaces == (store.Hash{}) {
			break
		}
		o.cancelAt(e.Replaces, woken)
	}
	return e
}

func (o *Oracle) cancelAt(gate store.Hash, woken *[]store.Woken) {
	g, _ := o.gateRow(gate, nil)
	var ids []task.ID
	for _, e := range o.lineAt(gate) {
		if len(ids) < store.MaxReplaced {
			ids = append(ids, e.Task)
		}
	}
	if g.Inside > 0 {
		ids = append(ids, g.Holder)
	}
	for _, id := range ids {
		if row := o.tasks[id]; row != nil && !row.State.Final() {
			o.cancel(row, task.Replaced, woken)
		}
	}
}

// comeAgain lets a task come to its gates that has waited for something else.
func (o *Oracle) comeAgain(row *store.Row, why task.Reason, pos int64, how store.Arrival, woken *[]store.Woken) error {
	switch {
	case row.State == task.Ready || row.State == task.Running: // it is inside
		o.stand(row, store.Placement{Entry: store.Enter(row.Entrant(), why), Flags: row.Flags}, pos, woken)
		return nil
	case how == store.Beyond:
	case row.InGateLine():
		return nil
	default:
		how = row.ArrivalOf(why)
	}
	e := o.enterGates(row, how, why, woken)
	switch {
	case e.Refusal(how) != nil:
		return e.Refusal(how)
	case e.Dropped():
		o.finish(row, e.State, e.Reason)
		o.ended(row, "", nil, woken)
	default:
		o.stand(row, e.Placement, pos, woken)
	}
	return nil
}

// leaveGates gives up the places of a task that ends, given as it stood before, or those
// that it does not keep while it waits.
func (o *Oracle) leaveGates(before store.Row, ends bool, woken *[]store.Woken) {
	if before.Flags&store.FlagGate == 0 {
		return
	}
	gates, _ := store.DecodeGates(before.Gates)
	_ = o.atGates(&before, woken, func(k *store.Keeper) error {
		if ends {
			return k.Leave(&before, gates)
		}
		return k.LeaveLimits(&before, gates)
	})
}

func (o *Oracle) leaveSlowly(before store.Row) {
	if before.Flags&store.FlagGate != 0 {
		o.leavers[store.Held{ID: before.ID, Token: before.Token}] = store.Leaver{Task: before.ID, Token: before.Token, Node: before.Node, Gates: before.Gates}
	}
}

// left lets go of the places of attempts that have stopped, those for which gone is true.
func (o *Oracle) left(woken *[]store.Woken, gone func(*store.Leaver) bool) {
	for _, l := range o.sortedLeavers() {
		if !gone(&l) {
			continue
		}
		delete(o.leavers, store.Held{ID: l.Task, Token: l.Token})
		row := l.Row()
		row.ID = task.ID{} // it counts beside its task, which may run again
		o.leaveGates(row, true, woken)
	}
}

func (o *Oracle) sortedLeavers() []store.Leaver {
	return slices.SortedFunc(maps.Values(o.leavers), func(a, b store.Leaver) int {
		return cmp.Or(bytes.Compare(a.Task[:], b.Task[:]), cmpInt(a.Token, b.Token))
	})
}

func (o *Oracle) Left(_ context.Context, stopped []store.Held) (woken []store.Woken, err error) {
	for _, h := range stopped {
		o.left(&woken, func(l *store.Leaver) bool { return l.Task == h.ID && l.Token == h.Token })
	}
	return woken, nil
}

func (o *Oracle) Open(_ context.Context, id store.Hash) (woken []store.Woken, err error) {
	delete(o.todos, todoName{task.ID(id), store.OpenGate, 0})
	err = o.atGates(nil, &woken, func(k *store.Keeper) error { return k.Open(id) })
	return woken, err
}

func (o *Oracle) SetLimit(_ context.Context, l store.Limit) error {
	return o.atGates(nil, nil, func(k *store.Keeper) error { return k.Set(l) })
}

func (o *Oracle) DeleteLimit(_ context.Context, namespace int32, key string) error {
	return o.atGates(nil, nil, func(k *store.Keeper) error { return k.Forget(namespace, key) })
}

func (o *Oracle) Gate(_ context.Context, id store.Hash) (store.GateRow, error) {
	if g, ok := o.gateRow(id, nil); ok {
		return g, nil
	}
	return store.GateRow{}, store.ErrNotFound
}

func (o *Oracle) Limits(_ context.Context, namespace int32, after string, n int) ([]store.GateRow, error) {
	var out []store.GateRow
	for id, g := range o.gates {
		if g.Configured && g.Namespace == namespace && g.Name > after {
			row, _ := o.gateRow(id, nil)
			out = append(out, row)
		}
	}
	slices.SortFunc(out, func(a, b store.GateRow) int { return cmp.Compare(a.Name, b.Name) })
	return out[:min(n, len(out))], nil
}

// forgetGates is what Retain does for gates.
func (o *Oracle) forgetGates(limit int) {
	var over []store.GateRow
	for id := range o.gates {
		if g, _ := o.gateRow(id, nil); g.Inside == 0 && g.Waiting == 0 && !g.Configured && g.Next <= o.Clock() {
			over = append(over, g)
		}
	}
	slices.SortFunc(over, func(a, b store.GateRow) int { return cmp.Or(cmpInt(a.Next, b.Next), bytes.Compare(a.ID[:], b.ID[:])) })
	for _, g := range over[:min(limit, len(over))] {
		delete(o.gates, g.ID)
	}
}

func (o *Oracle) snapGates(s *store.Snapshot) {
	for id := range o.gates {
		g, _ := o.gateRow(id, nil)
		s.Gates = append(s.Gates, g)
	}
	slices.SortFunc(s.Gates, func(a, b store.GateRow) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	s.Lines = slices.SortedFunc(maps.Keys(o.lines), store.CompareLine)
	s.Leavers = o.sortedLeavers()
}
