package storetest

import (
	"slices"
	"strconv"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// actMany makes actions, steers them and does steps of them.
func (m *machine) actMany(t *rapid.T) {
	if len(m.acts) == 0 || rapid.IntRange(0, 4).Draw(t, "new") == 0 {
		m.putAction()
	}
	a := rapid.SampledFrom(m.acts).Draw(t, "action")
	switch rapid.IntRange(0, 5).Draw(t, "step") {
	case 0:
		m.steerAction(a, rapid.SampledFrom([]store.ActionState{store.ActionPaused, store.ActionRunning, store.ActionAborted}).Draw(t, "to"))
	case 1:
		m.dropActions(m.now - int64(rapid.IntRange(-1, 10).Draw(t, "age"))*second)
	default:
		m.takeActions(rapid.IntRange(1, 3).Draw(t, "limit"))
		ids := append([]task.ID{{1}}, m.ids...)
		rows, err := m.real.Rows(ctx, rapid.SliceOfNDistinct(rapid.SampledFrom(ids), 0, min(4, len(ids)), rapid.ID).Draw(t, "tasks"))
		require.NoError(m.rt, err)
		slices.SortFunc(rows, func(a, b store.Row) int { return slices.Compare(a.ID[:], b.ID[:]) })
		stale := len(rows) == 1 && rapid.IntRange(0, 9).Draw(t, "stale") == 0
		verb := rapid.SampledFrom([]store.Verb{store.CancelThem, store.RetryThem, store.RetryThem, store.RunThem, store.DeleteThem, store.RescheduleThem, store.MoveThem}).Draw(t, "verb")
		if stale && verb.Can(&rows[0]) == nil { // otherwise there are two reasons to pass it over
			rows[0].Run++
		}
		if simple(rows) {
			m.stepAction(a, rapid.Int64Range(-1, 0).Draw(t, "fence"), verb, rows)
		}
	}
}

// simple tells whether tasks do not act on each other, so that it is all the same which of
// them comes first.
func simple(rows []store.Row) bool {
	const tied = store.Related | store.FlagNeed | store.FlagKeys
	n := 0
	for i := range rows {
		if rows[i].Flags&tied != 0 || rows[i].State == task.Succeeded {
			n++
		}
	}
	return n == 0 || len(rows) == 1
}

func (m *machine) putAction() task.ID {
	a := store.Action{ID: m.newID(), Namespace: store.DefaultNamespace, State: store.ActionCounting, Body: []byte("body"), Progress: []byte("0")}
	require.NoError(m.rt, m.real.PutAction(ctx, a))
	_ = m.oracle.PutAction(ctx, a)
	m.acts = append(m.acts, a.ID)
	m.sameActions()
	return a.ID
}

func (m *machine) steerAction(id task.ID, to store.ActionState) {
	got := errName(m.real.SteerAction(ctx, store.DefaultNamespace, id, to))
	m.same("steer an action", got, errName(m.oracle.SteerAction(ctx, store.DefaultNamespace, id, to)))
	m.sameActions()
}

func (m *machine) takeActions(limit int) {
	got, err := m.real.TakeActions(ctx, second, limit)
	require.NoError(m.rt, err)
	want, _ := m.oracle.TakeActions(ctx, second, limit)
	byID := func(a, b store.Action) int { return slices.Compare(a.ID[:], b.ID[:]) }
	slices.SortFunc(got, byID)
	slices.SortFunc(want, byID)
	m.same("take actions", got, want)
}

func (m *machine) dropActions(before int64) {
	got, err := m.real.DropActions(ctx, before, 2)
	require.NoError(m.rt, err)
	want, _ := m.oracle.DropActions(ctx, before, 2)
	m.same("drop actions", got, want)
	m.sameActions()
}

// stepAction acts on tasks, and compares what came of each.
func (m *machine) stepAction(id task.ID, fence int64, verb store.Verb, rows []store.Row) {
	a, _ := m.oracle.Action(ctx, id)
	var told [2][]string
	changes := m.changesOf(verb, rows)
	step := func(i int) store.ActionStep {
		return store.ActionStep{ID: id, Fence: a.Fence + fence, Lease: second, Verb: verb, Tasks: slices.Clone(rows), Changes: changes, Report: func(errs []error) store.ActionReport {
			told[i] = nil
			r := store.ActionReport{State: store.ActionRunning, Progress: []byte(strconv.Itoa(len(errs)))}
			for n, err := range errs {
				if told[i] = append(told[i], errName(err)); err == nil {
					r.Items = append(r.Items, store.ActionItem{Seq: a.Items + int64(len(r.Items)) + 1, Task: rows[n].ID, Run: rows[n].Run})
				}
			}
			return r
		}}
	}
	woken, err := m.real.StepAction(ctx, step(0))
	wantWoken, wantErr := m.oracle.StepAction(ctx, step(1))
	m.same("step of an action", errName(err), errName(wantErr))
	m.same("what came of each", told[0], told[1])
	m.same("woken by an action", lanesOf(woken), lanesOf(wantWoken))
	for _, name := range told[0] {
		m.saw("bulk:" + map[bool]string{true: "ok", false: "passed"}[name == "ok"])
		if name == "ok" && verb.Changes() {
			m.saw("bulk:changed")
		}
	}
	m.sameActions()
}

// changesOf are the changes of a step: some tasks are due later, others at once, or stand in
// another lane.
func (m *machine) changesOf(verb store.Verb, rows []store.Row) (changes []*store.Change) {
	if !verb.Changes() {
		return nil
	}
	for i := range rows {
		row := &rows[i]
		c := &store.Change{ID: row.ID, Was: row.Spec, Spec: append(slices.Clone(row.Spec), 'x'), MaxAttempts: row.MaxAttempts}
		if lanes := m.lanesLike(row.Lane); verb == store.MoveThem && len(lanes) > 0 {
			c.Lane = &lanes[len(lanes)-1]
		} else {
			c.Due = new(m.now + int64(i%2)*second)
		}
		changes = append(changes, c)
	}
	return changes
}

// lanesOf are where something was woken; at which place, the order in which tasks are done
// decides.
func lanesOf(woken []store.Woken) (lanes []store.Woken) {
	for _, w := range sortWoken(woken) {
		lanes = append(lanes, store.Woken{Lane: w.Lane, Priority: w.Priority})
	}
	return lanes
}

func (m *machine) sameActions() {
	got, err := m.real.ListActions(ctx, store.DefaultNamespace, task.ID{}, everything)
	require.NoError(m.rt, err)
	want, _ := m.oracle.ListActions(ctx, store.DefaultNamespace, task.ID{}, everything)
	m.same("actions", got, want)
	for i := range got {
		items, err := m.real.ActionItems(ctx, got[i].ID, 0, everything)
		require.NoError(m.rt, err)
		wantItems, _ := m.oracle.ActionItems(ctx, got[i].ID, 0, everything)
		m.same("items of an action", items, wantItems)
	}
}

// bulk acts on a task that is ready.
func (m *machine) bulk(verb store.Verb) {
	rows, err := m.real.Rows(ctx, []task.ID{m.put(m.plain(task.HTTP))})
	require.NoError(m.rt, err)
	id := m.putAction()
	m.takeActions(everything)
	m.stepAction(id, 0, verb, rows)
}
