// Package storetest is the conformance suite of the stores. [Run] applies the
// same random operations to a store and to the [Oracle] and compares every
// answer, and after every step everything that is stored.
package storetest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Run checks a store against the oracle. open returns an empty store that uses
// the clock (microseconds); it is called once for each random sequence and
// closes the store by t.Cleanup or on its next call. First every answer of every
// operation is asked for, then what happens is left to chance.
func Run(t *testing.T, open func(clock func() int64) store.Store) {
	t.Run("every answer", func(t *testing.T) {
		m := newMachine(t, open, map[string]int{})
		for _, what := range answers {
			m.aim(what)
			m.compareAll()
		}
	})
	t.Run("by chance", func(t *testing.T) { random(t, open, (*machine).actions) })
}

// random compares the stores over sequences of actions, as many and as long as the
// flags of rapid say, and tells how often each answer was seen.
func random(t *testing.T, open func(clock func() int64) store.Store, actions func(*machine) map[string]func(*rapid.T)) {
	seen := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) { rt.Repeat(actions(newMachine(rt, open, seen))) })
	for _, what := range slices.Sorted(maps.Keys(seen)) {
		t.Logf("%6d %s", seen[what], what)
	}
}

// machine drives both stores.
type machine struct {
	rt       rapid.TB
	real     store.Store
	oracle   *Oracle
	seen     map[string]int
	now      int64
	serial   uint64
	ids      []task.ID // ever submitted
	lanes    []store.Lane
	nodes    []task.ID
	held     []store.Claimed
	detached []store.Claimed
	claims   []task.ID
	sent     []store.Transition
	groups   [][]store.NewTask
	acts     []task.ID    // actions ever made
	todos    []store.Todo // ever taken, and not finished

	counted store.GateCounts // by the store before
	steps   int              // comparisons
}

var ctx = context.Background()

func newMachine(rt rapid.TB, open func(clock func() int64) store.Store, seen map[string]int) *machine {
	m := &machine{rt: rt, seen: seen, now: 1_800_000_000_000_000}
	clock := func() int64 { return m.now }
	m.real, m.oracle = open(clock), NewOracle(clock)
	m.counted = m.real.GateCounts()
	for _, queue := range []string{"a", "b"} {
		m.ensureLane(queue, task.AnyPool)
	}
	m.ensureLane("a", task.LocalPool("h"))
	m.ensureLane("a", store.GroupPool(task.AnyPool, "g"))
	m.register()
	return m
}

func (m *machine) actions() map[string]func(*rapid.T) {
	acts := map[string]func(*rapid.T){
		"insert": m.insert, "insert2": m.insert, "insertKeyed": m.insertKeyed, "insertAgain": m.insertAgain,
		"claim": m.claim, "claim2": m.claim, "settle": m.settle, "settle2": m.settle, "settleAgain": m.settleAgain,
		"promote": m.promote, "rescue": m.rescue, "loseNodes": m.loseNodes, "retain": m.retain, "advance": m.advance,
		"members": m.members, "operate": m.operate, "operate2": m.operate, "change": m.changeSome, "purge": m.purge, "pause": m.pause, "settings": m.settings, "share": m.share, "share2": m.share,
		"lane": func(t *rapid.T) {
			m.ensureLane(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "queue"), task.AnyPool)
		},
		"aim":  func(t *rapid.T) { m.aim(rapid.SampledFrom(answers).Draw(t, "answer")) },
		"read": m.read, "list": m.list, "checkpoint": m.checkpoint, "family": m.family, "family2": m.family, "todo": m.workOff,
		"views": m.views, "graphs": m.keepGraphs, "saved": m.keepSavedViews, "schedules": m.keepSchedules, "fire": m.fireSome, "audit": m.keepAudit, "failures": m.keepFailures, "rollups": m.keepRollups, "many": m.actMany, "access": m.keepAccess, "acks": m.acks, "vault": m.keepSealed,
	}
	acts[""] = func(*rapid.T) { m.compareAll() }
	return acts
}

func (m *machine) saw(what string) { m.seen[what]++ }

func (m *machine) same(what string, got, want any) {
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		m.rt.Fatalf("%s differs from the oracle (-want +got):\n%s", what, diff)
	}
}

func (m *machine) compareAll() {
	got, err := m.real.Snapshot(ctx)
	require.NoError(m.rt, err)
	want, _ := m.oracle.Snapshot(ctx)
	m.same("the stored state", got, want)
	m.compareShares()
	if m.steps++; m.steps%8 == 0 { // what few actions change
		m.compareGraphs()
		m.compareSavedViews()
		m.compareSchedules()
		m.compareAudit()
		m.compareFailures()
		m.compareAccess()
		m.compareSealed()
		m.compareGauges()
		m.compareUsage()
	}
	if err := Consistent(got); err != nil {
		m.rt.Fatalf("inconsistent: %v", err)
	}
}

