package storetest

import (
	"errors"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

var rulesOfChanges = []rule{
	{"of a change and a claim of the same moment one is first", changeOrClaim},
}

// changeOrClaim: what is claimed is the task as it was before a change that is refused, or
// as it is after one that was made; and what has moved meanwhile is in its new lane alone.
func changeOrClaim(m *machine) {
	var group []store.NewTask
	for range 24 {
		n := m.plain(task.HTTP)
		n.Spec = []byte("before")
		if group = append(group, n); len(group)%3 == 0 {
			group[len(group)-1].Gates = []store.Gate{m.own(store.LimitGate, store.WaitInLine)}
		}
	}
	m.submit(group, true)
	claimed, changed := map[task.ID]string{}, map[task.ID]bool{}
	var both sync.WaitGroup
	both.Go(func() {
		node, ids := m.alive(), []task.ID{}
		for range group {
			ids = append(ids, m.newID())
		}
		for _, id := range ids {
			got, err := m.real.Claim(ctx, store.ClaimRequest{ID: id, Node: node, Limit: 1, Slots: []store.ClaimSlot{{Lane: m.lanes[0].ID, Priority: 5, Limit: 1}}})
			require.NoError(m.rt, err)
			for _, c := range got.Tasks {
				claimed[c.ID] = string(c.Spec)
			}
		}
	})
	both.Go(func() {
		for i := len(group) - 1; i >= 0; i-- {
			c := &store.Change{ID: group[i].ID, Was: []byte("before"), Spec: []byte("after"), MaxAttempts: 3}
			if i%2 == 0 {
				c.Lane = &m.lanes[1].ID
			}
			_, err := m.real.Change(ctx, c)
			if changed[group[i].ID] = err == nil; err != nil && !errors.Is(err, store.ErrUnchangeable) {
				require.NoError(m.rt, err)
			}
		}
	})
	both.Wait()
	for i, n := range group {
		spec, isClaimed := claimed[n.ID]
		row := m.rowOf(n.ID)
		switch {
		case isClaimed && spec == "before":
			require.False(m.rt, changed[n.ID], "it was changed after it had been claimed")
		case isClaimed:
			require.True(m.rt, changed[n.ID] && i%2 == 1, "it was claimed from the lane that it had left")
		default:
			require.True(m.rt, changed[n.ID], "it is neither claimed nor changed")
			require.Equal(m.rt, task.Ready, row.State)
		}
	}
	require.NoError(m.rt, Consistent(m.snapshot()))
}
