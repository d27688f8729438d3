package storetest

import (
	"bytes"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// changeSome changes a task, mostly one that has not started.
func (m *machine) changeSome(t *rapid.T) {
	id := m.anyID(t)
	var open []task.ID
	for _, row := range m.oracle.sortedTasks() {
		if !row.State.Final() && row.FirstStarted == 0 {
			open = append(open, row.ID)
		}
	}
	if len(open) > 0 && rapid.IntRange(0, 4).Draw(t, "open") > 0 {
		id = rapid.SampledFrom(open).Draw(t, "not started")
	}
	m.change(m.someChange(t, id))
}

func (m *machine) someChange(t *rapid.T, id task.ID) *store.Change {
	c := &store.Change{ID: id, Spec: []byte("other spec"), MaxAttempts: 4}
	row := m.oracle.tasks[id]
	if row == nil {
		return c
	}
	if c.Was = row.Spec; rapid.IntRange(0, 9).Draw(t, "stale") == 0 {
		c.Was = []byte("what it was before")
	}
	given := func(what string) bool { return rapid.IntRange(0, 2).Draw(t, what) == 0 }
	if given("lane") {
		c.Lane = new(rapid.SampledFrom(m.lanesLike(row.Lane)).Draw(t, "to"))
	}
	if given("priority") {
		c.Priority = new(rapid.SampledFrom([]int16{0, 5, 9}).Draw(t, "prio"))
	}
	if given("due") {
		c.Due = new(rapid.SampledFrom([]int64{0, m.now, m.now + 1, m.now + second, m.now + 20*second}).Draw(t, "at"))
	}
	if given("expiry") {
		c.ExpiresAt = new(rapid.SampledFrom([]int64{0, m.now + second, m.now + 20*second}).Draw(t, "expires"))
	}
	if given("payload") {
		c.Payload = new(bytes.Repeat([]byte{'y'}, rapid.SampledFrom([]int{0, 1, store.InlinePayload, store.InlinePayload + 1}).Draw(t, "size")))
		if row.Flags&store.FlagGate != 0 && rapid.Bool().Draw(t, "gates") {
			c.Gates = &[]store.Gate{m.gate(t)}
		}
	}
	if keys := m.oracle.keysOf[id]; len(keys) > 0 && given("key") {
		c.Unique = &store.Renaming{From: keys[0].Hash, To: m.hash(t)}
	}
	return c
}

// lanesLike are the lanes of the pool that a lane is of.
func (m *machine) lanesLike(lane int32) (ids []int32) {
	pool := ""
	for _, l := range m.lanes {
		if l.ID == lane {
			pool = l.Pool
		}
	}
	for _, l := range m.lanes {
		if l.Pool == pool {
			ids = append(ids, l.ID)
		}
	}
	return ids
}

func (m *machine) change(c *store.Change) {
	woken, err := m.real.Change(ctx, c)
	want, wantErr := m.oracle.Change(ctx, c)
	m.same("change", errName(err), errName(wantErr))
	m.same("woken by change", sortWoken(woken), sortWoken(want))
	m.saw("change:" + errName(err))
}

// changed changes what a task has besides.
func (m *machine) changed(id task.ID, set func(c *store.Change)) store.Row {
	row := m.rowOf(id)
	c := &store.Change{ID: id, Was: row.Spec, Spec: row.Spec, MaxAttempts: row.MaxAttempts}
	set(c)
	m.change(c)
	return m.rowOf(id)
}

var aimsOfChanges = map[string]func(*machine){
	"change:ok": func(m *machine) {
		for _, size := range []int{1, store.InlinePayload + 1, store.InlinePayload + 2, 0} {
			id := m.put(m.delayed())
			m.changed(id, func(c *store.Change) { c.Spec, c.MaxAttempts, c.Payload = []byte("new"), 7, new(make([]byte, size)) })
			row := m.changed(id, func(c *store.Change) {
				c.Lane, c.Priority, c.ExpiresAt = &m.lanes[1].ID, new(int16(0)), new(m.now+1000*second)
			})
			require.Equal(m.rt, []any{m.lanes[1].ID, int16(0), int32(7), "new"}, []any{row.Lane, row.Priority, row.MaxAttempts, string(row.Spec)})
			m.changed(id, func(c *store.Change) { c.Due = new(m.now) })
			c := m.take(id)
			require.Len(m.rt, c.Payload, size)
			m.end(c, task.Success)
		}
	},
	"change:a ready task keeps its position": func(m *machine) {
		m.saw("change:a ready task keeps its position")
		first, other := m.put(m.plain(task.HTTP)), m.put(m.plain(task.HTTP))
		was := m.rowOf(first)
		row := m.changed(first, func(c *store.Change) { c.Lane = &m.lanes[1].ID })
		require.Equal(m.rt, was.At, row.At)
		m.changed(other, func(c *store.Change) { c.Due = new(m.now + second) })
		m.stands(other, task.Scheduled, task.Delayed)
		m.end(m.take(first), task.Success)
	},
	"change:unchangeable": func(m *machine) {
		c := m.hold(task.HTTP)
		m.changed(c.ID, func(c *store.Change) { c.Priority = new(int16(0)) })
		m.end(c, task.Failure)
		m.changed(c.ID, func(c *store.Change) { c.Priority = new(int16(0)) })
		m.end(m.hold(task.HTTP), task.Success)
	},
	"change:changed":   func(m *machine) { m.changed(m.put(m.delayed()), func(c *store.Change) { c.Was = []byte("old") }) },
	"change:not-found": func(m *machine) { m.change(&store.Change{ID: m.newID()}) },
	"change:key-held": func(m *machine) {
		held, key := m.unique(store.Reject), m.unique(store.Reject)
		other := m.put(m.keyed(held))
		id := m.put(m.keyed(key))
		rename := func(c *store.Change) { c.Unique = &store.Renaming{From: key.Hash, To: held.Hash} }
		m.changed(id, rename)
		m.steer("cancel", other)
		m.changed(id, rename)
		m.submit([]store.NewTask{m.keyed(held)}, false)
		m.submit([]store.NewTask{m.keyed(key)}, false)
	},
}

var aimsOfChangesAtGates = map[string]func(*machine){
	"change:the order stays": func(m *machine) {
		g := m.own(store.OrderGate, store.WaitInLine)
		ids := []task.ID{m.put(m.at(g)), m.put(m.at(g)), m.put(m.at(g))}
		m.changed(ids[0], func(c *store.Change) { c.Lane = &m.lanes[1].ID })
		m.changed(ids[2], func(c *store.Change) { c.Lane, c.Priority = &m.lanes[1].ID, new(int16(0)) })
		for i, id := range ids {
			m.stands(id, task.Ready, task.NoReason)
			m.end(m.grab(id), task.Success)
			if i == 0 {
				m.stands(ids[2], task.Blocked, task.Ordered)
			}
		}
	},
	"change:a priority counts in line at a limit": func(m *machine) {
		g := m.own(store.LimitGate, store.WaitInLine)
		ids := []task.ID{m.put(m.at(g)), m.put(m.at(g)), m.put(m.at(g))}
		m.changed(ids[2], func(c *store.Change) { c.Priority = new(int16(0)) })
		m.end(m.grab(ids[0]), task.Success)
		m.stands(ids[2], task.Ready, task.NoReason)
	},
	"change:a delay gives the places up": func(m *machine) {
		for _, kind := range []store.GateKind{store.LimitGate, store.OrderGate, store.DuplicateGate} {
			g := m.own(kind, store.WaitInLine)
			ids := []task.ID{m.put(m.at(g)), m.put(m.at(g)), m.put(m.at(g))}
			later := func(c *store.Change) { c.Due = new(m.now + second) }
			m.changed(ids[1], later)
			m.changed(ids[0], later)
			m.stands(ids[2], task.Ready, task.NoReason)
			m.changed(ids[1], func(c *store.Change) { c.Due = new(int64(0)) })
			m.end(m.grab(ids[2]), task.Success)
			m.stands(ids[1], task.Ready, task.NoReason)
			m.stands(ids[0], task.Scheduled, task.Delayed)
		}
	},
	"change:its payload is its key": func(m *machine) {
		g, other := m.own(store.DuplicateGate, store.WaitInLine), m.own(store.DuplicateGate, store.WaitInLine)
		first, waits := m.put(m.at(g)), m.put(m.at(g))
		set := func(c *store.Change) { c.Payload, c.Gates = new([]byte("new")), &[]store.Gate{other} }
		m.changed(waits, set)
		m.stands(waits, task.Blocked, task.Duplicate)
		m.changed(waits, func(c *store.Change) { set(c); c.Due = new(m.now + second) })
		m.changed(waits, func(c *store.Change) { c.Due = new(int64(0)) })
		m.stands(waits, task.Ready, task.NoReason)
		m.end(m.grab(first), task.Success)
	},
}

var aimsOfChangesOfDependents = map[string]func(*machine){
	"change:of one that waits for others": func(m *machine) {
		m.saw("change:of one that waits for others")
		up := m.put(m.plain(task.HTTP))
		down := m.put(m.after(task.AllOK, up))
		row := m.changed(down, func(c *store.Change) { c.Lane, c.Priority, c.Due = &m.lanes[1].ID, new(int16(0)), new(m.now+second) })
		require.Equal(m.rt, m.lanes[1].ID, row.Lane)
		m.stands(down, task.Blocked, task.Depends)
		m.end(m.take(up), task.Success)
		m.stands(down, task.Scheduled, task.Delayed)
		m.purgeLane(m.lanes[1].ID, everything)
	},
}