// Consistent checks that every unfinished task is in exactly one work list, and
// that the lists hold nothing else.
func Consistent(s store.Snapshot) error {
	places := map[task.ID][]string{}
	if err := consistentDeps(&s); err != nil {
		return err
	}
	for _, n := range s.Needs {
		if n.Waits {
			places[n.Task] = append(places[n.Task], "need")
		}
	}
	for _, e := range s.Ready {
		places[e.ID] = append(places[e.ID], "ready")
	}
	for _, e := range s.Timers {
		places[e.ID] = append(places[e.ID], "timer")
	}
	for _, e := range s.Dead {
		places[e.ID] = append(places[e.ID], "failed")
	}
	inLine := map[task.ID]bool{}
	for _, e := range s.Lines {
		if !inLine[e.Task] {
			inLine[e.Task] = true
			places[e.Task] = append(places[e.Task], "line")
		}
	}
	rows := map[task.ID]store.Row{}
	for _, row := range s.Tasks {
		rows[row.ID] = row
	}
	for _, c := range s.Claims {
		for _, id := range c.Tasks {
			if row := rows[id]; row.State == task.Running && row.Node == c.Node && !slices.Contains(places[id], "running") {
				places[id] = append(places[id], "running")
			}
		}
	}
	for _, row := range s.Tasks {
		at := places[row.ID]
		delete(places, row.ID)
		switch row.State {
		case task.Succeeded, task.Canceled:
			if len(at) != 0 {
				return fmt.Errorf("task %s is %s and listed in %v", row.ID, row.State, at)
			}
		default:
			if len(at) != 1 || at[0] != listOf(&row) {
				return fmt.Errorf("task %s is %s and listed in %v", row.ID, row.State, at)
			}
		}
	}
	for id, at := range places {
		return fmt.Errorf("%v lists %s, which is not stored", at, id)
	}
	epochs := map[task.ID]int32{}
	for _, w := range s.Waits {
		epochs[w.Task] = w.Epoch
		if rows[w.Task].State == task.Suspended && w.Met() {
			return fmt.Errorf("function %s is suspended although what it waits for is there: %+v", w.Task, w.Mailbox)
		}
	}
	if err := consistentGates(&s); err != nil {
		return err
	}
	for _, t := range s.Todos {
		if _, there := rows[t.Task]; there && (t.Kind == store.CancelCalls && t.Epoch > epochs[t.Task]) {
			return fmt.Errorf("%+v is to be done, and the task is in epoch %d", t, epochs[t.Task])
		}
	}
	return nil
}

// listOf is the list of a task that is on one.
func listOf(row *store.Row) string {
	switch row.Place() {
	case store.InReady:
		return "ready"
	case store.InTimer:
		return "timer"
	case store.InClaim:
		return "running"
	case store.InRelation:
		if row.InGateLine() {
			return "line"
		}
		return "need"
	}
	return row.State.String()
}

func errName(err error) string {
	for name, e := range map[string]error{
		"nothing-to-undo": store.ErrNothingToUndo, "canceling": store.ErrCanceling,
		"unmet": store.ErrUnmet, "not-function": store.ErrNotFunction, "bad-value": store.ErrBadValue,
		"not-found": store.ErrNotFound, "changed": store.ErrChanged, "lost": store.ErrLeaseLost, "final": store.ErrFinal, "not-final": store.ErrNotFinal,
		"running": store.ErrRunning, "dead": store.ErrNodeLost, "too-many": store.ErrTooManyQueues, "key-held": store.ErrKeyHeld,
		"in-line": store.ErrInLine, "rate": store.ErrRate, "duplicate": store.ErrDuplicate,
		"unchangeable": store.ErrUnchangeable, "not-yours": store.ErrNotYours, "action-state": store.ErrActionState, "nothing-to-do": store.ErrNothingToDo,
	} {
		if errors.Is(err, e) {
			return name
		}
	}
	if err != nil {
		return "unexpected: " + err.Error()
	}
	return "ok"
}

func (m *machine) newID() task.ID {
	m.serial++
	id := task.FloorID(timeOf(m.now))
	id[6], id[8] = 0x70, 0x80
	binary.BigEndian.PutUint32(id[12:], uint32(m.serial))
	return id
}

func sortWoken(w []store.Woken) []store.Woken {
	w = slices.Clone(w)
	slices.SortFunc(w, func(a, b store.Woken) int {
		return cmpInt(int64(a.Lane)*100+int64(a.Priority), int64(b.Lane)*100+int64(b.Priority))
	})
	return w
}
