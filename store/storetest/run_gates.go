package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// RunGates is Run for a store that is busy at gates: tasks share limits, wait in line,
// enter, leave, are dropped and replaced, and hardly anything else happens. open is as
// for Run.
func RunGates(t *testing.T, open func(clock func() int64) store.Store) {
	t.Run("every answer", func(t *testing.T) {
		m := newMachine(t, open, map[string]int{})
		for _, what := range answersOfGates {
			m.aimAtGates(what)
			m.compareAll()
		}
	})
	t.Run("by chance", func(t *testing.T) { random(t, open, (*machine).actionsOfGates) })
}

func (m *machine) actionsOfGates() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"insert": m.insertGated, "insert2": m.insertGated, "insertAgain": m.insertAgain,
		"work": m.work, "work2": m.work, "work3": m.work, "settleAgain": m.settleAgain, "acks": m.acks, "family": m.family,
		"operate": m.operateGated, "operate2": m.operateGated, "change": m.changeSome, "purge": m.purge, "limit": m.setLimit, "left": m.stopped,
		"promote": m.promote, "rescue": m.rescue, "members": m.members, "retain": m.retain, "read": m.read, "list": m.list, "todo": m.workOff,
		"aim":     func(t *rapid.T) { m.aimAtGates(rapid.SampledFrom(answersOfGates).Draw(t, "answer")) },
		"advance": func(t *rapid.T) { m.now += rapid.Int64Range(1, 2*second).Draw(t, "microseconds") },
		"":        func(*rapid.T) { m.compareAll() },
	}
}

func (m *machine) insertGated(t *rapid.T) {
	group := make([]store.NewTask, rapid.IntRange(1, 3).Draw(t, "tasks"))
	for i := range group {
		group[i] = m.draft(t)
		for range rapid.IntRange(0, 3).Draw(t, "gates") {
			group[i].Gates = append(group[i].Gates, m.gate(t))
		}
		if len(group) == 1 && rapid.IntRange(0, 3).Draw(t, "keyed") == 0 { // whom the end of another one lets in has no place in the order of a batch
			group[i].Keys = []store.Key{m.key(t)}
		}
	}
	m.submit(group, rapid.Bool().Draw(t, "atomic"))
}

func (m *machine) gate(t *rapid.T) store.Gate {
	g := store.Gate{
		Kind: store.GateKind(rapid.IntRange(1, 3).Draw(t, "kind")), Namespace: store.DefaultNamespace,
		Name: rapid.SampledFrom([]string{"1", "2"}).Draw(t, "gate"), Capacity: 1,
	}
	switch g.Kind {
	case store.LimitGate:
		g.Capacity = int32(rapid.IntRange(0, 2).Draw(t, "capacity"))
		if g.Capacity == 0 || rapid.Bool().Draw(t, "rate") {
			g.Every, g.Burst = rapid.SampledFrom([]int64{1, second / 10, second}).Draw(t, "every"), int32(rapid.IntRange(1, 2).Draw(t, "burst"))
		}
	case store.DuplicateGate:
		g.OnFull = store.OnFull(rapid.IntRange(0, 3).Draw(t, "on full"))
	}
	return g
}

func (m *machine) setLimit(t *rapid.T) {
	l := store.Limit{
		Namespace: store.DefaultNamespace, Key: rapid.SampledFrom([]string{"1", "2"}).Draw(t, "limit"), Capacity: int32(rapid.IntRange(0, 3).Draw(t, "capacity")),
		Every: rapid.SampledFrom([]int64{0, 0, second}).Draw(t, "every"), Burst: 1, Paused: rapid.IntRange(0, 3).Draw(t, "paused") == 0,
	}
	if rapid.Bool().Draw(t, "delete") {
		m.deleteLimit(l.Key)
		return
	}
	m.configure(l)
}

func (m *machine) configure(l store.Limit) {
	require.NoError(m.rt, m.real.SetLimit(ctx, l))
	_ = m.oracle.SetLimit(ctx, l)
	m.saw("limit:set")
	m.sameLimits()
}

func (m *machine) deleteLimit(key string) {
	err := m.real.DeleteLimit(ctx, store.DefaultNamespace, key)
	m.same("delete limit", errName(err), errName(m.oracle.DeleteLimit(ctx, store.DefaultNamespace, key)))
	m.saw("limit:delete-" + errName(err))
	m.sameLimits()
}

