package storetest

import (
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

var rulesOfGates = []rule{
	{"a task of several limits has no place while it waits, and enters when all have room", often(limitsTogether)},
	{"nobody is passed over for ever when all under one limit are under the other", often(limitsNested)},
	{"a task of an order and of duplicates is not overtaken", ordersTogether},
}

// often checks with several gates: their ids, and so the order in which they are locked and
// opened, are left to chance.
func often(check func(*machine)) func(*machine) {
	return func(m *machine) {
		for range 3 {
			check(m)
		}
	}
}

// busy is a gate for one that is never without somebody inside and in line.
type busy struct {
	m      *machine
	gate   store.Gate
	inside task.ID
	next   task.ID
}

func (m *machine) busy(kind store.GateKind) *busy {
	b := &busy{m: m, gate: m.own(kind, store.WaitInLine)}
	b.inside, b.next = m.put(m.at(b.gate)), m.put(m.at(b.gate))
	return b
}

// turn ends who is inside, after another one has come. It tells whether the next one has
// entered.
func (b *busy) turn() bool {
	behind := b.m.put(b.m.at(b.gate))
	b.leave()
	if b.m.rowOf(b.next).State == task.Blocked {
		return false
	}
	b.inside, b.next = b.next, behind
	return true
}

// leave ends who is inside.
func (b *busy) leave() {
	b.m.end(b.m.grab(b.inside), task.Success)
	b.m.openAll()
}

// limitsTogether: as long as others keep each of its limits busy, it waits, and they do
// not: no place is kept free for it. It enters before those who have come to its line
// later.
func limitsTogether(m *machine) {
	a, b := m.busy(store.LimitGate), m.busy(store.LimitGate)
	both := m.put(m.at(a.gate, b.gate))
	for range 10 {
		require.True(m.rt, a.turn(), "a place at the first limit is not used")
		require.True(m.rt, b.turn(), "a place at the second limit is not used")
		m.stands(both, task.Blocked, task.Limited)
	}
	b.leave()
	b.inside = b.next
	b.leave()
	m.compareAll()
	m.stands(both, task.Blocked, task.Limited)
	require.False(m.rt, a.turn(), "one that came later has overtaken it")
	m.stands(both, task.Ready, task.NoReason)
}

// limitsNested: many are under the first limit alone, nobody under the second alone. With
// each end another one comes that is.
func limitsNested(m *machine) {
	outer, inner := m.own(store.LimitGate, store.WaitInLine), m.own(store.LimitGate, store.WaitInLine)
	all := []task.ID{m.put(m.at(outer)), m.put(m.at(outer)), m.put(m.at(outer, inner)), m.put(m.at(outer, inner)), m.put(m.at(inner, outer))}
	both := all[2:5:5]
	var ended []task.ID
	for range 4 * len(all) {
		all = append(all, m.put(m.at(outer)))
		inside := slices.IndexFunc(all, func(id task.ID) bool { return m.rowOf(id).State == task.Ready })
		require.GreaterOrEqual(m.rt, inside, 0, "the place is not used")
		ended = append(ended, all[inside])
		m.end(m.grab(all[inside]), task.Success)
		m.openAll()
	}
	m.compareAll()
	for _, id := range both {
		require.Contains(m.rt, ended, id)
	}
}

// ordersTogether: it is first in both lines, where the others wait for it.
func ordersTogether(m *machine) {
	order, twice := m.own(store.OrderGate, store.WaitInLine), m.own(store.DuplicateGate, store.WaitInLine)
	before := []task.ID{m.put(m.at(order)), m.put(m.at(twice))}
	both := m.put(m.at(order, twice))
	behind := []task.ID{m.put(m.at(order)), m.put(m.at(twice))}
	for _, id := range before {
		require.Equal(m.rt, task.Blocked, m.rowOf(both).State)
		m.end(m.grab(id), task.Success)
		m.openAll()
		for _, id := range behind {
			require.Equal(m.rt, task.Blocked, m.rowOf(id).State, "it has overtaken the one before it")
		}
	}
	m.stands(both, task.Ready, task.NoReason)
	m.end(m.grab(both), task.Success)
	m.openAll()
	for _, id := range behind {
		m.stands(id, task.Ready, task.NoReason)
	}
}
