package storetest

import (
	"slices"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

var aimsOfAcks = map[string]func(*machine){
	"detach:ok":   func(m *machine) { m.detach(m.hold(task.HTTP), second) },
	"detach:lost": func(m *machine) { c := m.hold(task.HTTP); m.end(c, task.Success); m.detach(c, second) },
	"detach:again": func(m *machine) {
		c := m.hold(task.HTTP)
		m.detach(c, second)
		m.now++
		m.detach(c, second)
		m.saw("detach:again")
	},
	"attach:ok": func(m *machine) {
		c := m.hold(task.HTTP)
		m.detach(c, second)
		m.now += 2 * second
		m.attach(c, m.alive(), false)
		m.end(c, task.Success)
	},
	"attach:lost": func(m *machine) { m.attach(m.hold(task.HTTP), m.alive(), false) },
	"attach:dead": func(m *machine) {
		c := m.hold(task.HTTP)
		m.detach(c, second)
		m.register()
		node := m.nodes[len(m.nodes)-1]
		m.leave(node)
		m.attach(c, node, false)
	},
	"attach:overdue": func(m *machine) {
		c := m.hold(task.HTTP)
		m.detach(c, second)
		m.attach(c, m.alive(), true)
		m.promoteUpTo(everything)
		m.now += second
		m.promoteUpTo(everything)
		m.overdue(everything)
		m.attach(c, m.alive(), true)
		m.overdue(everything)
		m.end(c, task.Failure)
		m.saw("attach:overdue")
	},
	"extend:ok": func(m *machine) {
		c := m.hold(task.HTTP)
		m.detach(c, second)
		m.now += second
		m.extend(c, second)
		m.overdue(everything)
	},
	"extend:lost": func(m *machine) { m.extend(m.hold(task.HTTP), second) },
	"report:ok": func(m *machine) { // in a node's hands, and without one
		c := m.hold(task.HTTP)
		m.progress(c.ID)
		m.report(c, "first")
		m.now++
		m.detach(c, second)
		m.report(c, "second")
	},
	"report:lost": func(m *machine) { c := m.hold(task.HTTP); m.end(c, task.Success); m.report(c, "late") },
	"report:erased": func(m *machine) {
		c := m.hold(task.HTTP)
		m.report(c, "text")
		m.end(c, task.Reject)
		m.steer("delete", c.ID)
		m.progress(c.ID)
		m.saw("report:erased")
	},
	"detach:canceled": func(m *machine) {
		c := m.hold(task.HTTP)
		m.detach(c, second)
		m.steer("cancel", c.ID)
		m.now += 2 * second
		m.overdue(everything)
		m.promoteUpTo(everything)
		m.attach(c, m.alive(), false)
		m.saw("detach:canceled")
	},
	"detach:rescued": func(m *machine) { // by nobody: it is not in the hands of the node that is lost
		c := m.hold(task.HTTP)
		m.detach(c, 3600*second)
		for _, n := range m.nodes {
			m.leave(n)
		}
		m.rescueAs(m.alive(), nil, everything)
		m.purgeLane(c.Lane, everything)
		require.True(m.rt, m.oracle.tasks[c.ID].Detached())
		m.extend(c, second)
		m.saw("detach:rescued")
	},
}

// acks does something with an attempt that is held, or goes on without a node.
func (m *machine) acks(t *rapid.T) {
	var held []store.Claimed
	for _, c := range slices.Concat(m.held, m.detached) {
		if c.Kind == task.HTTP {
			held = append(held, c)
		}
	}
	if len(held) == 0 {
		t.Skip("nothing held")
	}
	c := rapid.SampledFrom(held).Draw(t, "task")
	within := rapid.Int64Range(1, 5*second).Draw(t, "within")
	switch rapid.IntRange(0, 4).Draw(t, "what") {
	case 0, 1:
		m.detach(c, within)
	case 2:
		m.attach(c, rapid.SampledFrom(m.nodes).Draw(t, "node"), rapid.Bool().Draw(t, "overdue"))
	case 3:
		m.report(c, "text")
	default:
		m.extend(c, within)
	}
	m.overdue(rapid.IntRange(1, 3).Draw(t, "limit"))
}

func (m *machine) detach(c store.Claimed, within int64) {
	h := store.Held{ID: c.ID, Token: c.Token}
	got, err := m.real.Detach(ctx, h, within)
	want, wantErr := m.oracle.Detach(ctx, h, within)
	m.same("detach", []any{got, errName(err)}, []any{want, errName(wantErr)})
	m.saw("detach:" + errName(err))
	if err == nil {
		m.held = without(m.held, c)
		m.detached = append(without(m.detached, c), c)
	}
}

func (m *machine) extend(c store.Claimed, within int64) {
	h := store.Held{ID: c.ID, Token: c.Token}
	got, err := m.real.Extend(ctx, h, within)
	want, wantErr := m.oracle.Extend(ctx, h, within)
	m.same("extend", []any{got, errName(err)}, []any{want, errName(wantErr)})
	m.saw("extend:" + errName(err))
}

func (m *machine) report(c store.Claimed, text string) {
	h, p := store.Held{ID: c.ID, Token: c.Token}, store.Progress{Done: 1, Total: 3, Text: text}
	err := m.real.Report(ctx, h, p)
	m.same("report", errName(err), errName(m.oracle.Report(ctx, h, p)))
	m.saw("report:" + errName(err))
	m.progress(c.ID)
}

func (m *machine) progress(id task.ID) {
	got, known, err := m.real.Progress(ctx, id)
	require.NoError(m.rt, err)
	want, wantKnown, _ := m.oracle.Progress(ctx, id)
	m.same("progress", []any{got, known}, []any{want, wantKnown})
}

func (m *machine) attach(c store.Claimed, node task.ID, overdue bool) {
	a := store.Attach{Held: store.Held{ID: c.ID, Token: c.Token}, Claim: m.newID(), Node: node, Overdue: overdue}
	got, err := m.real.Attach(ctx, a)
	want, wantErr := m.oracle.Attach(ctx, a)
	m.same("attach error", errName(err), errName(wantErr))
	m.same("attached", got, want)
	m.saw("attach:" + errName(err))
	if err == nil {
		m.detached = without(m.detached, c)
		m.held = append(m.held, got.Attached())
	}
}

func (m *machine) overdue(limit int) {
	got, err := m.real.Overdue(ctx, limit)
	require.NoError(m.rt, err)
	want, _ := m.oracle.Overdue(ctx, limit)
	m.same("overdue", got, want)
}

func without(list []store.Claimed, c store.Claimed) []store.Claimed {
	return slices.DeleteFunc(slices.Clone(list), func(o store.Claimed) bool { return o.ID == c.ID && o.Token == c.Token })
}
