package settle_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/settle"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/storetest"
	"github.com/sendoff-dev/sendoff/task"
)

// floor fails a number of times before it does what the oracle does.
type floor struct {
	*storetest.Oracle
	failures int
}

func (f *floor) Settle(ctx context.Context, ts []store.Transition) ([]error, []store.Woken, error) {
	if f.failures > 0 {
		f.failures--
		return nil, nil, errors.New("no connection")
	}
	return f.Oracle.Settle(ctx, ts)
}

type rig struct {
	*floor
	settler *settle.Settler
	stale   int
	ended   []task.ID
	due     []int64
}

func newRig(t *testing.T) *rig {
	r := &rig{floor: &floor{Oracle: storetest.NewOracle(func() int64 { return time.Now().UnixMicro() })}}
	r.settler = settle.New(settle.Config{
		Store: r.floor, Wake: func([]store.Woken) {}, Due: func(at int64) { r.due = append(r.due, at) },
		Ended: func(id task.ID) { r.ended = append(r.ended, id) }, Settled: func(task.Class, task.State, time.Duration) {},
		Stale: func() { r.stale++ }, Told: func(task.ID) {}, Left: func(task.ID) <-chan struct{} { return nil }, Log: slog.New(slog.DiscardHandler),
	})
	return r
}

// claimed returns a task that a node has claimed.
func (r *rig) claimed(t *testing.T) *store.Claimed {
	node := task.ID{1}
	lane, err := r.EnsureLane(t.Context(), 1, "q", task.AnyPool, 1)
	require.NoError(t, err)
	require.NoError(t, r.Register(t.Context(), store.Node{ID: node}, 1e15))
	_, _, err = r.Insert(t.Context(), []store.NewTask{{ID: task.ID{2}, Lane: lane.ID, Kind: task.HTTP, MaxAttempts: 3}}, true)
	require.NoError(t, err)
	b, err := r.Claim(t.Context(), store.ClaimRequest{ID: task.ID{3}, Node: node, Limit: 1, Slots: []store.ClaimSlot{{Lane: lane.ID, Limit: 1}}})
	require.NoError(t, err)
	return &b.Tasks[0]
}

func TestASettleIsTriedUntilTheDatabaseAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		c := r.claimed(t)
		r.failures = 20
		r.settler.Settle(t.Context(), c, &task.Spec{}, task.Outcome{Class: task.Success}, 0)
		require.Equal(t, []task.ID{c.ID}, r.ended)
		require.Zero(t, r.stale)
	})
}

func TestASettleGivesUpWhenNothingCanBeWrittenAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		c := r.claimed(t)
		r.failures = 1 << 30
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r.settler.Settle(ctx, c, &task.Spec{}, task.Outcome{Class: task.Success}, 0)
		require.Empty(t, r.ended)
	})
}

func TestALateSettleIsCountedAndDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		c := r.claimed(t)
		require.NoError(t, r.Leave(t.Context(), task.ID{1}))
		_, err := r.Rescue(t.Context(), task.ID{9}, nil, 10)
		require.NoError(t, err)
		r.settler.Settle(t.Context(), c, &task.Spec{}, task.Outcome{Class: task.Success}, 0)
		require.Equal(t, 1, r.stale)
		require.Empty(t, r.ended)
		rows, err := r.Rows(t.Context(), []task.ID{c.ID})
		require.NoError(t, err)
		require.Equal(t, task.Ready, rows[0].State)
	})
}

func TestARetryIsAnnouncedToTheSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.settler.Settle(t.Context(), r.claimed(t), &task.Spec{}, task.Outcome{Class: task.Failure, RetryAfter: time.Minute}, 0)
		require.Equal(t, []int64{time.Now().Add(time.Minute).UnixMicro()}, r.due)
	})
}
