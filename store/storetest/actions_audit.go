package storetest

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// keepAudit adds rows, seals and drops them.
func (m *machine) keepAudit(t *rapid.T) {
	switch rapid.IntRange(0, 5).Draw(t, "step") {
	case 0:
		m.sealAudit(rapid.IntRange(1, 4).Draw(t, "limit"))
	case 1:
		m.dropAudit(m.now-int64(rapid.IntRange(-1, 100).Draw(t, "age"))*second, rapid.IntRange(1, 3).Draw(t, "limit"))
	default:
		m.putAudit(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) store.AuditRow {
			word := rapid.SampledFrom([]string{"", "a", "b", "ä\x01"})
			return store.AuditRow{
				Namespace: rapid.SampledFrom([]int32{0, 1, 2}).Draw(t, "namespace"), KeyID: word.Draw(t, "key"), Name: word.Draw(t, "name"), Action: word.Draw(t, "action"),
				Target: word.Draw(t, "target"), Address: word.Draw(t, "address"), Result: "ok", Reason: word.Draw(t, "reason"), Count: rapid.Int64Range(0, 9).Draw(t, "count"),
			}
		}), 1, 3).Draw(t, "rows"))
	}
	m.listAudit(store.AuditQuery{
		Namespace: rapid.SampledFrom([]int32{0, 1, 2}).Draw(t, "of"), Actor: rapid.SampledFrom([]string{"", "a"}).Draw(t, "actor"),
		Action: rapid.SampledFrom([]string{"", "b"}).Draw(t, "did"), Target: rapid.SampledFrom([]string{"", "", "a"}).Draw(t, "to"),
		After: rapid.SampledFrom([]int64{0, m.now - 10*second}).Draw(t, "after"), Till: rapid.SampledFrom([]int64{0, m.now}).Draw(t, "till"),
		Before: int64(rapid.IntRange(0, 5).Draw(t, "before")), Limit: rapid.IntRange(1, 5).Draw(t, "limit"),
	})
	m.compareAudit()
}

func (m *machine) putAudit(rows []store.AuditRow) {
	require.NoError(m.rt, m.real.PutAudit(ctx, rows))
	_ = m.oracle.PutAudit(ctx, rows)
	m.saw("audit:put")
}

func (m *machine) listAudit(q store.AuditQuery) {
	got, err := m.real.ListAudit(ctx, q)
	require.NoError(m.rt, err)
	want, _ := m.oracle.ListAudit(ctx, q)
	m.same("audit", got, want)
	m.saw("audit:" + map[bool]string{true: "some", false: "none"}[len(got) > 0])
}

func (m *machine) sealAudit(limit int) {
	got, err := m.real.SealAudit(ctx, limit)
	require.NoError(m.rt, err)
	want, _ := m.oracle.SealAudit(ctx, limit)
	m.same("sealed", got, want)
	m.saw("audit:" + map[bool]string{true: "sealed", false: "nothing-to-seal"}[got > 0])
}

func (m *machine) dropAudit(before int64, limit int) {
	got, err := m.real.DropAudit(ctx, before, limit)
	require.NoError(m.rt, err)
	want, _ := m.oracle.DropAudit(ctx, before, limit)
	m.same("dropped", got, want)
	m.saw("audit:" + map[bool]string{true: "dropped", false: "nothing-to-drop"}[got > 0])
}

// compareAudit compares all rows, and goes through the chain.
func (m *machine) compareAudit() {
	got, err := m.real.AuditAfter(ctx, 0, everything)
	require.NoError(m.rt, err)
	want, _ := m.oracle.AuditAfter(ctx, 0, everything)
	m.same("the audit", got, want)
	chain := store.AuditChain{Now: m.now + 2*store.KeepAudit} // rows are dropped long before
	for i := range got {
		require.NoError(m.rt, chain.Next(&got[i]))
	}
}

