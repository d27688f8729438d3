package store

import (
	"fmt"

	"github.com/sendoff-dev/sendoff/task"
)

// GateFloor is what a Keeper reads and writes, in the transaction of whoever asks it.
type GateFloor interface {
	// Gate reads and locks a gate; nil when there is none.
	Gate(id Hash) (*GateRow, error)

	// PutGate writes a gate, or deletes one that is over.
	PutGate(g *GateRow, over bool) error

	// First returns who is first in line at a gate; nil for nobody.
	First(gate Hash) (*Row, error)

	// PutLine adds a place in line. TakeLine takes it away, and tells whether it was there.
	PutLine(e LineEntry) error
	TakeLine(e LineEntry) (bool, error)

	// Admit has a task that stood in line wait where it waits now.
	Admit(row *Row, p Placement) error
}

// Keeper applies the rules of gates. It is made for one step of one transaction, and
// Close writes what it knows.
type Keeper struct {
	Now    int64
	Floor  GateFloor
	Counts *GateCounts // what is decided is added to it; nil = nobody counts

	known []*GateRow
	asked map[Hash]int64 // gates to be opened later, and when
}

// Close ends the step: it writes the gates and returns what is left to do.
func (k *Keeper) Close() ([]Todo, error) {
	for _, g := range k.known {
		if err := k.Floor.PutGate(g, g.Over(k.Now)); err != nil {
			return nil, err
		}
	}
	var todos []Todo
	for _, g := range k.known {
		if at, ok := k.asked[g.ID]; ok {
			todos = append(todos, Todo{Kind: OpenGate, Task: task.ID(g.ID), At: at})
		}
	}
	k.known, k.asked = nil, nil
	return todos, nil
}

func (k *Keeper) count(g *GateRow, what GateEvent) {
	if k.Counts != nil {
		k.Counts.add(g.Kind, what)
	}
}

func (k *Keeper) later(id Hash, at int64) {
	if k.asked == nil {
		k.asked = map[Hash]int64{}
	}
	if before, ok := k.asked[id]; !ok || at < before {
		k.asked[id] = at
	}
}

// gate is a gate as this step knows it; nil when there is none.
func (k *Keeper) gate(id Hash) (*GateRow, error) {
	for _, g := range k.known {
		if g.ID == id {
			return g, nil
		}
	}
	g, err := k.Floor.Gate(id)
	if err == nil && g != nil {
		k.known = append(k.known, g)
	}
	return g, err
}

// rows are the gates of a task, which are made when there are none.
func (k *Keeper) rows(gates []Gate) ([]*GateRow, error) {
	rows := make([]*GateRow, len(gates))
	for i := range gates {
		a := &gates[i]
		id := a.ID()
		g, err := k.gate(id)
		if err != nil {
			return nil, err
		}
		if g == nil {
			g = &GateRow{ID: id, Kind: a.Kind, Namespace: a.Namespace, Name: a.Name, Capacity: a.Capacity, Every: a.Every, Burst: a.Burst}
			k.known = append(k.known, g)
		}
		rows[i] = g
	}
	return rows, nil
}

// Entered is how a task has come to its gates.
type Entered struct {
	Placement         // Flags are those of the task as this leaves them
	Holder    task.ID // of the gate that dropped it: who is there
	Replaces  Hash    // gate whose tasks are to be canceled first, before it comes again as one that has to wait
}

// Dropped tells whether the task is not to be carried out.
func (e *Entered) Dropped() bool { return e.State == task.Canceled }

// Refusal is ErrDuplicate for a task that is dropped when it was to run again: it stays
// as it was, and who asked for that is told.
func (e *Entered) Refusal(how Arrival) error {
	if !e.Dropped() || how != Again {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrDuplicate, e.Holder)
}

