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
	"signal:ok":            func(m *machine) { m.steer("signal", m.put(m.plain(task.Function))) },
	"signal:not-found":     func(m *machine) { m.steer("signal", m.newID()) },
	"signal:not-function":  func(m *machine) { m.steer("signal", m.put(m.plain(task.HTTP))) },
	"signal:final":         func(m *machine) { m.steer("signal", m.end(m.hold(task.Function), task.Success).ID) },
	"tree:some": func(m *machine) {
		parent := m.hold(task.Function)
		m.wait(parent)
		m.readTree(parent.ID, task.ID{}, 2)
	},
}

// wait suspends a function until the call that it makes has ended, and returns
// the call. The messages that it was resumed with are used up.
func (m *machine) wait(c store.Claimed) (call task.ID) {
	n := m.plain(task.Function)
	n.Parent, n.Root, n.Deliver, n.Correlation = c.ID, c.ID, true, 7
	e := &store.Effects{Seen: m.oracle.waits[c.ID].Total, Calls: []store.NewTask{n}, Open: 1, Need: 1, State: []byte("state")}
	tr := store.Transition{ID: c.ID, Token: c.Token, Outcome: task.Suspend, Effects: e, Decision: task.Decision{To: task.Suspended, Delay: time.Hour}}
	m.settleAll([]store.Transition{tr})
	m.ids = append(m.ids, n.ID)
	return n.ID
}

// endCall has a call end with a result for its parent.
func (m *machine) endCall(id task.ID) store.Transition { return m.succeed(m.take(id)) }

func (m *machine) succeed(c store.Claimed) store.Transition {
	tr := m.decided(c, task.Outcome{Class: task.Success, Answer: task.Answer{Body: []byte("result")}})
	tr.Effects = &store.Effects{Parent: c.Parent}
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
