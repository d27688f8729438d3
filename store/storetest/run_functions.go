package storetest

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// RunFunctions is Run for a store that is busy with functions: they call, wait,
// are told and end, and hardly anything else happens. open is as for Run.
func RunFunctions(t *testing.T, open func(clock func() int64) store.Store) {
	random(t, open, (*machine).actionsOfFunctions)
}

func (m *machine) actionsOfFunctions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"seed": m.seed, "work": m.work, "work2": m.work, "work3": m.work, "family": m.family, "family2": m.family,
		"operate": m.operate, "purge": m.purge, "checkpoint": m.checkpoint, "settleAgain": m.settleAgain,
		"promote": m.promote, "retain": m.retain, "read": m.read, "list": m.list, "rescue": m.rescue, "todo": m.workOff,
		"aim":     func(t *rapid.T) { m.aim(rapid.SampledFrom(answersOfFunctions).Draw(t, "answer")) },
		"advance": func(t *rapid.T) { m.now += rapid.Int64Range(1, 2*second).Draw(t, "microseconds") },
		"":        func(*rapid.T) { m.compareAll() },
	}
}

// seed stores functions that can begin at once.
func (m *machine) seed(t *rapid.T) {
	group := make([]store.NewTask, rapid.IntRange(1, 2).Draw(t, "functions"))
	for i := range group {
		group[i] = m.draft(t)
		group[i].Lane, group[i].Kind, group[i].Delay, group[i].RunAt, group[i].ExpiresAt = m.lanes[0].ID, task.Function, 0, 0, 0
		group[i].Once = false // no function is
	}
	m.submit(group, false)
}

// work claims functions and settles some of those that are held, most of them
// by waiting or by a success.
func (m *machine) work(t *rapid.T) {
	req := store.ClaimRequest{ID: m.newID(), Node: m.alive(), Limit: 4}
	for _, prio := range []int16{0, 5, 9} {
		req.Slots = append(req.Slots, store.ClaimSlot{Lane: m.lanes[0].ID, Priority: prio, Limit: 4})
	}
	m.claimAs(req)
	var ts []store.Transition
	for range rapid.IntRange(1, 5).Draw(t, "settles") {
		if len(m.held) == 0 {
			break
		}
		i := rapid.IntRange(0, len(m.held)-1).Draw(t, "task")
		c := m.held[i]
		m.held = slices.Delete(m.held, i, i+1)
		ts = append(ts, m.actOf(t, &c))
	}
	m.settleApart(ts)
	m.sent = append(m.sent, ts...)
}

// settleApart settles one by one those transitions in whose order something becomes ready.
// Whoever is released by an end is so after all else of its batch, which nobody needs to
// know.
func (m *machine) settleApart(ts []store.Transition) {
	has := func(flag int32) bool {
		return slices.ContainsFunc(ts, func(t store.Transition) bool {
			row := m.oracle.tasks[t.ID]
			return row != nil && row.Flags&flag != 0
		})
	}
	if has(store.FlagGate) {
		for _, t := range ts {
			m.settleAll([]store.Transition{t})
		}
		return
	}
	depends := has(store.FlagDeps)
	if !depends {
		m.settleAll(ts)
		return
	}
	var plain []store.Transition
	for _, t := range ts {
		if t.Effects == nil {
			plain = append(plain, t)
		} else {
			m.settleAll([]store.Transition{t})
		}
	}
	if len(plain) > 0 {
		m.settleAll(plain)
	}
}

func (m *machine) actOf(t *rapid.T, c *store.Claimed) store.Transition {
	act := rapid.IntRange(0, 9).Draw(t, "act")
	if c.Kind != task.Function || act == 0 {
		return m.transition(t, *c)
	}
	tr := store.Transition{ID: c.ID, Token: c.Token, Outcome: task.Success, Decision: task.Decision{To: task.Succeeded}, Effects: &store.Effects{}}
	m.undoing(t, tr.Effects)
	if act < 6 {
		m.suspend(t, c, &tr)
		return tr
	}
	tr.Answer.Body = []byte("answer\x00")
	m.hint(t, c, &tr)
	return tr
}
