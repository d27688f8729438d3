package storetest

import (
	"time"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

var aimsOfFunctions = map[string]func(*machine){
	"function:suspended": func(m *machine) { m.wait(m.hold(task.Function)) },
	"function:resumed": func(m *machine) {
		m.endCall(m.wait(m.hold(task.Function)))
	},
	"function:delivered": func(m *machine) {
		parent := m.hold(task.Function)
		m.endCall(m.wait(parent))
		m.wait(m.take(parent.ID))
	},
	"function:restarted": func(m *machine) { m.begin(m.hold(task.Function), task.Failure, nil) },
	"function:continued": func(m *machine) { m.begin(m.hold(task.Function), task.Continue, &store.Next{Spec: []byte("next")}) },
	"function:blocked": func(m *machine) {
		tr := m.decided(m.hold(task.Function), task.Outcome{Class: task.Block, Error: "the code has changed"})
		tr.Effects = &store.Effects{}
		m.settleAll([]store.Transition{tr})
	},
	"settle:bad-value": func(m *machine) {
		c := m.hold(task.Function)
		m.append(c, 0, "abc")
		tr := m.decided(c, task.Outcome{Class: task.Failure})
		tr.Effects = &store.Effects{Append: &task.Segment{Bytes: []byte("xyz")}}
		m.settleAll([]store.Transition{tr})
	},
	"append:ok": func(m *machine) { m.append(m.hold(task.Function), 0, "abc") },
	"append:lost": func(m *machine) {
		c := m.hold(task.Function)
		m.steer("cancel", c.ID)
		m.append(c, 0, "abc")
	},
	"append:bad-value": func(m *machine) {
		c := m.hold(task.Function)
		m.append(c, 0, "abc")
		m.append(c, 0, "xyz")
	},
	"restart:ok":           func(m *machine) { m.steer("restart", m.hold(task.Function).ID) },
	"restart:not-found":    func(m *machine) { m.steer("restart", m.newID()) },
	"restart:not-function": func(m *machine) { m.steer("restart", m.put(m.plain(task.HTTP))) },
	"undo:ok":              func(m *machine) { m.steer("undo", m.owing().ID) },
	"undo:canceling": func(m *machine) {
		c := m.owing()
		m.steer("undo", c.ID)
		m.settleAll([]store.Transition{m.suspending(m.take(c.ID))})
		m.steer("undo", c.ID)
	},
	"undo:final":           func(m *machine) { m.steer("undo", m.end(m.hold(task.Function), task.Success).ID) },
	"undo:not-found":       func(m *machine) { m.steer("undo", m.newID()) },
	"undo:nothing-to-undo": func(m *machine) { m.steer("undo", m.put(m.plain(task.Function))) },
	"lost:late": func(m *machine) {
		m.saw("lost:late")
		id := m.owing().ID
		m.steer("undo", id)
		c := m.take(id)
		m.lookForLost([]store.Claimed{c})
		m.now += grace
		m.lookForLost([]store.Claimed{c})
	},
	"signal:ok":           func(m *machine) { m.steer("signal", m.put(m.plain(task.Function))) },
	"signal:not-found":    func(m *machine) { m.steer("signal", m.newID()) },
	"signal:not-function": func(m *machine) { m.steer("signal", m.put(m.plain(task.HTTP))) },
	"signal:final":        func(m *machine) { m.steer("signal", m.end(m.hold(task.Function), task.Success).ID) },
	"insert:told-new": func(m *machine) {
		m.saw("insert:told-new")
		c := m.take(m.put(m.telling(m.clientID(), "one", "two")))
		m.readProgress(c.ID, 0, 10, 1<<20)
	},
	"insert:told-waiting": func(m *machine) {
		m.saw("insert:told-waiting")
		key := m.unique(store.Return)
		n := m.telling(key, "one")
		again := m.idempotent("again")
		c := m.take(m.put(n))
		m.wait(c)
		m.put(m.telling(key, "two"))
		second := m.telling(key, "three")
		second.Keys = []store.Key{again, key}
		m.put(second)
		third := m.telling(key, "three, sent again")
		third.Keys = second.Keys
		m.put(third)
		m.readProgress(c.ID, 0, 10, 1<<20)
	},
	"insert:told-ended": func(m *machine) {
		m.saw("insert:told-ended")
		id, key := m.clientID(), m.unique(store.Return)
		n := m.telling(id, "one")
		n.Keys = append(n.Keys, key)
		over := m.decided(m.take(m.put(n)), task.Outcome{Class: task.Success})
		over.Effects = &store.Effects{}
		m.settleAll([]store.Transition{over})
		m.put(m.telling(id, "two"))
		m.put(m.telling(key, "three")) // the key is free again
		plain := m.keyed(m.clientID())
		m.put(plain)
		m.put(m.telling(plain.Keys[0], "four"))
	},
	"todo:none": func(m *machine) {
		m.takeTodos(everything)
		m.takeTodos(1)
	},
	"todo:taken": func(m *machine) {
		c := m.hold(task.Function)
		m.wait(c)
		m.steer("cancel tree", c.ID)
		m.takeTodos(everything)
		m.now += second // it comes back
		m.takeTodos(everything)
	},
	"todo:finished": func(m *machine) {
		c := m.hold(task.Function)
		m.wait(c)
		m.steer("restart", c.ID)
		m.finishTodos(m.takeTodos(everything))
	},
	"todo:asks-for-more": func(m *machine) {
		m.saw("todo:asks-for-more")
		c := m.hold(task.Function)
		tr := m.suspending(c)
		tr.Effects.Cancel = []uint64{7}
		m.settleAll([]store.Transition{tr})
		some := m.takeTodos(everything)
		m.steer("cancel tree", c.ID)
		m.finishTodos(some)
		m.finishTodos(m.takeTodos(everything))
	},
	"todo:of-a-transition": func(m *machine) {
		m.saw("todo:of-a-transition")
		for _, o := range []task.Outcome{{Class: task.Success}, {Class: task.Reject}, {Class: task.Failure}} {
			call := m.hold(task.Function)
			m.endCall(m.wait(call))
			tr := m.decided(m.take(call.ID), o)
			tr.Effects = &store.Effects{Abandon: true, Restart: !tr.Decision.To.Final()}
			m.settleAll([]store.Transition{tr})
		}
		m.takeTodos(everything)
	},
	"tree:some": func(m *machine) {
		parent := m.hold(task.Function)
		m.wait(parent)
		m.readTree(parent.ID, task.ID{}, 2)
	},
	"mailbox:some": func(m *machine) {
		parent := m.hold(task.Function)
		m.wait(parent)
		m.readMailbox(parent.ID)
	},
}

// telling is a function that brings signals, for itself or for the one that has
// the key.
func (m *machine) telling(k store.Key, signals ...string) store.NewTask {
	n := m.plain(task.Function)
	n.Keys = []store.Key{k}
	for _, name := range signals {
		n.Tell = append(n.Tell, store.Message{Kind: store.Signal, Name: name, Body: []byte("value")})
	}
	return n
}

func (m *machine) clientID() store.Key {
	return store.Key{Kind: store.ClientIDKey, Namespace: store.DefaultNamespace, Hash: m.newHash()}
}

// wait suspends a function until the call that it makes has ended, and returns
// the call. The messages that it was resumed with are used up.
func (m *machine) wait(c store.Claimed, gates ...store.Gate) (call task.ID) {
	n := m.plain(task.Function)
	n.Parent, n.Root, n.Deliver, n.Correlation = c.ID, c.ID, true, 7
	n.Gates = gates
	e := &store.Effects{Seen: m.oracle.waits[c.ID].Total, Calls: []store.NewTask{n}, Open: 1, Need: 1, State: []byte("state")}
	tr := store.Transition{ID: c.ID, Token: c.Token, Outcome: task.Suspend, Effects: e, Decision: task.Decision{To: task.Suspended, Delay: time.Hour}}
	m.settleAll([]store.Transition{tr})
	m.ids = append(m.ids, n.ID)
	return n.ID
}

// owing is a function that waits and has something to undo.
func (m *machine) owing() store.Claimed {
	c := m.hold(task.Function)
	tr := m.suspending(c)
	tr.Effects.Undo = store.UndoSomething
	m.settleAll([]store.Transition{tr})
	return c
}

// suspending is the end of a run that waits for an hour.
func (m *machine) suspending(c store.Claimed) store.Transition {
	return store.Transition{
		ID: c.ID, Token: c.Token, Outcome: task.Suspend, Effects: &store.Effects{Need: 1, State: []byte("state"), Told: c.Flags&store.FlagCanceling != 0},
		Decision: task.Decision{To: task.Suspended, Delay: time.Hour},
	}
}

// endCall has a call end with a result for its parent.
func (m *machine) endCall(id task.ID) store.Transition { return m.succeed(m.take(id)) }

func (m *machine) succeed(c store.Claimed) store.Transition {
	tr := m.decided(c, task.Outcome{Class: task.Success, Answer: task.Answer{Body: []byte("result")}})
	tr.Effects = &store.Effects{}
	m.settleAll([]store.Transition{tr})
	return tr
}

// begin has a function begin again, with another input unless next is nil.
func (m *machine) begin(c store.Claimed, class task.Class, next *store.Next) {
	tr := m.decided(c, task.Outcome{Class: class})
	tr.Effects = &store.Effects{Restart: true, Next: next}
	m.settleAll([]store.Transition{tr})
}

func (m *machine) append(c store.Claimed, offset int64, text string) {
	m.appendAll([]store.Checkpoint{{ID: c.ID, Token: c.Token, Segment: task.Segment{Offset: offset, Bytes: []byte(text)}}})
}
