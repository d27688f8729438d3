package storetest

import (
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

var rulesOfKeys = []rule{
	{"a unique key is held until its task has ended", keyHeld},
	{"a unique key that replaces ends what waits, and only that", keyReplaces},
	{"a unique key that replaces ends what waits for others", keyReplacesWaiting},
	{"an idempotency key answers for one request", keyAnswers},
	{"an idempotency key of several tasks is one request", keyOfSeveral},
	{"an idempotency key remembers the task that it named", keyRemembers},
	{"a task runs again only with its unique key", keyRegained},
}

func keyHeld(m *machine) {
	key := m.unique(store.Return)
	for state, id := range m.inEachState(key) {
		k := key
		k.Hash = store.HashOf(k.Hash[:], []byte{byte(state)})
		again := func() store.Inserted {
			got, _, err := m.real.Insert(ctx, []store.NewTask{m.keyed(k)}, false)
			require.NoError(m.rt, err)
			return got[0]
		}
		require.Equal(m.rt, []any{store.Existing, id}, []any{again().Status, again().ID}, "the task that has the key is %s", state)
		_, err := m.real.Cancel(ctx, id, store.Alone)
		require.NoError(m.rt, err)
		require.Equal(m.rt, store.Created, again().Status, "the task that had the key was %s and has ended", state)
	}
}

func keyReplaces(m *machine) {
	key := m.unique(store.Replace)
	for state, id := range m.inEachState(key) {
		k := key
		k.Hash = store.HashOf(k.Hash[:], []byte{byte(state)})
		got, _, err := m.real.Insert(ctx, []store.NewTask{m.keyed(k)}, false)
		require.NoError(m.rt, err)
		require.Equal(m.rt, store.Created, got[0].Status)
		want := state
		if state == task.Ready || state == task.Scheduled {
			want = task.Canceled
		}
		require.Equal(m.rt, want, m.rowOf(id).State, "the task that had the key was %s", state)
	}
}

// keyReplacesWaiting: the place of a task at its gates is free, whether it was inside or in
// line, and those that depend on it are told.
func keyReplacesWaiting(m *machine) {
	for _, kind := range []store.GateKind{store.LimitGate, store.OrderGate, store.DuplicateGate} {
		for _, inside := range []bool{true, false} {
			key, g := m.unique(store.Replace), m.own(kind, store.WaitInLine)
			first := task.ID{}
			if !inside {
				first = m.put(m.at(g))
			}
			held := m.at(g)
			held.Keys = []store.Key{key}
			holder := m.put(held)
			next, follower := m.put(m.at(g)), m.put(m.after(task.AnyFailed, holder))
			again := m.keyed(key)
			again.Gates = held.Gates
			m.put(again)
			m.compareAll()
			m.stands(holder, task.Canceled, task.Replaced)
			m.stands(follower, task.Ready, task.NoReason)
			require.Equal(m.rt, task.Blocked, m.rowOf(again.ID).State)
			if !inside {
				m.end(m.grab(first), task.Success)
			}
			m.stands(next, task.Ready, task.NoReason)
			m.end(m.grab(next), task.Success)
			m.stands(again.ID, task.Ready, task.NoReason)
		}
	}
	key, up := m.unique(store.Replace), m.put(m.plain(task.HTTP))
	held := m.after(task.AllOK, up)
	held.Keys = []store.Key{key}
	holder := m.put(held)
	m.put(m.keyed(key))
	m.compareAll()
	m.stands(holder, task.Canceled, task.Replaced)
	m.end(m.grab(up), task.Success)
	m.stands(holder, task.Canceled, task.Replaced)
}

func keyAnswers(m *machine) {
	key := m.idempotent("x")
	first := m.put(m.keyed(key))
	m.end(m.take(first), task.Success)
	m.now += key.TTL - second
	other := key
	other.Body = store.HashOf([]byte("y"))
	for k, want := range map[store.Key]store.InsertStatus{key: store.Existing, other: store.Mismatch} {
		got, _, err := m.real.Insert(ctx, []store.NewTask{m.keyed(k)}, false)
		require.NoError(m.rt, err)
		require.Equal(m.rt, want, got[0].Status)
		require.Equal(m.rt, first, got[0].ID)
	}
	m.now += second
	got, _, err := m.real.Insert(ctx, []store.NewTask{m.keyed(key)}, false)
	require.NoError(m.rt, err)
	require.Equal(m.rt, store.Created, got[0].Status, "its time is over")
}

// keyOfSeveral: the tasks share the key of their request, and have one each.
func keyOfSeveral(m *machine) {
	request := m.idempotent("x")
	request.Shared = true
	several := func(body string, n int) (tasks []store.NewTask) {
		for i := range n {
			shared, own := request, m.idempotent(body)
			shared.Body, own.Hash = own.Body, store.HashOf(request.Hash[:], []byte{byte(i)})
			tasks = append(tasks, m.keyed(shared, own))
		}
		return tasks
	}
	first, _, err := m.real.Insert(ctx, several("x", 2), false)
	require.NoError(m.rt, err)
	require.Equal(m.rt, []store.InsertStatus{store.Created, store.Created}, []store.InsertStatus{first[0].Status, first[1].Status})
	again, _, err := m.real.Insert(ctx, several("x", 2), false)
	require.NoError(m.rt, err)
	for i := range again {
		require.Equal(m.rt, []any{store.Existing, first[i].ID}, []any{again[i].Status, again[i].ID})
	}
	other, _, err := m.real.Insert(ctx, several("y", 3), false)
	require.NoError(m.rt, err)
	for i := range other {
		require.Equal(m.rt, store.Mismatch, other[i].Status, "task %d of another request with the same key", i)
	}
}

// keyRemembers: a request that was answered with the holder of a unique key is
// answered so again, when that key is free.
func keyRemembers(m *machine) {
	request, unique := m.idempotent("x"), m.unique(store.Return)
	holder := m.put(m.keyed(unique))
	for _, ended := range []bool{false, true} {
		if ended {
			m.end(m.take(holder), task.Success)
		}
		got, _, err := m.real.Insert(ctx, []store.NewTask{m.keyed(request, unique)}, false)
		require.NoError(m.rt, err)
		require.Equal(m.rt, []any{store.Existing, holder}, []any{got[0].Status, got[0].ID}, "the holder has ended: %t", ended)
	}
}

// keyRegained: a retry by hand waits for whoever has the key, and takes it back.
func keyRegained(m *machine) {
	key := m.unique(store.Return)
	for name, leave := range map[string]func(task.ID){
		"ended":   func(id task.ID) { m.end(m.take(id), task.Success) },
		"deleted": func(id task.ID) { m.steer("delete", id) },
	} {
		for _, kind := range []task.Kind{task.HTTP, task.Function} {
			key.Hash = store.HashOf(key.Hash[:], []byte(name))
			n := m.plain(kind)
			n.Keys = []store.Key{key}
			first := m.put(n)
			m.end(m.take(first), task.Reject)
			second := m.put(m.keyed(key))
			_, err := m.real.Retry(ctx, first)
			require.ErrorIs(m.rt, err, store.ErrKeyHeld)
			require.ErrorContains(m.rt, err, second.String())
			require.Equal(m.rt, task.Failed, m.rowOf(first).State)
			leave(second)
			m.steer("retry", first)
			require.Equal(m.rt, task.Ready, m.rowOf(first).State, "the other task was %s", name)
			got, _, err := m.real.Insert(ctx, []store.NewTask{m.keyed(key)}, false)
			require.NoError(m.rt, err)
			require.Equal(m.rt, []any{store.Existing, first}, []any{got[0].Status, got[0].ID}, "the task that runs again has its key, the other was %s", name)
		}
	}
}
