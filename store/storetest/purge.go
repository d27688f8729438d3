package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// PurgeSparesWhoIsToldOfIt checks that a purge leaves the function alone that
// becomes ready because the purge has canceled its call: it did not wait when its
// turn came, and it has to be told of the end.
func PurgeSparesWhoIsToldOfIt(t *testing.T, open func(clock func() int64) store.Store) {
	clock := func() int64 { return 1_800_000_000_000_000 }
	for name, s := range map[string]store.Store{"the store": open(clock), "the oracle": NewOracle(clock)} {
		lane, err := s.EnsureLane(context.Background(), store.DefaultNamespace, "a", task.AnyPool, 10)
		require.NoError(t, err)
		parent := suspendedOnCall(t, s, lane.ID)
		purged, woken, err := s.Purge(context.Background(), []int32{lane.ID}, 10)
		require.NoError(t, err)
		require.Equal(t, 1, purged, "%s: the call and nothing else", name)
		require.Len(t, woken, 1, name)
		rows, err := s.Rows(context.Background(), []task.ID{parent})
		require.NoError(t, err)
		require.Equal(t, task.Ready, rows[0].State, "%s: the parent", name)
	}
}

// suspendedOnCall stores a function that waits for the one call it has made.
func suspendedOnCall(t *testing.T, s store.Store, lane int32) (parent task.ID) {
	t.Helper()
	ctx := context.Background()
	parent, node := task.ID{15: 1}, task.ID{15: 2}
	draft := store.NewTask{ID: parent, Lane: lane, Priority: 5, Kind: task.Function, MaxAttempts: 3, Spec: []byte("spec")}
	require.NoError(t, s.Register(ctx, store.Node{ID: node, Name: "n"}, time.Hour.Microseconds()))
	_, _, err := s.Insert(ctx, []store.NewTask{draft}, false)
	require.NoError(t, err)
	batch, err := s.Claim(ctx, store.ClaimRequest{ID: task.ID{15: 3}, Node: node, Limit: 1, Slots: []store.ClaimSlot{{Lane: lane, Priority: 5, Limit: 1}}})
	require.NoError(t, err)
	require.Len(t, batch.Tasks, 1)
	call := draft
	call.ID, call.Parent, call.Root, call.Deliver, call.Correlation = task.ID{15: 4}, parent, parent, true, 1
	errs, _, err := s.Settle(ctx, []store.Transition{{
		ID: parent, Token: batch.Tasks[0].Token, Outcome: task.Suspend, Decision: task.Decision{To: task.Suspended, Delay: time.Hour},
		Effects: &store.Effects{Calls: []store.NewTask{call}, Open: 1, Need: 1},
	}})
	require.NoError(t, err)
	require.NoError(t, errs[0])
	return parent
}