// Enter decides what becomes of a task that could run now, and counts it at its gates,
// which are in the order of their ids. wait has it wait where its own rule says
// otherwise. One that keeps its places has them before it comes to its limits, of which
// it takes all or none; what a rate gives is taken last.
func (k *Keeper) Enter(row *Row, gates []Gate, how Arrival, why task.Reason, wait bool) (Entered, error) {
	return k.enter(row, gates, how, why, wait, nil)
}

// enter is Enter of a task that is known to be first in line at a gate.
func (k *Keeper) enter(row *Row, gates []Gate, how Arrival, why task.Reason, wait bool, first *GateRow) (Entered, error) {
	rows, err := k.rows(gates)
	if err != nil {
		return Entered{}, err
	}
	v := visit{k: k, row: row, gates: gates, rows: rows, how: how, first: first}
	v.Entry, v.Flags = Enter(row.Entrant(), why), row.Flags
	if how == Newcomer {
		for i, g := range rows {
			if g.takes(&gates[i]) {
				k.later(g.ID, k.Now)
			}
		}
	}
	if row.Flags&FlagHolds == 0 {
		if in, err := v.keep(wait); err != nil || !in {
			return v.Entered, err
		}
	}
	return v.Entered, v.limits()
}

// EnterFirst is what Enter decides for a new task whose only gate is not there, and what
// that gate is then; false when a gate has to be asked.
func EnterFirst(row *Row, gates []Gate, why task.Reason) (e Entered, g GateRow, ok bool) {
	if len(gates) != 1 || gates[0].Every != 0 {
		return e, g, false
	}
	a := &gates[0]
	e.Entry, e.Flags = Enter(row.Entrant(), why), row.Flags|FlagHolds
	return e, GateRow{ID: a.ID(), Kind: a.Kind, Namespace: a.Namespace, Name: a.Name, Capacity: a.Capacity, Burst: a.Burst, Inside: 1, Holder: row.ID}, true
}

// visit is a task at its gates.
type visit struct {
	k     *Keeper
	row   *Row
	gates []Gate
	rows  []*GateRow
	how   Arrival
	first *GateRow // in whose line it is known to be first
	Entered
}

// keep takes the places that the task keeps until it ends, all or none.
func (v *visit) keep(wait bool) (in bool, err error) {
	var full *GateRow
	for i, g := range v.rows {
		if !g.Kind.Keeps() || v.how == Beyond {
			continue
		}
		if rule := v.gates[i].OnFull; rule != WaitInLine && !wait && v.how != Turn {
			switch task.Admit(rule.rule(), int(g.Inside), int(g.Waiting)) {
			case task.Dropped:
				return false, v.drop(g)
			case task.Replaces:
				v.Replaces = g.ID
				v.k.count(g, GateReplaced)
				return false, nil
			}
		}
		free, err := v.free(g)
		if err != nil {
			return false, err
		}
		if !free && full == nil {
			full = g
		}
	}
	if full != nil {
		return false, v.line(full.Kind.reason(), func(g *GateRow) bool { return g.Kind.Keeps() })
	}
	for _, g := range v.rows {
		if !g.Kind.Keeps() {
			continue
		}
		if err := v.unline(g); err != nil {
			return false, err
		}
		v.inside(g)
	}
	v.Flags |= FlagHolds
	return true, nil
}

// inside counts the task as one that has a place.
func (v *visit) inside(g *GateRow) {
	g.Inside++
	g.Holder = v.row.ID
	if v.how == Turn {
		v.k.count(g, GateHandedOver)
	} else {
		v.k.count(g, GateEntered)
	}
}

func (v *visit) drop(g *GateRow) error {
	v.k.count(g, GateDropped)
	v.Holder = g.Holder
	if g.Inside == 0 {
		first, err := v.k.Floor.First(g.ID)
		if err != nil {
			return err
		}
		v.Holder = first.ID
	}
	v.Entry = Entry{State: task.Canceled, Reason: task.Skipped, Lane: v.row.Lane}
	return nil
}