// keepAccess makes keys and namespaces.
func (m *machine) keepAccess(t *rapid.T) {
	id := rapid.SampledFrom([]string{"k1", "k2", "k3"}).Draw(t, "key")
	switch rapid.IntRange(0, 4).Draw(t, "step") {
	case 0:
		m.ensureNamespace(rapid.SampledFrom([]string{"default", "a", "B", "ä"}).Draw(t, "namespace"))
	case 1:
		m.setNamespace(rapid.Int32Range(1, 5).Draw(t, "namespace"), rapid.SampledFrom([][]byte{nil, []byte("x")}).Draw(t, "settings"))
	case 2:
		m.revoke(rapid.Int32Range(0, 2).Draw(t, "namespace"), id)
	case 3:
		m.used(map[string]int64{id: m.now, "nobody's": m.now})
	default:
		m.putKey(store.APIKey{ID: id, Namespace: rapid.Int32Range(1, 2).Draw(t, "namespace"), Name: "n", Prefix: "p", Hash: []byte(id), Scopes: 3})
	}
	m.compareAccess()
}

func (m *machine) ensureNamespace(name string) store.Namespace {
	got, err := m.real.EnsureNamespace(ctx, name)
	require.NoError(m.rt, err)
	want, _ := m.oracle.EnsureNamespace(ctx, name)
	m.same("namespace", got, want)
	m.saw("namespace:" + map[bool]string{true: "made", false: "there"}[got.CreatedAt == m.now])
	return got
}

func (m *machine) setNamespace(id int32, settings []byte) {
	err := m.real.SetNamespace(ctx, id, settings)
	m.same("settings of a namespace", errName(err), errName(m.oracle.SetNamespace(ctx, id, settings)))
	m.saw("namespace:set-" + errName(err))
}

func (m *machine) putKey(k store.APIKey) {
	if slices.ContainsFunc(m.oracle.apiKeys, func(had store.APIKey) bool { return had.ID == k.ID }) {
		require.Error(m.rt, m.real.PutAPIKey(ctx, k), "it is there already")
		return
	}
	require.NoError(m.rt, m.real.PutAPIKey(ctx, k))
	_ = m.oracle.PutAPIKey(ctx, k)
	m.saw("key:put")
}

func (m *machine) revoke(namespace int32, id string) {
	err := m.real.RevokeAPIKey(ctx, namespace, id)
	m.same("revoke", errName(err), errName(m.oracle.RevokeAPIKey(ctx, namespace, id)))
	m.saw("key:revoke-" + errName(err))
}

func (m *machine) used(used map[string]int64) {
	require.NoError(m.rt, m.real.UsedAPIKeys(ctx, used))
	_ = m.oracle.UsedAPIKeys(ctx, used)
	m.saw("key:used")
}

func (m *machine) compareAccess() {
	keys, err := m.real.APIKeys(ctx)
	require.NoError(m.rt, err)
	wantKeys, _ := m.oracle.APIKeys(ctx)
	m.same("API keys", keys, wantKeys)
	all, err := m.real.Namespaces(ctx)
	require.NoError(m.rt, err)
	want, _ := m.oracle.Namespaces(ctx)
	m.same("namespaces", all, want)
	rev, err := m.real.AccessRevision(ctx)
	require.NoError(m.rt, err)
	m.same("revision", rev, m.oracle.changes)
}

