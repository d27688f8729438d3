package storetest

import (
	"maps"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

var answersOfDeps = slices.Sorted(maps.Keys(aimsOfDeps))

var aimsOfDeps = both(aimsOfDependents, aimsOfChangesOfDependents)

var aimsOfDependents = map[string]func(*machine){
	"insert:missing": func(m *machine) {
		m.put(m.after(task.AllOK, m.newID()))
		m.submit([]store.NewTask{m.plain(task.HTTP), m.after(task.AllOK, m.newID())}, true)
	},
	"deps:some": func(m *machine) {
		up := m.put(m.plain(task.HTTP))
		down := m.put(m.after(task.AllOK, up))
		m.readDepsOf(up, task.ID{}, 10)
		m.readDepsOf(down, task.ID{}, 10)
	},
	"insert:replaced-up": func(m *machine) {
		m.saw("insert:replaced-up")
		key := m.unique(store.Replace)
		old := m.keyed(key)
		m.put(old)
		m.put(m.after(task.AllOK, old.ID))
		first, last := m.keyed(key), m.keyed(key)
		m.submit([]store.NewTask{first, m.after(task.AllOK, first.ID, old.ID), last, m.after(task.AnyFailed, first.ID), m.after(task.Always, last.ID)}, false)
	},
	"deps:none":     func(m *machine) { m.readDepsOf(m.put(m.plain(task.HTTP)), task.ID{}, 10) },
	"run:unmet":     func(m *machine) { m.steer("run", m.put(m.after(task.AllOK, m.put(m.plain(task.HTTP))))) },
	"restart:unmet": func(m *machine) { m.restartWaiting() },
	"expire:some": func(m *machine) {
		up := m.put(m.plain(task.HTTP))
		n := m.after(task.AllOK, up)
		n.ExpiresAt = m.now + second
		first, second := m.put(n), m.after(task.AllOK, n.ID)
		second.ExpiresAt = n.ExpiresAt
		m.put(second)
		m.now = n.ExpiresAt
		m.retainFrom(task.ID{}, everything)
		m.stands(first, task.Failed, task.Expired)
		m.stands(second.ID, task.Canceled, task.DependencyFailed)
		m.steer("retry followers", first)
		m.followUp()
		m.stands(first, task.Blocked, task.Depends)
	},
	"expire:none":  func(m *machine) { m.expire([]task.ID{m.put(m.plain(task.HTTP)), m.newID()}) },
	"retry:unmet":  func(m *machine) { m.steer("retry", m.broken()[1]) },
	"release:over": func(m *machine) { m.fan(2*store.FollowPage - 1) },
	"release:page": func(m *machine) { m.fan(3*store.FollowPage + 1) },
	"revive:over":  func(m *machine) { m.steer("retry followers", m.broken()[0]); m.followUp() },
	"revive:gone": func(m *machine) {
		m.saw("revive:gone")
		chain := m.runAgainAndGo(task.Success)
		m.stands(chain[1], task.Ready, task.Retried)
		m.stands(chain[2], task.Blocked, task.Depends)
	},
	"revive:unmet": func(m *machine) {
		m.saw("revive:unmet")
		chain := m.runAgainAndGo(task.Reject)
		m.stands(chain[1], task.Canceled, task.DependencyFailed)
		m.stands(chain[2], task.Canceled, task.DependencyFailed)
	},
	"revive:page":               func(m *machine) { m.fanAgain(store.FollowPage + 1) },
	"retry followers:ok":        func(m *machine) { m.steer("retry followers", m.end(m.hold(task.HTTP), task.Success).ID) },
	"retry followers:not-found": func(m *machine) { m.steer("retry followers", m.newID()) },
	"retry followers:not-final": func(m *machine) { m.steer("retry followers", m.put(m.plain(task.HTTP))) },
	"retry followers:unmet":     func(m *machine) { m.steer("retry followers", m.broken()[1]) },
}

// after is a task that depends on others.
func (m *machine) after(when task.When, ups ...task.ID) store.NewTask {
	n := m.plain(task.HTTP)
	n.When, n.Deps = when, ups
	return n
}

func (m *machine) restartWaiting() {
	n := m.after(task.AllOK, m.put(m.plain(task.HTTP)))
	n.Kind = task.Function
	m.steer("restart", m.put(n))
}

// broken is a chain of three whose first one has failed.
func (m *machine) broken() []task.ID {
	c := m.hold(task.HTTP)
	second := m.put(m.after(task.AllOK, c.ID))
	third := m.put(m.after(task.AllOK, second))
	m.end(c, task.Reject)
	m.followUp()
	return []task.ID{c.ID, second, third}
}

// runAgainAndGo has the first of a broken chain run again, with its followers, and be
// deleted after its end, before these are told.
func (m *machine) runAgainAndGo(class task.Class) []task.ID {
	chain := m.broken()
	m.steer("retry followers", chain[0])
	m.end(m.take(chain[0]), class)
	m.steer("delete", chain[0])
	m.followUp()
	return chain
}

// fan has n tasks wait for one, and that one end.
func (m *machine) fan(n int) (up task.ID) {
	c := m.hold(task.HTTP)
	for range n {
		m.put(m.after(task.AllOK, c.ID))
	}
	m.end(c, task.Reject)
	m.followUp()
	return c.ID
}

func (m *machine) fanAgain(n int) {
	m.steer("retry followers", m.fan(n))
	m.followUp()
}
