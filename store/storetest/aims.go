package storetest

import (
	"maps"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// aims names every operation with every answer it can give, and leads there from
// whatever is stored. Random sequences find most answers by themselves, but
// none for certain.
var aims = both(both(both(both(aimsOfTasks, aimsOfAcks), aimsOfChanges), aimsOfQuotas), both(aimsOfFunctions, both(aimViews, both(both(aimGraphs, aimSavedViews), both(aimSchedules, both(aimAudit, both(aimVault, both(aimFailures, aimRollups))))))))

// The names of aims, in order.
var (
	answers            = slices.Sorted(maps.Keys(aims))
	answersOfFunctions = slices.Sorted(maps.Keys(aimsOfFunctions))
)

func both[V any](a, b map[string]V) map[string]V {
	c := maps.Clone(a)
	maps.Copy(c, b)
	return c
}

var aimsOfTasks = map[string]func(*machine){
	"insert:created":  func(m *machine) { m.put(m.plain(task.HTTP)) },
	"insert:existing": func(m *machine) { m.putTwice(m.idempotent("x"), m.idempotent("x")) },
	"insert:mismatch": func(m *machine) { m.putTwice(m.idempotent("x"), m.idempotent("y")) },
	"insert:conflict": func(m *machine) { m.putTwice(m.unique(store.Reject), m.unique(store.Reject)) },
	"insert:skipped": func(m *machine) {
		key := m.idempotent("x")
		other := key
		other.Body = store.HashOf([]byte("y"))
		m.put(m.keyed(key))
		m.submit([]store.NewTask{m.plain(task.HTTP), m.keyed(other)}, true)
	},
	"insert:again": func(m *machine) {
		m.put(m.plain(task.HTTP))
		m.submitAgain(m.groups[len(m.groups)-1])
	},
	"claim:tasks": func(m *machine) { m.hold(task.HTTP) },
	"claim:none":  func(m *machine) { m.claimAs(store.ClaimRequest{ID: m.newID(), Node: m.alive(), Limit: 1}) },
	"claim:expired": func(m *machine) {
		n := m.plain(task.HTTP)
		n.ExpiresAt = m.now + 1
		m.put(n)
		m.now++
		m.claimLine(n.ID)
	},
	"claim:dead-node": func(m *machine) {
		m.put(m.plain(task.HTTP))
		m.register()
		node := m.nodes[len(m.nodes)-1]
		m.leave(node)
		m.claimAs(store.ClaimRequest{ID: m.newID(), Node: node, Limit: 1, Slots: []store.ClaimSlot{{Lane: m.lanes[0].ID, Priority: 5, Limit: 1}}})
	},
	"settle:ok":    func(m *machine) { m.end(m.hold(task.HTTP), task.Success) },
	"settle:again": func(m *machine) { m.settleOnceMore(m.end(m.hold(task.HTTP), task.Success)) },
	"attempts:of-each-size": func(m *machine) {
		m.saw("attempts:of-each-size")
		for _, size := range []int{1, store.InlineAnswer, store.InlineAnswer + 1} {
			c := m.hold(task.HTTP)
			for range 2 { // what a run brought back is shown after the next one as well
				m.settleAll([]store.Transition{m.decided(c, task.Outcome{Class: task.Failure, Code: 500, Error: "boom"})})
				m.steer("run", c.ID)
				c = m.take(c.ID)
				m.settleAll([]store.Transition{m.decided(c, task.Outcome{Class: task.Success, Code: 200, Answer: task.Answer{Body: make([]byte, size)}})})
				m.readAttempts(c.ID)
				m.steer("retry", c.ID)
				m.readAttempts(c.ID)
				c = m.take(c.ID)
			}
			m.end(c, task.Success)
			m.readAttempts(c.ID)
			m.now += 10 * second
			m.retainFrom(task.ID{}, everything)
			m.readAttempts(c.ID)
		}
	},
	"settle:lost": func(m *machine) {
		c := m.hold(task.HTTP)
		m.steer("cancel", c.ID)
		m.end(c, task.Success)
	},
	"promote:some": func(m *machine) {
		m.put(m.delayed())
		m.now += second
		m.promoteUpTo(everything)
	},
	"promote:none": func(m *machine) {
		m.promoteUpTo(everything)
		m.promoteUpTo(1)
	},
	"rescue:tasks": func(m *machine) { m.lose(task.HTTP, m.put(m.plain(task.HTTP))) },
	"rescue:none": func(m *machine) {
		m.rescueAs(m.alive(), nil, everything)
		m.rescueAs(m.alive(), nil, 1)
	},
	"rescue:poison": func(m *machine) {
		id := m.put(m.plain(task.Local))
		for range task.CrashBudget {
			m.lose(task.Local, id)
		}
	},
	"rescue:lost": func(m *machine) {
		once := m.plain(task.HTTP)
		once.Once = true
		m.lose(task.HTTP, m.put(once))
	},
	"retain:deleted": func(m *machine) {
		m.end(m.hold(task.HTTP), task.Success)
		m.now += 2 * second
		m.retainFrom(task.ID{}, everything)
	},
	"heartbeat:ok": func(m *machine) { m.heartbeat(m.alive()) },
	"heartbeat:lost": func(m *machine) {
		node := m.alive()
		m.now += 11 * second
		m.heartbeat(node)
	},
	"drain:ok": func(m *machine) {
		node := m.alive()
		m.drain(node, true)
		m.heartbeat(node)
		m.heartbeat(node) // whatever the node writes, the order stands
	},
	"drain:taken-back": func(m *machine) {
		node := m.alive()
		m.drain(node, true)
		m.heartbeat(node)
		m.drain(node, false)
		m.heartbeat(node)
	},
	"drain:not-found": func(m *machine) {
		node := m.alive()
		m.now += 11 * second
		m.drain(node, true)
	},
	"leave:ok":         func(m *machine) { m.leave(m.alive()) },
	"cancel:ok":        func(m *machine) { m.steer("cancel", m.put(m.plain(task.HTTP))) },
	"cancel:not-found": func(m *machine) { m.steer("cancel", m.newID()) },
	"cancel:final":     func(m *machine) { m.steer("cancel", m.end(m.hold(task.HTTP), task.Success).ID) },
	"retry:ok":         func(m *machine) { m.steer("retry", m.end(m.hold(task.HTTP), task.Reject).ID) },
	"retry:not-found":  func(m *machine) { m.steer("retry", m.newID()) },
	"retry:not-final":  func(m *machine) { m.steer("retry", m.put(m.plain(task.HTTP))) },
	"run:ok":           func(m *machine) { m.steer("run", m.put(m.delayed())) },
	"run:not-found":    func(m *machine) { m.steer("run", m.newID()) },
	"run:running":      func(m *machine) { m.steer("run", m.hold(task.HTTP).ID) },
	"run:final":        func(m *machine) { m.steer("run", m.end(m.hold(task.HTTP), task.Success).ID) },
	"delete:ok":        func(m *machine) { m.steer("delete", m.put(m.plain(task.HTTP))) },
	"delete:not-found": func(m *machine) { m.steer("delete", m.newID()) },
	"delete:running":   func(m *machine) { m.steer("delete", m.hold(task.HTTP).ID) },
	"purge:some":       func(m *machine) { m.purgeLane(m.oracle.tasks[m.put(m.plain(task.HTTP))].Lane, everything) },
	"pause everything:ok": func(m *machine) {
		m.pauseNamespace(1, true)
		m.pauseNamespace(1, false)
	},
	"pause everything:not-found":  func(m *machine) { m.pauseNamespace(99, true) },
	"resume everything:ok":        func(m *machine) { m.pauseNamespace(1, false) },
	"resume everything:not-found": func(m *machine) { m.pauseNamespace(99, false) },

	"pause:ok":         func(m *machine) { m.setPaused(1, true) },
	"pause:not-found":  func(m *machine) { m.setPaused(99, true) },
	"resume:ok":        func(m *machine) { m.setPaused(1, false) },
	"resume:not-found": func(m *machine) { m.setPaused(99, false) },
	"settings:ok": func(m *machine) {
		m.ensureLane("a", task.AnyPool)
		m.set(1, m.oracle.queues[0].Settings, []byte("z"))
	},
	"settings:not-found": func(m *machine) { m.set(99, nil, nil) },
	"settings:changed": func(m *machine) {
		m.ensureLane("a", task.AnyPool)
		m.set(1, []byte("never set"), nil)
	},
	"lane:ok":       func(m *machine) { m.ensureLane("a", task.AnyPool) },
	"lane:too-many": func(m *machine) { m.ensureLane("one too many", task.AnyPool) },
	"list:some":     func(m *machine) { m.put(m.plain(task.HTTP)); m.listBy(store.Query{Limit: 3}) },
	"list-by:some":  func(m *machine) { m.put(m.plain(task.HTTP)); m.listOrdered(1) },
	"bulk:ok":       func(m *machine) { m.bulk(store.CancelThem) },
	"bulk:changed": func(m *machine) {
		m.bulk(store.RescheduleThem)
		m.bulk(store.MoveThem)
	},
	"bulk:passed":       func(m *machine) { m.bulk(store.RetryThem) },
	"attempts:some":     func(m *machine) { m.readAttempts(m.end(m.hold(task.HTTP), task.Failure).ID) },
	"payload:ok":        func(m *machine) { m.readPayload(m.put(m.plain(task.HTTP))) },
	"payload:not-found": func(m *machine) { m.readPayload(m.newID()) },
	"stats:some":        func(m *machine) { m.put(m.plain(task.HTTP)); m.readStats() },
	"key:not-found":     func(m *machine) { m.findKey(store.UniqueKey, m.newHash()) },
	"key:found": func(m *machine) {
		key := m.unique(store.Return)
		m.put(m.keyed(key))
		m.findKey(key.Kind, key.Hash)
	},
	"probe:none": func(m *machine) { m.probe(m.lanes[0].ID, 5, m.now) },
	"probe:found": func(m *machine) {
		n := m.plain(task.HTTP)
		m.put(n)
		m.now = max(m.now, m.oracle.last) + 1
		m.probe(n.Lane, n.Priority, 0)
	},
	"lost:some": func(m *machine) {
		c := m.hold(task.HTTP)
		m.steer("cancel", c.ID)
		m.lookForLost([]store.Claimed{c})
	},
	"ahead:some": func(m *machine) {
		m.put(m.plain(task.HTTP))
		m.readAhead(m.put(m.plain(task.HTTP)), everything)
	},
	"ahead:many": func(m *machine) {
		urgent := m.plain(task.HTTP)
		urgent.Priority = 0
		last := m.put(m.plain(task.HTTP))
		m.put(urgent)
		m.readAhead(last, 1)
	},
}

// everything is a limit that is never reached.
const everything = 1000

// aim has the stores give an answer, whatever they hold.
func (m *machine) aim(what string) { m.reach(what, aims[what]) }

func (m *machine) reach(what string, aim func(*machine)) {
	before := m.seen[what]
	aim(m)
	if m.seen[what] == before {
		m.rt.Fatalf("the way to %s does not lead there", what)
	}
}

// plain is a task that is ready at once and never expires.
func (m *machine) plain(kind task.Kind) store.NewTask {
	lane := m.lanes[0]
	if kind == task.Local {
		lane = m.localLane()
	}
	return store.NewTask{ID: m.newID(), Lane: lane.ID, Kind: kind, Priority: 5, MaxAttempts: 3, Spec: []byte("spec"), Payload: []byte("payload")}
}

func (m *machine) localLane() store.Lane {
	return m.lanes[slices.IndexFunc(m.lanes, func(l store.Lane) bool { return l.Pool != task.AnyPool })]
}

func (m *machine) delayed() store.NewTask {
	n := m.plain(task.HTTP)
	n.Delay = second
	return n
}

func (m *machine) put(n store.NewTask) task.ID {
	m.submit([]store.NewTask{n}, false)
	return n.ID
}

func (m *machine) keyed(keys ...store.Key) store.NewTask {
	n := m.plain(task.HTTP)
	n.Keys = keys
	return n
}

// putTwice stores two tasks that have the hash of the first one's key.
func (m *machine) putTwice(first, second store.Key) {
	second.Hash = first.Hash
	m.put(m.keyed(first))
	m.put(m.keyed(second))
}

func (m *machine) idempotent(body string) store.Key {
	return store.Key{Kind: store.IdempotencyKey, Namespace: store.DefaultNamespace, Hash: m.newHash(), Body: store.HashOf([]byte(body)), TTL: 3600 * second}
}

func (m *machine) unique(then store.OnConflict) store.Key {
	return store.Key{Kind: store.UniqueKey, Namespace: store.DefaultNamespace, Hash: m.newHash(), WhileOpen: true, OnConflict: then}
}

func (m *machine) newHash() store.Hash {
	id := m.newID()
	return store.HashOf(id[:])
}

// hold returns a new task in the hands of a living node.
func (m *machine) hold(kind task.Kind) store.Claimed {
	return m.take(m.put(m.plain(kind)))
}

// take returns a ready task in the hands of a living node.
func (m *machine) take(id task.ID) store.Claimed {
	m.claimLine(id)
	i := len(m.held) - 1
	for ; i >= 0 && m.held[i].ID != id; i-- {
	}
	if i < 0 {
		m.rt.Fatalf("task %s is %s and was not claimed", id, m.oracle.tasks[id].State)
	}
	c := m.held[i]
	m.held = slices.Delete(m.held, i, i+1)
	return c
}

// claimLine has a living node claim all tasks of a task's lane and priority.
func (m *machine) claimLine(id task.ID) {
	e := m.oracle.ready[id]
	m.setPaused(m.oracle.lanes[e.Lane-1].QueueID, false)
	n := len(m.oracle.ready)
	m.claimAs(store.ClaimRequest{
		ID: m.newID(), Node: m.alive(), Limit: n, Slots: []store.ClaimSlot{{Lane: e.Lane, Priority: e.Priority, Limit: n}},
	})
}

// lose has the node die that has just claimed a task.
func (m *machine) lose(kind task.Kind, id task.ID) {
	m.leaveAll()
	c := m.take(id)
	m.leave(m.oracle.tasks[c.ID].Node)
	m.rescueAs(m.alive(), nil, everything)
}

// leaveAll has no node live.
func (m *machine) leaveAll() {
	for _, node := range m.nodes {
		if m.oracle.alive(node) {
			m.leave(node)
		}
	}
}

// end settles an attempt.
func (m *machine) end(c store.Claimed, class task.Class) store.Transition {
	o := task.Outcome{Class: class}
	if class != task.Success {
		o.Code, o.Error = 503, "boom"
	}
	tr := m.decided(c, o)
	m.settleAll([]store.Transition{tr})
	return tr
}
