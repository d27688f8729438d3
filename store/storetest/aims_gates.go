package storetest

import (
	"maps"
	"slices"
	"strconv"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

var answersOfGates = slices.Sorted(maps.Keys(aimsOfGates))

// own is a gate of nobody else.
func (m *machine) own(kind store.GateKind, rule store.OnFull) store.Gate {
	id := m.newID()
	return store.Gate{Kind: kind, Namespace: store.DefaultNamespace, Name: "own " + id.String(), Capacity: 1, OnFull: rule}
}

func (m *machine) at(gates ...store.Gate) store.NewTask {
	n := m.plain(task.HTTP)
	n.Gates = gates
	return n
}

// stands asserts where a task is.
func (m *machine) stands(id task.ID, state task.State, why task.Reason) {
	row := m.rowOf(id)
	require.Equal(m.rt, []any{state, why}, []any{row.State, row.Reason}, "task %s", id)
}

func (m *machine) openAll() {
	for _, todo := range m.oracle.sortedTodos() {
		if todo.Kind == store.OpenGate && todo.At <= m.now {
			m.open(store.Hash(todo.Task))
		}
	}
}

// aimAtGates leads to an answer.
func (m *machine) aimAtGates(what string) {
	aimsOfGates[what](m)
	m.saw("way to " + what)
}

var aimsOfGates = both(aimsAtGates, aimsOfChangesAtGates)

var aimsAtGates = map[string]func(*machine){
	"ahead at a gate": func(m *machine) {
		g := m.own(store.LimitGate, store.WaitInLine)
		for range 4 {
			m.put(m.at(g))
		}
		m.readAheadAtGates(2)
	},
	"insert:dropped": func(m *machine) {
		g := m.own(store.DuplicateGate, store.Drop)
		first := m.put(m.at(g))
		second := m.at(g)
		m.submit([]store.NewTask{second}, false)
		require.Nil(m.rt, m.oracle.tasks[second.ID], "it is not stored")
		m.end(m.grab(first), task.Success)
		m.stands(m.put(second), task.Ready, task.NoReason)
	},
	"gate:in line, then handed over": func(m *machine) {
		for _, kind := range []store.GateKind{store.LimitGate, store.OrderGate, store.DuplicateGate} {
			g := m.own(kind, store.WaitInLine)
			ids := []task.ID{m.put(m.at(g)), m.put(m.at(g)), m.put(m.at(g))}
			for i, id := range ids {
				m.stands(id, task.Ready, task.NoReason)
				for _, behind := range ids[i+1:] {
					require.Equal(m.rt, task.Blocked, m.rowOf(behind).State)
				}
				m.end(m.grab(id), task.Success)
			}
		}
	},
	"gate:a retry keeps its place in order": func(m *machine) {
		for _, kind := range []store.GateKind{store.OrderGate, store.LimitGate} {
			g := m.own(kind, store.WaitInLine)
			first, second := m.put(m.at(g)), m.put(m.at(g))
			m.end(m.grab(first), task.Failure)
			keeps := kind == store.OrderGate
			m.stands(second, map[bool]task.State{true: task.Blocked, false: task.Ready}[keeps], map[bool]task.Reason{true: task.Ordered}[keeps])
			m.steer("run", first)
			m.stands(first, map[bool]task.State{true: task.Ready, false: task.Blocked}[keeps], map[bool]task.Reason{false: task.Limited}[keeps])
		}
	},
	"gate:queue one": func(m *machine) {
		g := m.own(store.DuplicateGate, store.WaitOne)
		first, second := m.put(m.at(g)), m.put(m.at(g))
		m.submit([]store.NewTask{m.at(g)}, false)
		m.stands(second, task.Blocked, task.Duplicate)
		m.steer("cancel", first)
		m.stands(second, task.Ready, task.NoReason)
	},
	"gate:replaces who waits and who runs": func(m *machine) {
		g := m.own(store.DuplicateGate, store.WaitInLine)
		replace := g
		replace.OnFull = store.ReplaceThem
		c := m.took(m.at(g))
		waits := m.put(m.at(g))
		last := m.put(m.at(replace))
		m.stands(c.ID, task.Canceled, task.Replaced)
		m.stands(waits, task.Canceled, task.Replaced)
		m.stands(last, task.Blocked, task.Duplicate)
		m.left([]store.Held{{ID: c.ID, Token: c.Token}})
		m.stands(last, task.Ready, task.NoReason)
	},
	"gate:canceled while it runs": func(m *machine) {
		g := m.own(store.LimitGate, store.WaitInLine)
		c := m.took(m.at(g))
		next := m.put(m.at(g))
		m.steer("cancel", c.ID)
		m.stands(next, task.Blocked, task.Limited)
		m.steer("retry", c.ID)
		m.stands(c.ID, task.Blocked, task.Limited)
		m.left([]store.Held{{ID: c.ID, Token: c.Token}})
		m.left([]store.Held{{ID: c.ID, Token: c.Token}})
		m.stands(next, task.Ready, task.NoReason)
		m.stands(c.ID, task.Blocked, task.Limited)
	},
	"gate:its node is lost": func(m *machine) {
		g := m.own(store.OrderGate, store.WaitInLine)
		c, canceled := m.took(m.at(g)), m.own(store.OrderGate, store.WaitInLine)
		next := m.put(m.at(g))
		gone := m.took(m.at(canceled))
		after := m.put(m.at(canceled))
		m.steer("cancel", gone.ID)
		m.now += 11 * second
		m.register()
		m.rescueAs(m.nodes[len(m.nodes)-1], nil, everything)
		m.stands(c.ID, task.Ready, task.Interrupted)
		m.stands(next, task.Blocked, task.Ordered)
		m.stands(after, task.Ready, task.NoReason)
	},
	"gate:expired": func(m *machine) {
		n := m.at(m.own(store.LimitGate, store.WaitInLine))
		n.ExpiresAt = m.now + 1
		m.put(n)
		next := m.put(m.at(n.Gates...))
		m.now++
		c := m.grab(n.ID)
		m.end(c, task.Expire)
		m.stands(n.ID, task.Failed, task.Expired)
		m.stands(next, task.Ready, task.NoReason)
	},
	"gate:expired in line": func(m *machine) {
		for _, kind := range []store.GateKind{store.LimitGate, store.OrderGate, store.DuplicateGate} {
			g, other := m.own(kind, store.WaitInLine), m.own(store.OrderGate, store.WaitInLine)
			first := m.put(m.at(g))
			n := m.at(g, other)
			n.ExpiresAt = m.now + 1
			waits, ready := m.put(n), m.at(m.own(kind, store.WaitInLine))
			ready.ExpiresAt = n.ExpiresAt
			m.put(ready)
			next, behind := m.put(m.at(g)), m.put(m.at(other))
			follower := m.put(m.after(task.AnyFailed, waits))
			m.expire([]task.ID{waits, m.newID()})
			m.stands(waits, task.Blocked, m.rowOf(waits).Reason)
			m.now++
			m.retainFrom(task.ID{}, everything)
			m.openAll()
			m.stands(waits, task.Failed, task.Expired)
			m.stands(ready.ID, task.Ready, task.NoReason)
			m.stands(follower, task.Ready, task.NoReason)
			m.stands(behind, task.Ready, task.NoReason)
			m.stands(next, task.Blocked, m.rowOf(next).Reason)
			m.end(m.grab(first), task.Success)
			m.stands(next, task.Ready, task.NoReason)
			m.steer("retry", waits)
			m.stands(waits, task.Blocked, m.rowOf(waits).Reason)
		}
	},
	"run:in-line": func(m *machine) {
		g := m.own(store.LimitGate, store.WaitInLine)
		first, second, third := m.put(m.at(g)), m.put(m.at(g)), m.put(m.at(g))
		m.steer("run", second)
		m.steer("run beyond", second)
		m.stands(second, task.Ready, task.NoReason)
		m.end(m.grab(first), task.Success)
		m.stands(third, task.Blocked, task.Limited)
		m.end(m.grab(second), task.Success)
		m.stands(third, task.Ready, task.NoReason)
	},
	"run:rate": func(m *machine) {
		g := m.own(store.LimitGate, store.WaitInLine)
		g.Capacity, g.Every, g.Burst = 0, 3*second, 1
		m.stands(m.put(m.at(g)), task.Ready, task.NoReason)
		id := m.put(m.at(g))
		m.stands(id, task.Scheduled, task.Throttled)
		require.Equal(m.rt, m.now+3*second, m.rowOf(id).At)
		m.steer("run", id)
		m.now += 3 * second
		m.promoteUpTo(everything)
		m.stands(id, task.Ready, task.NoReason)
	},
	"rate:late": func(m *machine) {
		g := m.own(store.LimitGate, store.WaitInLine)
		g.Capacity, g.Every, g.Burst = 0, second, 1
		ids := []task.ID{m.put(m.at(g)), m.put(m.at(g)), m.put(m.at(g)), m.put(m.at(g))}
		m.now += 3600 * second
		m.promoteUpTo(everything)
		m.stands(ids[1], task.Ready, task.NoReason)
		m.stands(ids[2], task.Scheduled, task.Throttled)
		m.stands(ids[3], task.Scheduled, task.Throttled)
	},
	"retry:duplicate": func(m *machine) {
		g := m.own(store.DuplicateGate, store.Drop)
		first := m.put(m.at(g))
		m.end(m.grab(first), task.Reject)
		m.put(m.at(g))
		m.steer("retry", first)
		m.stands(first, task.Failed, task.Rejected)
	},
	"gate:calls of a caller at a gate": func(m *machine) {
		for _, end := range endsOfCalls {
			mine, theirs := m.own(store.LimitGate, store.WaitInLine), m.own(store.DuplicateGate, store.Drop)
			n := m.at(mine)
			n.Kind, n.Lane = task.Function, m.lanes[0].ID
			parent := m.took(n)
			end(m, parent, theirs)
			m.stands(parent.ID, task.Ready, task.NoReason)
		}
	},
	"gate:dropped when it is due": func(m *machine) {
		g := m.own(store.DuplicateGate, store.Drop)
		n := m.at(g)
		n.Delay = second
		id := m.put(n)
		m.put(m.at(g))
		m.now += second
		m.promoteUpTo(everything)
		m.stands(id, task.Canceled, task.Skipped)
	},
	"gate:order and limit": func(m *machine) {
		order, limit := m.own(store.OrderGate, store.WaitInLine), m.own(store.LimitGate, store.WaitInLine)
		outside := m.put(m.at(limit))
		first, second := m.put(m.at(order, limit)), m.put(m.at(order))
		m.stands(first, task.Blocked, task.Limited)
		m.stands(second, task.Blocked, task.Ordered)
		m.end(m.grab(outside), task.Success)
		m.openAll()
		m.stands(first, task.Ready, task.NoReason)
		m.stands(second, task.Blocked, task.Ordered)
		m.end(m.grab(first), task.Success)
		m.stands(second, task.Ready, task.NoReason)
	},
	"gate:two limits": func(m *machine) {
		a, b := m.own(store.LimitGate, store.WaitInLine), m.own(store.LimitGate, store.WaitInLine)
		inA, inB := m.put(m.at(a)), m.put(m.at(b))
		both := m.put(m.at(a, b))
		m.end(m.grab(inA), task.Success)
		m.openAll()
		m.stands(both, task.Blocked, task.Limited)
		inA = m.put(m.at(a))
		m.stands(inA, task.Ready, task.NoReason)
		m.end(m.grab(inB), task.Success)
		m.openAll()
		m.stands(both, task.Blocked, task.Limited)
		m.end(m.grab(inA), task.Success)
		m.openAll()
		m.stands(both, task.Ready, task.NoReason)
	},
	"limit:raised, lowered, paused": func(m *machine) {
		g := m.own(store.LimitGate, store.WaitInLine)
		l := store.Limit{Namespace: g.Namespace, Key: g.Name, Capacity: 2}
		m.configure(l)
		var ids []task.ID
		for range 5 {
			ids = append(ids, m.put(m.at(g)))
		}
		m.stands(ids[1], task.Ready, task.NoReason)
		m.stands(ids[2], task.Blocked, task.Limited)
		l.Capacity = 1
		m.configure(l)
		m.end(m.grab(ids[0]), task.Success)
		m.stands(ids[2], task.Blocked, task.Limited)
		l.Capacity = 3
		m.configure(l)
		m.openAll()
		m.stands(ids[3], task.Ready, task.NoReason)
		m.stands(ids[4], task.Blocked, task.Limited)
		l.Paused = true
		m.configure(l)
		for _, id := range ids[1:4] {
			m.end(m.grab(id), task.Success)
		}
		m.stands(ids[4], task.Blocked, task.Limited)
		m.deleteLimit(g.Name)
		m.openAll()
		m.stands(ids[4], task.Ready, task.NoReason)
	},
	"limit:set":              func(m *machine) { m.configure(store.Limit{Namespace: store.DefaultNamespace, Key: "1", Capacity: 1}) },
	"limit:delete-not-found": func(m *machine) { m.deleteLimit("nobody's") },
	"gate:many are let in in pages": func(m *machine) {
		g := m.own(store.LimitGate, store.WaitInLine)
		ids := []task.ID{m.put(m.at(g))}
		for i := range 70 {
			n := m.at(g)
			n.Priority = int16(i % 2)
			n.Group = strconv.Itoa(i)
			ids = append(ids, m.put(n))
		}
		m.configure(store.Limit{Namespace: g.Namespace, Key: g.Name})
		m.openAll()
		m.openAll()
		for _, id := range ids {
			m.stands(id, task.Ready, task.NoReason)
		}
	},
}

// endsOfCalls are ways in which the call of a function ends at a gate: each tells its caller.
var endsOfCalls = []func(m *machine, caller store.Claimed, g store.Gate){
	func(m *machine, caller store.Claimed, g store.Gate) { m.steer("cancel", m.wait(caller, g)) },
	func(m *machine, caller store.Claimed, g store.Gate) {
		m.put(m.at(g))
		m.wait(caller, g)
		m.comesDue() // and is dropped
	},
	func(m *machine, caller store.Claimed, g store.Gate) {
		m.wait(caller, g)
		m.comesDue()
		g.OnFull = store.ReplaceThem
		m.put(m.at(g))
	},
	func(m *machine, caller store.Claimed, g store.Gate) {
		replaces := g
		replaces.OnFull = store.ReplaceThem
		failed := m.put(m.at(replaces))
		m.end(m.grab(failed), task.Reject)
		m.wait(caller, g)
		m.comesDue()
		m.steer("retry", failed)
	},
	func(m *machine, caller store.Claimed, g store.Gate) {
		call := m.wait(caller, g)
		m.comesDue()
		m.succeed(m.grab(call))
	},
}

// comesDue lets time go on until calls with gates are due.
func (m *machine) comesDue() {
	m.now++
	m.promoteUpTo(everything)
}

// took stores a task and claims it.
func (m *machine) took(n store.NewTask) store.Claimed { return m.grab(m.put(n)) }

// grab returns a task in the hands of a living node, whether it is there or is claimed now.
func (m *machine) grab(id task.ID) store.Claimed {
	for i, c := range m.held {
		if row := m.oracle.tasks[id]; c.ID == id && row.State == task.Running && row.Token == c.Token {
			m.held = slices.Delete(m.held, i, i+1)
			return c
		}
	}
	return m.take(id)
}