// free tells whether it is the task's turn at a gate.
func (v *visit) free(g *GateRow) (bool, error) {
	if !g.Room() || g.Waiting == 0 {
		return g.Room(), nil
	}
	if v.how != Turn {
		return g.Kind == LimitGate && v.slot(), nil
	}
	if g == v.first {
		return true, nil
	}
	first, err := v.k.Floor.First(g.ID)
	return err == nil && first != nil && first.ID == v.row.ID, err
}

// slot tells whether the task has come at the time that a rate gave it.
func (v *visit) slot() bool {
	return v.row.Flags&FlagSlot != 0 && v.row.State == task.Scheduled && v.row.Reason == task.Throttled && !Late(v.gates, v.row.At, v.k.Now) && v.row.At <= v.k.Now
}

// limits takes places at the limits, all or none, and then a slot of their rates.
func (v *visit) limits() error {
	v.Flags &^= FlagSlot
	for _, g := range v.rows {
		if g.Kind.Keeps() || v.how == Beyond {
			continue
		}
		free, err := v.free(g)
		if err != nil {
			return err
		}
		if !free {
			return v.line(task.Limited, func(other *GateRow) bool { return other == g })
		}
	}
	slot := v.k.Now
	for _, g := range v.rows {
		if !g.Kind.Keeps() {
			if err := v.unline(g); err != nil {
				return err
			}
			slot = max(slot, g.Slot(v.k.Now))
		}
	}
	spent := v.slot() || v.how == Beyond
	for _, g := range v.rows {
		if g.Kind.Keeps() {
			continue
		}
		if !spent {
			g.spend(slot)
		}
		if spent || slot <= v.k.Now {
			v.inside(g)
		} else if g.Every > 0 {
			v.k.count(g, GateThrottled)
		}
	}
	if !spent && slot > v.k.Now {
		v.Entry = Entry{State: task.Scheduled, Reason: task.Throttled, Lane: v.row.Lane, Priority: v.row.Priority}
		v.Due = slot
		v.Flags |= FlagSlot
	}
	return nil
}

// line has the task stand in line at those of its gates for which at is true. One that
// stands in line already keeps its number.
func (v *visit) line(why task.Reason, at func(*GateRow) bool) error {
	number := v.row.At
	if !v.row.InGateLine() {
		number = v.k.Now
		for _, g := range v.rows {
			if at(g) {
				number = max(number, g.Last+1)
			}
		}
	}
	for _, g := range v.rows {
		if err := v.unline(g); err != nil {
			return err
		}
	}
	next := *v.row
	next.At = number
	for _, g := range v.rows {
		if !at(g) {
			continue
		}
		if err := v.k.Floor.PutLine(g.Place(&next)); err != nil {
			return err
		}
		if !v.row.InGateLine() {
			v.k.count(g, GateInLine)
		}
		g.Waiting++
		g.Last = max(g.Last, number)
	}
	v.Entry, v.Due = Entry{State: task.Blocked, Reason: why, Lane: v.row.Lane, Priority: v.row.Priority}, number
	return nil
}

func (v *visit) unline(g *GateRow) error { return v.k.unline(v.row, g) }

// unline takes a task out of the line at a gate, if it stands there.
func (k *Keeper) unline(row *Row, g *GateRow) error {
	if !row.InGateLine() {
		return nil
	}
	there, err := k.Floor.TakeLine(g.Place(row))
	if there {
		g.Waiting--
	}
	return err
}

// Leave gives up the places of a task that ends, as it stands before. Whoever is first
// in line enters in its place.
func (k *Keeper) Leave(row *Row, gates []Gate) error {
	return k.leave(row, gates, func(GateKind) bool { return true })
}

// LeaveLimits gives up the places that a task does not keep while it waits.
func (k *Keeper) LeaveLimits(row *Row, gates []Gate) error {
	return k.leave(row, gates, func(kind GateKind) bool { return !kind.Keeps() })
}

