package storetest

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// RunRides checks that a claim which rides is made by a settle or an insert, with what that
// makes ready, and by nothing else when it is to wait no longer. open is as for [Run].
func RunRides(t *testing.T, open func(clock func() int64) store.Store) {
	t.Run("with settles", func(t *testing.T) { rideSettles(t, open) })
	for name, keyed := range map[string]bool{"with inserts": false, "with inserts that have keys": true} {
		t.Run(name, func(t *testing.T) { rideInserts(t, open, keyed) })
	}
}

// rideInserts has claims ride that nothing but an insert can make.
func rideInserts(t *testing.T, open func(clock func() int64) store.Store, keyed bool) {
	var now atomic.Int64
	now.Store(1_800_000_000_000_000)
	s := open(func() int64 { return now.Add(1) })
	lane, err := s.EnsureLane(ctx, store.DefaultNamespace, "q", task.AnyPool, 9)
	require.NoError(t, err)
	node := task.ID{1, 15: 1}
	require.NoError(t, s.Register(ctx, store.Node{ID: node, Name: "n", Version: 1, Roles: "all", Pools: "any"}, time.Hour.Microseconds()))
	stored := byte(0)
	insert := func() task.ID {
		stored++
		one := store.NewTask{ID: task.ID{2, 15: stored}, Lane: lane.ID, Kind: task.HTTP, Priority: 5, MaxAttempts: 3, Spec: []byte("spec")}
		if keyed {
			one.Keys = []store.Key{{Kind: store.IdempotencyKey, Namespace: store.DefaultNamespace, Hash: store.HashOf(one.ID[:]), TTL: time.Hour.Microseconds()}}
		}
		out, _, err := s.Insert(ctx, []store.NewTask{one}, false)
		require.NoError(t, err)
		require.Equal(t, store.Created, out[0].Status)
		return one.ID
	}
	for round := range byte(10) {
		got := make(chan store.ClaimBatch, 1)
		go func() {
			batch, err := s.Claim(ctx, store.ClaimRequest{
				ID: task.ID{3, 15: round}, Node: node, Limit: 99, Rides: make(chan struct{}), Slots: []store.ClaimSlot{{Lane: lane.ID, Priority: 5, Limit: 99}},
			})
			assert.NoError(t, err)
			got <- batch
		}()
		var ids, claimed []task.ID
		for claimed == nil { // the first may be stored before the claim is there
			ids = append(ids, insert())
			select {
			case batch := <-got:
				for _, c := range batch.Tasks {
					claimed = append(claimed, c.ID)
				}
			case <-time.After(time.Millisecond):
			}
		}
		require.Equal(t, ids[:len(claimed)], claimed)
		require.LessOrEqual(t, len(ids)-len(claimed), 1, "one more may have been stored when the claim was made")
		batch, err := s.Claim(ctx, store.ClaimRequest{ID: task.ID{4, 15: round}, Node: node, Limit: 99, Slots: []store.ClaimSlot{{Lane: lane.ID, Priority: 5, Limit: 99}}})
		require.NoError(t, err)
		require.Len(t, batch.Tasks, len(ids)-len(claimed))
	}
}

func rideSettles(t *testing.T, open func(clock func() int64) store.Store) {
	const chain = 50
	var now atomic.Int64
	now.Store(1_800_000_000_000_000)
	s := open(func() int64 { return now.Add(1) })
	lane, err := s.EnsureLane(ctx, store.DefaultNamespace, "q", task.AnyPool, 9)
	require.NoError(t, err)
	node := task.ID{1, 15: 1}
	require.NoError(t, s.Register(ctx, store.Node{ID: node, Name: "n", Version: 1, Roles: "all", Pools: "any"}, time.Hour.Microseconds()))
	link := func(i byte) task.ID { return task.ID{2, 15: i} }
	tasks := make([]store.NewTask, chain)
	for i := range tasks {
		tasks[i] = store.NewTask{ID: link(byte(i)), Lane: lane.ID, Kind: task.HTTP, Priority: 5, MaxAttempts: 3, Spec: []byte("spec")}
		if i > 0 {
			tasks[i].Deps = []task.ID{link(byte(i - 1))}
		}
	}
	_, _, err = s.Insert(ctx, tasks, true)
	require.NoError(t, err)
	claim := func(id byte, rides <-chan struct{}) []store.Claimed {
		batch, err := s.Claim(ctx, store.ClaimRequest{ID: task.ID{3, 15: id}, Node: node, Limit: 9, Rides: rides, Slots: []store.ClaimSlot{{Lane: lane.ID, Priority: 5, Limit: 9}}})
		require.NoError(t, err)
		return batch.Tasks
	}
	running := claim(0, nil)
	for i := byte(1); i < chain; i++ {
		require.Len(t, running, 1)
		rides, got := make(chan struct{}), make(chan []store.Claimed, 1)
		go func() { got <- claim(i, rides) }()
		end := store.Transition{ID: running[0].ID, Token: running[0].Token, Flags: running[0].Flags, Outcome: task.Success, Decision: task.Decision{To: task.Succeeded}}
		errs, _, err := s.Settle(ctx, []store.Transition{end})
		require.NoError(t, err)
		require.NoError(t, errs[0])
		close(rides) // it may have come too late for the settle
		running = <-got
		require.Equal(t, link(i), running[0].ID)
	}
}
