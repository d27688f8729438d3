package storetest

import (
	"slices"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// insertDependent stores tasks some of which depend on others of the call or on stored
// ones.
func (m *machine) insertDependent(t *rapid.T) {
	group := make([]store.NewTask, rapid.IntRange(1, 5).Draw(t, "tasks"))
	for i := range group {
		n := m.draft(t)
		if n.Lane = m.lanes[0].ID; n.Kind == task.Local {
			n.Kind = task.HTTP
		}
		if n.ExpiresAt != 0 && rapid.Bool().Draw(t, "no expiry") {
			n.ExpiresAt = 0
		}
		if rapid.IntRange(0, 5).Draw(t, "keyed") == 0 {
			n.Keys = []store.Key{m.key(t)}
			if len(group) > 1 && n.Keys[0].OnConflict == store.Replace { // whom the end of the other releases has no place in the order of the batch
				n.Keys[0].OnConflict = store.Reject
			}
		}
		n.When = rapid.SampledFrom([]task.When{task.AllOK, task.AllOK, task.Always, task.AnyFailed}).Draw(t, "rule")
		for range rapid.SampledFrom([]int{0, 1, 1, 2, 3}).Draw(t, "dependencies") {
			n.Deps = append(n.Deps, m.dependency(t, group[:i]))
		}
		group[i] = n
	}
	m.submit(group, rapid.Bool().Draw(t, "atomic"))
}

func (m *machine) dependency(t *rapid.T, earlier []store.NewTask) task.ID {
	if len(earlier) > 0 && rapid.Bool().Draw(t, "of the call") {
		return rapid.SampledFrom(earlier).Draw(t, "dependency").ID
	}
	var open []task.ID
	for _, row := range m.oracle.sortedTasks() {
		if !row.State.Final() {
			open = append(open, row.ID)
		}
	}
	if len(open) > 0 && rapid.IntRange(0, 3).Draw(t, "open") > 0 {
		return rapid.SampledFrom(open[max(0, len(open)-8):]).Draw(t, "dependency")
	}
	return m.anyID(t)
}

func (m *machine) operateDependent(t *rapid.T) {
	id := m.anyID(t)
	if some := m.canceledFor(t); len(some) > 0 {
		id = rapid.SampledFrom(some).Draw(t, "id")
	}
	verb := rapid.SampledFrom([]string{"cancel", "retry", "retry followers", "retry followers", "run", "delete", "restart", "signal"}).Draw(t, "verb")
	m.steer(verb, id)
}

// canceledFor lists tasks that others depend on and that have ended badly, every other
// time.
func (m *machine) canceledFor(t *rapid.T) (ids []task.ID) {
	if rapid.Bool().Draw(t, "ended badly") {
		for _, row := range m.oracle.sortedTasks() {
			if row.Flags&store.FlagDeps != 0 && row.End() == task.EndedBadly {
				ids = append(ids, row.ID)
			}
		}
	}
	return ids
}

// followSome works off one of the todos about followers.
func (m *machine) followSome(t *rapid.T) {
	todos := slices.DeleteFunc(m.oracle.sortedTodos(), func(todo store.Todo) bool { return todo.Kind != store.Release && todo.Kind != store.Revive })
	if len(todos) == 0 {
		t.Skip("nobody is to be told")
	}
	m.follow(rapid.SampledFrom(todos).Draw(t, "todo"))
}

func (m *machine) follow(todo store.Todo) (more bool) {
	more, woken, err := m.real.Follow(ctx, todo)
	require.NoError(m.rt, err)
	wantMore, wantWoken, _ := m.oracle.Follow(ctx, todo)
	m.same("follow", more, wantMore)
	m.same("woken by follow", sortWoken(woken), sortWoken(wantWoken))
	name := map[store.TodoKind]string{store.Release: "release:", store.Revive: "revive:"}[todo.Kind]
	m.saw(name + map[bool]string{true: "page", false: "over"}[more])
	return more
}

// followUp works off all that is left to do about followers.
func (m *machine) followUp() {
	for {
		todos := slices.DeleteFunc(m.oracle.sortedTodos(), func(todo store.Todo) bool { return todo.Kind != store.Release && todo.Kind != store.Revive })
		if len(todos) == 0 {
			return
		}
		for m.follow(todos[0]) {
		}
	}
}

func (m *machine) readDeps(t *rapid.T) {
	id, after := m.anyID(t), task.ID{}
	if rapid.Bool().Draw(t, "from a cursor") {
		after = m.anyID(t)
	}
	m.readDepsOf(id, after, rapid.IntRange(1, 3).Draw(t, "limit"))
}

func (m *machine) readDepsOf(id, after task.ID, limit int) {
	up, err := m.real.Dependencies(ctx, id, after, limit)
	require.NoError(m.rt, err)
	wantUp, _ := m.oracle.Dependencies(ctx, id, after, limit)
	m.same("dependencies", up, wantUp)
	down, err := m.real.Followers(ctx, id, after, limit)
	require.NoError(m.rt, err)
	wantDown, _ := m.oracle.Followers(ctx, id, after, limit)
	m.same("followers", down, wantDown)
	need, found, err := m.real.Need(ctx, id)
	require.NoError(m.rt, err)
	wantNeed, wantFound, _ := m.oracle.Need(ctx, id)
	m.same("need", need, wantNeed)
	m.same("has a need", found, wantFound)
	m.saw("deps:" + map[bool]string{true: "some", false: "none"}[len(up)+len(down) > 0])
}
