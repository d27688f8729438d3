package storetest

import "github.com/stretchr/testify/require"

// compareUsage compares how much is stored.
func (m *machine) compareUsage() {
	lanes := []int32{}
	for i := range m.oracle.lanes {
		if i%2 == 0 {
			lanes = append(lanes, m.oracle.lanes[i].ID)
		}
	}
	got, err := m.real.PayloadBytes(ctx, lanes)
	require.NoError(m.rt, err)
	want, _ := m.oracle.PayloadBytes(ctx, lanes)
	m.same("the bytes of payloads", got, want)
}
