package storetest

import (
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/store"
)

// keepSavedViews puts or deletes views, and looks at all of them.
func (m *machine) keepSavedViews(t *rapid.T) {
	ns := rapid.SampledFrom([]int32{1, 1, 2}).Draw(t, "namespace")
	name := rapid.SampledFrom([]string{"a", "B", "b", "ä"}).Draw(t, "view")
	if rapid.IntRange(0, 2).Draw(t, "step") == 0 {
		m.deleteSavedView(ns, name)
	} else {
		m.putSavedView(ns, name, rapid.SampledFrom([]string{"", "state=failed", "q=%00\u00e4"}).Draw(t, "query"))
	}
	m.compareSavedViews()
}

func (m *machine) putSavedView(ns int32, name, query string) {
	v := store.SavedView{Namespace: ns, Name: name, Path: "/tasks", Query: query}
	got, made, err := m.real.PutSavedView(ctx, v)
	require.NoError(m.rt, err)
	want, wantMade, _ := m.oracle.PutSavedView(ctx, v)
	m.same("view kept", got, want)
	m.same("view made", made, wantMade)
	m.saw("saved-view:" + map[bool]string{true: "made", false: "changed"}[made])
}

func (m *machine) deleteSavedView(ns int32, name string) {
	err := m.real.DeleteSavedView(ctx, ns, name)
	m.same("delete view", errName(err), errName(m.oracle.DeleteSavedView(ctx, ns, name)))
	m.saw("saved-view:delete-" + errName(err))
}

// compareSavedViews compares the views of every namespace.
func (m *machine) compareSavedViews() {
	for _, ns := range []int32{1, 2, 3} {
		got, err := m.real.ListSavedViews(ctx, ns)
		require.NoError(m.rt, err)
		want, _ := m.oracle.ListSavedViews(ctx, ns)
		m.same("the saved views", got, want)
	}
}

// aimSavedViews lead to each answer of store.SavedViews.
var aimSavedViews = map[string]func(*machine){
	"saved-view:made": func(m *machine) {
		m.now++
		for _, name := range []string{"c", "a", "B"} {
			m.putSavedView(1, "new at "+timeOf(m.now).String()+name, "q=x")
		}
		m.compareSavedViews()
	},
	"saved-view:changed": func(m *machine) {
		m.putSavedView(1, "a", "q=x")
		m.now++
		m.putSavedView(1, "a", "q=y")
		m.compareSavedViews()
	},
	"saved-view:delete-ok": func(m *machine) {
		m.putSavedView(1, "a", "q=x")
		m.putSavedView(2, "a", "q=x")
		m.deleteSavedView(1, "a")
		m.compareSavedViews()
	},
	"saved-view:delete-not-found": func(m *machine) { m.deleteSavedView(3, "nobody's") },
}