func (k *Keeper) leave(row *Row, gates []Gate, which func(GateKind) bool) error {
	rows, err := k.rows(gates)
	if err != nil {
		return err
	}
	for _, g := range rows {
		if !which(g.Kind) {
			continue
		}
		if row.Inside(g.Kind) {
			g.Inside--
		} else if err := k.unline(row, g); err != nil {
			return err
		}
	}
	for _, g := range rows {
		if which(g.Kind) {
			if err := k.handOver(g); err != nil {
				return err
			}
		}
	}
	return nil
}

// handOver lets whoever is first in line enter. One that has other gates as well is
// left for Open, which locks all of them in their order.
func (k *Keeper) handOver(g *GateRow) error {
	if g.Waiting == 0 || !g.Room() {
		return nil
	}
	row, err := k.Floor.First(g.ID)
	if err != nil || row == nil {
		return err
	}
	gates, err := DecodeGates(row.Gates)
	if err != nil {
		return err
	}
	if len(gates) > 1 {
		k.later(g.ID, k.Now)
		return nil
	}
	at, _, err := k.admit(row, gates, g)
	if err == nil && g.Waiting > 0 && g.Room() {
		k.later(g.ID, at)
	}
	return err
}

// admit lets the first in line at a gate enter, and says when the next one may be looked at.
// moved tells whether it stands elsewhere now.
func (k *Keeper) admit(row *Row, gates []Gate, g *GateRow) (next int64, moved bool, err error) {
	e, err := k.enter(row, gates, Turn, task.NoReason, true, g)
	if err != nil {
		return 0, false, err
	}
	if e.State == task.Blocked && e.Reason == row.Reason && row.Reason != task.Limited {
		return 0, false, nil // it waits for another gate of the same kind, where it stands in line as well
	}
	next = k.Now
	if e.State == task.Scheduled {
		next = max(k.Now, e.Due-slotAhead)
	}
	return next, true, k.Floor.Admit(row, e.Placement)
}

const (
	slotAhead = second // how long before its time a slot of a rate is given to who stands in line
	openPage  = 64     // tasks that are looked at before a gate is left for later
)

// Open lets tasks in that stand in line at a gate.
func (k *Keeper) Open(id Hash) error {
	g, err := k.gate(id)
	if err != nil || g == nil {
		return err
	}
	for n := 0; g.Waiting > 0 && g.Room(); n++ {
		if n == openPage {
			k.later(id, k.Now)
			return nil
		}
		row, err := k.Floor.First(id)
		if err != nil || row == nil {
			return err
		}
		gates, err := DecodeGates(row.Gates)
		if err != nil {
			return err
		}
		next, moved, err := k.admit(row, gates, g)
		if err != nil || !moved {
			return err
		}
		if next > k.Now {
			k.later(id, next)
			return nil
		}
	}
	return nil
}

// Set configures a limit.
func (k *Keeper) Set(l Limit) error {
	g, err := k.limit(l.Namespace, l.Key)
	if err != nil {
		return err
	}
	g.Capacity, g.Every, g.Burst, g.Paused, g.Configured = l.Capacity, l.Every, l.Burst, l.Paused, true
	if g.Waiting > 0 && g.Room() {
		k.later(g.ID, k.Now)
	}
	return nil
}

// Forget makes a limit one that is not configured. ErrNotFound when it was not.
func (k *Keeper) Forget(namespace int32, key string) error {
	g, err := k.gate(GateID(namespace, LimitGate, key))
	switch {
	case err != nil:
		return err
	case g == nil || !g.Configured:
		return ErrNotFound
	}
	g.Configured, g.Paused = false, false
	if g.Waiting > 0 {
		k.later(g.ID, k.Now)
	}
	return nil
}

func (k *Keeper) limit(namespace int32, key string) (*GateRow, error) {
	rows, err := k.rows([]Gate{{Kind: LimitGate, Namespace: namespace, Name: key}})
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}