// aimAudit lead to each answer of store.Audits and store.Access.
var aimAudit = map[string]func(*machine){
	"audit:put":  func(m *machine) { m.putAudit([]store.AuditRow{{Action: "a"}, {Action: "b", Namespace: 2}}) },
	"audit:none": func(m *machine) { m.listAudit(store.AuditQuery{Namespace: 7, Limit: 1}) },
	"audit:some": func(m *machine) {
		m.putAudit([]store.AuditRow{{Action: "a", KeyID: "k", Name: "n", Target: "t", Count: 7, Result: "ok", Reason: "r", Address: "192.0.2.1"}, {Action: "a", KeyID: "n"}})
		m.listAudit(store.AuditQuery{Actor: "n", Limit: 5})
		m.listAudit(store.AuditQuery{Action: "a", Target: "t", After: m.now, Till: m.now + 1, Limit: 1})
	},
	"audit:sealed": func(m *machine) {
		m.putAudit([]store.AuditRow{{Action: "a"}, {Action: "b"}, {Action: "c"}})
		m.sealAudit(2)
		m.sealAudit(everything)
		m.compareAudit()
	},
	"audit:nothing-to-seal": func(m *machine) { m.sealAudit(everything); m.sealAudit(1) },
	"audit:dropped": func(m *machine) {
		m.putAudit([]store.AuditRow{{Action: "a"}, {Action: "b"}, {Action: "c"}})
		m.sealAudit(everything)
		m.now++
		m.putAudit([]store.AuditRow{{Action: "d"}})
		m.dropAudit(m.now, 1)
		m.dropAudit(m.now, everything)
		m.dropAudit(m.now+1, everything)
		m.compareAudit()
	},
	"audit:nothing-to-drop": func(m *machine) { m.putAudit([]store.AuditRow{{}}); m.dropAudit(0, 10) },
	"namespace:made":        func(m *machine) { m.now++; m.ensureNamespace("made at " + timeOf(m.now).String()) },
	"namespace:there":       func(m *machine) { m.ensureNamespace("default") },
	"namespace:set-ok":      func(m *machine) { m.setNamespace(1, []byte("s")); m.setNamespace(1, nil) },
	"namespace:set-not-found": func(m *machine) {
		m.setNamespace(1000, nil)
	},
	"key:put": func(m *machine) {
		m.putKey(store.APIKey{ID: "put", Namespace: 1, Name: "näme", Prefix: "p", Hash: []byte("put"), Scopes: 16, ExpiresAt: m.now + 1})
		m.putKey(store.APIKey{ID: "put at " + timeOf(m.now).String(), Namespace: 2, Hash: []byte(timeOf(m.now).String())})
		m.compareAccess()
		m.now++
	},
	"key:revoke-ok": func(m *machine) {
		m.putKey(store.APIKey{ID: "to revoke", Namespace: 2, Hash: []byte("to revoke")})
		m.revoke(1, "to revoke")
		m.revoke(2, "to revoke")
		m.revoke(0, "to revoke")
		m.compareAccess()
	},
	"key:revoke-not-found": func(m *machine) { m.revoke(0, "nobody's") },
	"key:used": func(m *machine) {
		m.used(map[string]int64{"put": m.now})
		m.used(map[string]int64{"put": m.now - 1})
		m.compareAccess()
	},
}

var rulesOfAudit = []rule{
	{"an action and its record are there together", actionsAreRecorded},
	{"a record that was changed, added or taken away is found", auditTamperedWith},
	{"rows that come while others are sealed are sealed after them", auditSealedWhileAdded},
}

// step is something that an operator does.
type step = func(context.Context, store.Store) error

