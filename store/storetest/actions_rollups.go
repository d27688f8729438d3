package storetest

import (
	"cmp"
	"slices"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// keepRollups writes rows and folds them.
func (m *machine) keepRollups(t *rapid.T) {
	switch rapid.IntRange(0, 3).Draw(t, "step") {
	case 0:
		step := rapid.SampledFrom([][2]int64{{store.Minute, store.TenMinutes}, {store.TenMinutes, store.Hour}, {store.Hour, 0}, {store.TenSeconds, 0}}).Draw(t, "steps")
		m.foldRollups(step[0], step[1], rapid.Int64Range(0, 130).Draw(t, "before")*store.Minute, rapid.IntRange(1, 5).Draw(t, "limit"))
	default:
		m.putRollups(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) store.Rollup {
			r := m.rolled(rapid.Int64Range(0, 120).Draw(t, "at"), rapid.Int32Range(1, 2).Draw(t, "lane"), rapid.ByteRange(1, 2).Draw(t, "node"), rapid.Int64Range(1, 9).Draw(t, "n"))
			switch rapid.IntRange(0, 4).Draw(t, "kind") {
			case 0:
				r.Step = store.TenSeconds
			case 1:
				r.Step, r.At, r.Target, r.Data = store.Hour, r.At-r.At%store.Hour, rapid.Int32Range(1, 2).Draw(t, "target"), (&store.Tally{Started: 1}).EncodeTarget("t")
			}
			return r
		}), 1, 4).Draw(t, "rows"))
	}
	m.compareRollups()
}

// rolled is a row of a minute in which n tasks were accepted.
func (m *machine) rolled(minute int64, lane int32, node byte, n int64) store.Rollup {
	sum := store.Tally{Accepted: n, Ready: n}
	return store.Rollup{Step: store.Minute, At: minute * store.Minute, Lane: lane, Node: task.ID{node}, Data: sum.Encode()}
}

func (m *machine) putRollups(rows []store.Rollup) {
	rows = slices.CompactFunc(slices.SortedStableFunc(slices.Values(rows), byStep), func(a, b store.Rollup) bool { return byStep(a, b) == 0 })
	require.NoError(m.rt, m.real.PutRollups(ctx, rows))
	_ = m.oracle.PutRollups(ctx, rows)
}

func (m *machine) foldRollups(from, to, before int64, limit int) {
	got, err := m.real.FoldRollups(ctx, from, to, before, limit)
	require.NoError(m.rt, err)
	want, _ := m.oracle.FoldRollups(ctx, from, to, before, limit)
	m.same("folded", got, want)
	m.saw("rollups:" + map[bool]string{true: "folded", false: "nothing-to-fold"}[got > 0])
}

func byStep(a, b store.Rollup) int {
	return cmp.Or(cmp.Compare(a.Step, b.Step), store.CompareRollups(a, b))
}

func (m *machine) compareRollups() {
	for _, step := range []int64{store.TenSeconds, store.Minute, store.TenMinutes, store.Hour} {
		for _, q := range []store.RollupQuery{{Lanes: []int32{1, 2}}, {Lanes: []int32{2}}, {Lanes: []int32{1, 2}, Targets: true}} {
			q.Step, q.From, q.Till = step, store.Minute, 100*store.Minute
			got, err := m.real.Rollups(ctx, q)
			require.NoError(m.rt, err)
			want, _ := m.oracle.Rollups(ctx, q)
			slices.SortFunc(got, byStep)
			slices.SortFunc(want, byStep)
			m.same("rollups", got, want)
		}
	}
}

// aimRollups lead to each answer about rollups.
var aimRollups = map[string]func(*machine){
	"rollups:nothing-to-fold": func(m *machine) { m.foldRollups(store.Minute, store.TenMinutes, 0, 5) },
	"rollups:folded": func(m *machine) {
		for i := range int64(25) {
			m.putRollups([]store.Rollup{m.rolled(i, 1, 1, i), m.rolled(i, 1, 2, 1), m.rolled(i, 2, 1, 1)})
		}
		for range 20 { // a page ends within ten minutes, and the rest is added to what is there
			m.foldRollups(store.Minute, store.TenMinutes, 20*store.Minute, 4)
			m.compareRollups()
		}
		m.foldRollups(store.TenMinutes, store.Hour, store.Hour, 100)
		m.compareRollups()
		m.foldRollups(store.Hour, 0, store.Hour, 100)
		m.compareRollups()
	},
}
