package storetest

import (
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/task"
)

// readWaits compares what the tasks wait for.
func (m *machine) readWaits(t *rapid.T) {
	limit := rapid.SampledFrom([]int{1, 3, 100}).Draw(t, "ahead")
	rows, _ := m.oracle.Rows(ctx, m.ids)
	for i := range rows {
		if rows[i].State == task.Ready {
			m.readAhead(rows[i].ID, limit)
		}
	}
	m.readAheadAtGates(limit)
	m.readMailbox(m.anyID(t))
}

// readAheadAtGates compares the places of all that stand in line at gates.
func (m *machine) readAheadAtGates(limit int) {
	snap, _ := m.oracle.Snapshot(ctx)
	for _, place := range snap.Lines {
		got, err := m.real.AheadAt(ctx, place, limit)
		require.NoError(m.rt, err)
		want, _ := m.oracle.AheadAt(ctx, place, limit)
		m.same("tasks ahead at a gate", got, want)
		if got > 0 {
			m.saw("ahead at a gate")
		}
	}
}

func (m *machine) readAhead(id task.ID, limit int) {
	rows, err := m.real.Rows(ctx, []task.ID{id})
	require.NoError(m.rt, err)
	require.Len(m.rt, rows, 1)
	place := rows[0].InLine()
	require.Equal(m.rt, m.oracle.ready[id], place, "the place of a task is not that of its row")
	got, err := m.real.Ahead(ctx, place, limit)
	require.NoError(m.rt, err)
	want, _ := m.oracle.Ahead(ctx, place, limit)
	m.same("tasks ahead", got, want)
	switch {
	case got == limit:
		m.saw("ahead:many")
	case got > 0:
		m.saw("ahead:some")
	}
}

func (m *machine) readMailbox(id task.ID) {
	got, err := m.real.Mailbox(ctx, id)
	require.NoError(m.rt, err)
	want, _ := m.oracle.Mailbox(ctx, id)
	m.same("mailbox", got, want)
	if got != (task.Mailbox{}) {
		m.saw("mailbox:some")
	}
}