// operated are the steps of an operator. Each makes a situation in which it is possible,
// and returns the step.
var operated = map[string]func(*machine) step{
	"cancel":         func(m *machine) step { return m.canceling(m.put(m.plain(task.HTTP))) },
	"cancel running": func(m *machine) step { return m.canceling(m.hold(task.HTTP).ID) },
	"cancel at gate": func(m *machine) step {
		return m.canceling(m.put(m.at(m.own(store.LimitGate, 0))))
	},
	"cancel a call": func(m *machine) step { return m.canceling(m.wait(m.hold(task.Function))) },
	"undo": func(m *machine) step {
		id := m.owing().ID
		return func(ctx context.Context, s store.Store) error { return woke(s.Undo(ctx, id, grace)) }
	},
	"retry": func(m *machine) step {
		id := m.end(m.hold(task.HTTP), task.Reject).ID
		return func(ctx context.Context, s store.Store) error { return woke(s.Retry(ctx, id)) }
	},
	"retry followers": func(m *machine) step {
		up := m.hold(task.HTTP)
		m.put(m.after(task.AllOK, up.ID))
		m.end(up, task.Reject)
		return func(ctx context.Context, s store.Store) error { return woke(s.RetryFollowers(ctx, up.ID)) }
	},
	"run": func(m *machine) step {
		id := m.put(m.delayed())
		return func(ctx context.Context, s store.Store) error { return woke(s.RunNow(ctx, id)) }
	},
	"run beyond": func(m *machine) step {
		gate := m.own(store.LimitGate, 0)
		m.put(m.at(gate))
		id := m.put(m.at(gate))
		return func(ctx context.Context, s store.Store) error { return woke(s.RunBeyond(ctx, id)) }
	},
	"delete": func(m *machine) step {
		id := m.put(m.plain(task.HTTP))
		return func(ctx context.Context, s store.Store) error { return woke(s.Delete(ctx, id)) }
	},
	"restart": func(m *machine) step {
		id := m.hold(task.Function).ID
		return func(ctx context.Context, s store.Store) error { return woke(s.Restart(ctx, id)) }
	},
	"pause": func(m *machine) step {
		return func(ctx context.Context, s store.Store) error {
			return woke(s.SetPaused(ctx, m.lanes[0].QueueID, true))
		}
	},
	"settings": func(m *machine) step {
		return func(ctx context.Context, s store.Store) error {
			return s.SetSettings(ctx, m.lanes[0].QueueID, nil, []byte("s"))
		}
	},
	"forget": func(m *machine) step {
		queue := m.lanes[1].QueueID // nothing was put there
		return func(ctx context.Context, s store.Store) error { return s.Forget(ctx, queue) }
	},
	"set limit": func(m *machine) step {
		return func(ctx context.Context, s store.Store) error {
			return s.SetLimit(ctx, store.Limit{Namespace: 1, Key: "l", Capacity: 1})
		}
	},
	"delete limit": func(m *machine) step {
		for _, s := range []store.Store{m.real, m.oracle} {
			require.NoError(m.rt, s.SetLimit(ctx, store.Limit{Namespace: 1, Key: "d", Capacity: 1}))
		}
		return func(ctx context.Context, s store.Store) error { return s.DeleteLimit(ctx, 1, "d") }
	},
	"put graph": func(m *machine) step {
		return func(ctx context.Context, s store.Store) error {
			_, _, err := s.PutGraph(ctx, 1, "g", []byte("{}"))
			return err
		}
	},
	"put schedule": func(m *machine) step {
		return func(ctx context.Context, s store.Store) error {
			_, err := s.PutSchedule(ctx, store.Schedule{ScheduleName: store.ScheduleName{Namespace: 1, Name: "audited"}, Spec: []byte("{}")}, nil, nil)
			return err
		}
	},
	"delete schedule": func(m *machine) step {
		m.putSchedule("gone", 0, nil)
		return func(ctx context.Context, s store.Store) error { return s.DeleteSchedule(ctx, 1, "gone") }
	},
	"put view": func(*machine) step {
		return func(ctx context.Context, s store.Store) error {
			_, _, err := s.PutSavedView(ctx, store.SavedView{Namespace: 1, Name: "audited"})
			return err
		}
	},
	"delete view": func(m *machine) step {
		m.putSavedView(1, "gone", "")
		return func(ctx context.Context, s store.Store) error { return s.DeleteSavedView(ctx, 1, "gone") }
	},
	"delete graph": func(m *machine) step {
		m.putGraph(1, "gone", []byte("{}"))
		return func(ctx context.Context, s store.Store) error { return s.DeleteGraph(ctx, 1, "gone") }
	},
	"put key": func(m *machine) step {
		return func(ctx context.Context, s store.Store) error {
			return s.PutAPIKey(ctx, store.APIKey{ID: "k", Namespace: 1, Hash: []byte("k")})
		}
	},
	"revoke key": func(m *machine) step {
		m.putKey(store.APIKey{ID: "r", Namespace: 1, Hash: []byte("r")})
		return func(ctx context.Context, s store.Store) error { return s.RevokeAPIKey(ctx, 0, "r") }
	},
	"seal": func(m *machine) step {
		return func(ctx context.Context, s store.Store) error { return s.SetSealed(ctx, "audited", nil, []byte("doc")) }
	},
	"set namespace": func(m *machine) step {
		return func(ctx context.Context, s store.Store) error { return s.SetNamespace(ctx, 1, []byte("s")) }
	},
}

func woke(_ []store.Woken, err error) error { return err }

func (m *machine) canceling(id task.ID) step {
	return func(ctx context.Context, s store.Store) error { return woke(s.Cancel(ctx, id, store.Alone)) }
}

