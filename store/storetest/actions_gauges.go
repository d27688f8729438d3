package storetest

import "github.com/stretchr/testify/require"

// compareGauges compares what those see who watch.
func (m *machine) compareGauges() {
	got, err := m.real.Backlog(ctx)
	require.NoError(m.rt, err)
	want, _ := m.oracle.Backlog(ctx)
	m.same("the backlog", got, want)
	counts := m.real.GateCounts()
	for kind := range counts {
		for what := range counts[kind] {
			counts[kind][what] -= m.counted[kind][what]
		}
	}
	m.same("what was decided at gates", counts, m.oracle.GateCounts())
}
