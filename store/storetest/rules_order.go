package storetest

import (
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

var rulesOfOrder = []rule{
	{"what several ends make ready stands in the order of the ends", endsInOrder},
	{"a due task that replaces another one that is due runs alone", dueReplaces},
	{"a task that replaces others does not replace itself", replacesOthers},
	{"a function restarted at its gates says so", restartedAtGates},
	{"who follows is left alone when the task that lives again is gone", revivedAndGone},
	{"who follows runs when the task that lived again has done well and is gone", revivedByOneGone},
	{"a key of a batch is free when the task before it can never run", keyOfBatch},
}

// endsInOrder: of two calls that a purge ends, a task waits for the first and its caller
// for the second.
func endsInOrder(m *machine) {
	parent := m.hold(task.Function)
	first := m.put(m.plain(task.HTTP))
	after := m.after(task.Always, first)
	after.Lane = m.lanes[1].ID // which is not purged
	follower := m.put(after)
	m.wait(parent) // behind the first in line
	m.purgeLane(m.lanes[0].ID, everything)
	a, b := m.rowOf(follower), m.rowOf(parent.ID)
	require.Equal(m.rt, []task.State{task.Ready, task.Ready}, []task.State{a.State, b.State})
	require.Less(m.rt, a.At, b.At)
}

func dueReplaces(m *machine) {
	g := m.own(store.DuplicateGate, store.ReplaceThem)
	old, young := m.at(g), m.at(g)
	old.RunAt, young.RunAt = m.now+second, m.now+second
	older, newer := m.put(old), m.put(young)
	m.now += 2 * second
	m.promoteUpTo(everything)
	m.stands(older, task.Canceled, task.Replaced)
	m.stands(newer, task.Ready, task.NoReason)
}

// replacesOthers: what was canceled while it ran is there until it has stopped, and lives
// again before.
func replacesOthers(m *machine) {
	n := m.at(m.own(store.DuplicateGate, store.ReplaceThem))
	n.Kind = task.Function
	c := m.took(n)
	m.steer("cancel", c.ID)
	m.steer("retry", c.ID)
	m.compareAll()
	m.stands(c.ID, task.Blocked, task.Duplicate)
	m.left([]store.Held{{ID: c.ID, Token: c.Token}})
	m.stands(c.ID, task.Ready, task.NoReason)
}

func restartedAtGates(m *machine) {
	n := m.at(m.own(store.OrderGate, store.WaitInLine))
	n.Kind, n.RunAt = task.Function, m.now+second
	id := m.put(n)
	m.steer("restart", id)
	m.stands(id, task.Ready, task.Restarted)
}

func revivedAndGone(m *machine) {
	chain := m.broken()
	m.steer("retry followers", chain[0])
	m.steer("cancel", chain[0])
	m.steer("delete", chain[0])
	m.followUp()
	m.stands(chain[1], task.Canceled, task.DependencyFailed)
}

func revivedByOneGone(m *machine) {
	chain := m.runAgainAndGo(task.Success)
	m.stands(chain[1], task.Ready, task.Retried)
	m.stands(chain[2], task.Blocked, task.Depends)
	m.end(m.take(chain[1]), task.Success)
	m.stands(chain[2], task.Ready, task.NoReason)
}

func keyOfBatch(m *machine) {
	chain := m.broken()
	key := m.unique(store.Return)
	first, second := m.after(task.AllOK, chain[0]), m.keyed(key)
	first.Keys = second.Keys
	got, _, err := m.real.Insert(ctx, []store.NewTask{first, second}, false)
	require.NoError(m.rt, err)
	require.Equal(m.rt, []store.InsertStatus{store.Created, store.Created}, []store.InsertStatus{got[0].Status, got[1].Status})
	m.stands(first.ID, task.Canceled, task.DependencyFailed)
	m.stands(second.ID, task.Ready, task.NoReason)
}