// refused are steps that are not possible: nothing is recorded of them by the store.
var refused = map[string]func(*machine) step{
	"cancel": func(m *machine) step { return m.canceling(m.newID()) },
	"retry": func(m *machine) step {
		id := m.put(m.plain(task.HTTP))
		return func(ctx context.Context, s store.Store) error { return woke(s.Retry(ctx, id)) }
	},
	"run": func(m *machine) step {
		id := m.hold(task.HTTP).ID
		return func(ctx context.Context, s store.Store) error { return woke(s.RunNow(ctx, id)) }
	},
	"delete": func(m *machine) step {
		id := m.hold(task.HTTP).ID
		return func(ctx context.Context, s store.Store) error { return woke(s.Delete(ctx, id)) }
	},
	"pause": func(*machine) step {
		return func(ctx context.Context, s store.Store) error { return woke(s.SetPaused(ctx, 1000, true)) }
	},
	"settings": func(*machine) step {
		return func(ctx context.Context, s store.Store) error { return s.SetSettings(ctx, 1000, nil, nil) }
	},
	"graph": func(*machine) step {
		return func(ctx context.Context, s store.Store) error { return s.DeleteGraph(ctx, 1, "nobody's") }
	},
	"view": func(*machine) step {
		return func(ctx context.Context, s store.Store) error { return s.DeleteSavedView(ctx, 1, "nobody's") }
	},
	"key": func(*machine) step {
		return func(ctx context.Context, s store.Store) error { return s.RevokeAPIKey(ctx, 0, "nobody's") }
	},
	"seal": func(*machine) step {
		return func(ctx context.Context, s store.Store) error {
			return s.SetSealed(ctx, "nobody's", []byte("doc"), nil)
		}
	},
}

func (m *machine) auditOf(action string) []store.AuditRow {
	rows, err := m.real.ListAudit(ctx, store.AuditQuery{Action: action, Limit: everything})
	require.NoError(m.rt, err)
	return rows
}

func actionsAreRecorded(m *machine) {
	for name, prepare := range operated {
		step := prepare(m)
		ctx, a := store.WithAudit(ctx, store.AuditRow{Action: name, KeyID: "k", Name: "n", Address: "192.0.2.1", Target: "t", Reason: "because"})
		a.SetChange(`{"a":1}`, `{"a":"ä"}`)
		require.NoError(m.rt, step(ctx, m.real), name)
		require.NoError(m.rt, step(ctx, m.oracle), name)
		require.True(m.rt, a.Written(), "%s: nothing was recorded", name)
		rows := m.auditOf(name)
		require.Len(m.rt, rows, 1, name)
		rows[0].Seq = 0
		m.same(name, rows[0], store.AuditRow{Namespace: 1, At: m.now, KeyID: "k", Name: "n", Address: "192.0.2.1", Action: name, Target: "t", Count: 1, Result: "ok", Reason: "because", Was: `{"a":1}`, Became: `{"a":"ä"}`})
	}
	for name, prepare := range refused {
		ctx, a := store.WithAudit(ctx, store.AuditRow{Action: "refused " + name})
		require.Error(m.rt, prepare(m)(ctx, m.real), name)
		require.False(m.rt, a.Written(), name)
		require.Empty(m.rt, m.auditOf("refused "+name))
	}
	purged := m.ensurePurge(5)
	ctx, a := store.WithAudit(ctx, store.AuditRow{Action: "purge"})
	n, _, err := m.real.Purge(ctx, purged, 3)
	require.NoError(m.rt, err)
	require.Equal(m.rt, 3, n)
	_, _, err = m.real.Purge(ctx, purged, 3)
	require.NoError(m.rt, err)
	require.True(m.rt, a.Written())
	total := int64(0)
	for _, row := range m.auditOf("purge") {
		total += row.Count
	}
	require.EqualValues(m.rt, 5, total, "each transaction says how many it canceled")
	_, err = m.real.EnsureLane(store.WithoutAudit(ctx), 1, "beside", task.AnyPool, 1000)
	require.NoError(m.rt, err)
}

// ensurePurge puts n tasks into a queue in which nothing else is.
func (m *machine) ensurePurge(n int) []int32 {
	m.ensureLane("b", task.AnyPool) // it was forgotten
	lane := m.lanes[1].ID
	for range n {
		one := m.plain(task.HTTP)
		one.Lane = lane
		m.put(one)
	}
	return []int32{lane}
}