func (m *machine) sameLimits() {
	for _, after := range []string{"", "1"} {
		got, err := m.real.Limits(ctx, store.DefaultNamespace, after, 1)
		require.NoError(m.rt, err)
		want, _ := m.oracle.Limits(ctx, store.DefaultNamespace, after, 1)
		m.same("limits", got, want)
	}
	for _, key := range []string{"1", "2"} {
		id := store.GateID(store.DefaultNamespace, store.LimitGate, key)
		got, err := m.real.Gate(ctx, id)
		want, wantErr := m.oracle.Gate(ctx, id)
		m.same("gate error", errName(err), errName(wantErr))
		m.same("gate", got, want)
	}
}

// open lets in who waits at a gate, as whoever works off its todo does.
func (m *machine) open(id store.Hash) {
	got, err := m.real.Open(ctx, id)
	require.NoError(m.rt, err)
	want, _ := m.oracle.Open(ctx, id)
	m.same("woken by open", sortWoken(got), sortWoken(want))
	m.saw("open:" + map[bool]string{true: "some", false: "none"}[len(got) > 0])
}

// stopped says that some attempts which were canceled have stopped.
func (m *machine) stopped(t *rapid.T) {
	var held []store.Held
	for _, l := range m.oracle.sortedLeavers() {
		if rapid.Bool().Draw(t, "stopped") {
			held = append(held, store.Held{ID: l.Task, Token: l.Token})
		}
	}
	m.left(held)
}

func (m *machine) left(held []store.Held) {
	before := len(m.oracle.leavers)
	got, err := m.real.Left(ctx, held)
	require.NoError(m.rt, err)
	want, _ := m.oracle.Left(ctx, held)
	m.same("woken by left", sortWoken(got), sortWoken(want))
	m.saw("left:" + map[bool]string{true: "some", false: "none"}[len(m.oracle.leavers) < before])
}

func (m *machine) operateGated(t *rapid.T) {
	verb := rapid.SampledFrom([]string{"cancel", "cancel", "retry", "retry", "run", "run beyond", "delete", "restart", "signal"}).Draw(t, "verb")
	m.steer(verb, m.anyID(t))
}

// consistentGates checks that gates count who is there, and that nobody waits at one
// that has room without a todo.
func consistentGates(s *store.Snapshot) error {
	inside, waiting := map[store.Hash]int32{}, map[store.Hash]int32{}
	count := func(row *store.Row) error {
		gates, err := store.DecodeGates(row.Gates)
		for i := range gates {
			if row.Inside(gates[i].Kind) {
				inside[gates[i].ID()]++
			}
		}
		if (gates != nil) != (row.Flags&store.FlagGate != 0) {
			return fmt.Errorf("task %s has flags %b and %d gates", row.ID, row.Flags, len(gates))
		}
		return err
	}
	for i := range s.Tasks {
		if row := &s.Tasks[i]; !row.State.Final() {
			if err := count(row); err != nil {
				return err
			}
		}
	}
	for _, l := range s.Leavers {
		row := l.Row()
		if err := count(&row); err != nil {
			return err
		}
	}
	lines := map[task.ID]int{}
	for _, e := range s.Lines {
		waiting[e.Gate]++
		lines[e.Task]++
	}
	for i := range s.Gates {
		g := &s.Gates[i]
		if g.Inside != inside[g.ID] || g.Waiting != waiting[g.ID] {
			return fmt.Errorf("gate %+v counts wrongly: %d are inside and %d wait", g, inside[g.ID], waiting[g.ID])
		}
		delete(inside, g.ID)
		delete(waiting, g.ID)
		first := slices.IndexFunc(s.Lines, func(e store.LineEntry) bool { return e.Gate == g.ID })
		todo := slices.ContainsFunc(s.Todos, func(t store.Todo) bool { return t.Kind == store.OpenGate && store.Hash(t.Task) == g.ID })
		if g.Room() && first >= 0 && !todo && lines[s.Lines[first].Task] == 1 {
			return fmt.Errorf("gate %+v has room, and %s waits there", g, s.Lines[first].Task)
		}
	}
	if len(inside)+len(waiting) > 0 {
		return errors.New("tasks are at gates that are not there")
	}
	return nil
}