func auditTamperedWith(m *machine) {
	rows := make([]store.AuditRow, 6)
	for i := range rows {
		rows[i] = store.AuditRow{Action: "a", Count: int64(i), Name: "n", Became: strings.Repeat("{}", i%2)}
	}
	m.putAudit(rows)
	m.sealAudit(4)
	m.sealAudit(1)
	kept, err := m.real.AuditAfter(ctx, 0, everything)
	require.NoError(m.rt, err)
	seq := func(i int) int64 { return kept[i].Seq }
	for name, tt := range map[string]struct {
		change func([]store.AuditRow) []store.AuditRow
		broken int64 // 0 = none
	}{
		"as it is":            {func(r []store.AuditRow) []store.AuditRow { return r }, 0},
		"one is changed":      {func(r []store.AuditRow) []store.AuditRow { r[2].Count++; return r }, seq(2)},
		"a name is changed":   {func(r []store.AuditRow) []store.AuditRow { r[0].Name = "m"; return r }, seq(0)},
		"a change is another": {func(r []store.AuditRow) []store.AuditRow { r[1].Was, r[1].Became = r[1].Became, r[1].Was; return r }, seq(1)},
		"a change is gone":    {func(r []store.AuditRow) []store.AuditRow { r[3].Became = ""; return r }, seq(3)},
		"one is gone":         {func(r []store.AuditRow) []store.AuditRow { return slices.Delete(r, 1, 2) }, seq(2)},
		"the oldest are gone": {func(r []store.AuditRow) []store.AuditRow { return r[2:] }, seq(2)},
		"one is added": {func(r []store.AuditRow) []store.AuditRow {
			return slices.Insert(r, 1, store.AuditRow{Seq: r[0].Seq, Action: "b"})
		}, seq(1)},
		"two are exchanged": {func(r []store.AuditRow) []store.AuditRow { r[1], r[2] = r[2], r[1]; return r }, seq(2)},
		"a seal is gone":    {func(r []store.AuditRow) []store.AuditRow { r[3].Seal = nil; return r }, seq(4)},
		"a seal is another": {func(r []store.AuditRow) []store.AuditRow { r[3].Seal = bytes.Repeat([]byte{1}, 32); return r }, seq(3)},
	} {
		chain := store.AuditChain{Now: m.now}
		var broken *store.BrokenAudit
		for _, r := range tt.change(slices.Clone(kept)) {
			if err := chain.Next(&r); err != nil {
				require.ErrorAs(m.rt, err, &broken)
				break
			}
		}
		if tt.broken == 0 {
			require.Nil(m.rt, broken, name)
			require.Equal(m.rt, []int{6, 1}, []int{chain.Rows, chain.Open})
			continue
		}
		require.NotNil(m.rt, broken, "%s: not found", name)
		require.Equal(m.rt, tt.broken, broken.Seq, "%s: %s", name, broken)
	}
}

// auditSealedWhileAdded adds rows from many sides, in transactions of actions too, while
// others seal: the chain holds at any moment.
func auditSealedWhileAdded(m *machine) {
	const writers, each = 6, 20
	var added, sealers sync.WaitGroup
	stop := make(chan struct{})
	errs := make(chan error, writers*each+3)
	for range 3 {
		sealers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := m.real.SealAudit(ctx, 7); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	for range writers {
		added.Go(func() {
			for range each {
				ctx, _ := store.WithAudit(ctx, store.AuditRow{Action: "s"})
				errs <- m.real.SetNamespace(ctx, 1, nil)
			}
		})
	}
	added.Wait()
	close(stop)
	sealers.Wait()
	close(errs)
	for err := range errs {
		require.NoError(m.rt, err)
	}
	_, err := m.real.SealAudit(ctx, everything)
	require.NoError(m.rt, err)
	rows, err := m.real.AuditAfter(ctx, 0, everything)
	require.NoError(m.rt, err)
	require.Len(m.rt, rows, writers*each)
	chain := store.AuditChain{Now: m.now}
	for i := range rows {
		require.NoError(m.rt, chain.Next(&rows[i]))
	}
	require.Zero(m.rt, chain.Open)
}
