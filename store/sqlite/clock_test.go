package sqlite_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/sqlite"
	"github.com/sendoff-dev/sendoff/task"
)

// clocked is a store whose clock is set by hand, with a node that has claimed a
// task, two more that are ready, and one that is due in an hour.
type clocked struct {
	*sqlite.Store
	t       *testing.T
	now     int64
	lane    int32
	node    task.ID
	claims  []task.ID
	running store.Claimed
	ready   []task.ID
	delayed task.ID
}

func newClocked(t *testing.T) *clocked {
	c := &clocked{t: t, now: time.Date(2026, 3, 29, 0, 30, 0, 0, time.UTC).UnixMicro(), node: task.ID(uuid.Must(uuid.NewV7()))}
	var err error
	c.Store, err = sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "sendoff.db"), sqlite.Options{Clock: func() int64 { return c.now }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	lane, err := c.EnsureLane(context.Background(), store.DefaultNamespace, "default", task.AnyPool, 10)
	require.NoError(t, err)
	c.lane = lane.ID
	require.NoError(t, c.Register(context.Background(), store.Node{ID: c.node}, (100*365*24*time.Hour).Microseconds()), "as the engine does")
	c.insert(0)
	c.running = c.claim()[0]
	c.ready = []task.ID{c.insert(0), c.insert(0)}
	c.delayed = c.insert(time.Hour)
	return c
}

func (c *clocked) insert(delay time.Duration) task.ID {
	c.t.Helper()
	n := draft(c.lane)
	n.Delay = delay.Microseconds()
	_, _, err := c.Insert(context.Background(), []store.NewTask{n}, false)
	require.NoError(c.t, err)
	return n.ID
}

func (c *clocked) claim() []store.Claimed {
	c.t.Helper()
	id := task.ID(uuid.Must(uuid.NewV7()))
	batch, err := c.Claim(context.Background(), store.ClaimRequest{ID: id, Node: c.node, Limit: 10,
		Slots: []store.ClaimSlot{{Lane: c.lane, Priority: 5, Limit: 10}}})
	require.NoError(c.t, err)
	c.claims = append(c.claims, id)
	return batch.Tasks
}

func (c *clocked) promote() int {
	c.t.Helper()
	n, _, _, err := c.PromoteDue(context.Background(), 10)
	require.NoError(c.t, err)
	return n
}

// stepKeepsWork is what holds however the clock is set.
func (c *clocked) stepKeepsWork(step time.Duration) {
	c.t.Helper()
	c.now += step.Microseconds()
	rescued, err := c.Rescue(context.Background(), c.node, c.claims, 10)
	require.NoError(c.t, err)
	require.Zero(c.t, rescued.Tasks, "what runs is not taken for lost")
	errs, _, err := c.Settle(context.Background(), []store.Transition{{ID: c.running.ID, Token: c.running.Token, Outcome: task.Success, Decision: task.Decision{To: task.Succeeded}}})
	require.NoError(c.t, err)
	require.NoError(c.t, errs[0], "what runs ends as it would have")
	want := append(c.ready, c.insert(0))
	var got []task.ID
	for _, claimed := range c.claim() {
		got = append(got, claimed.ID)
	}
	require.Equal(c.t, want, got, "what is ready is claimed in the order in which it came")
}

func TestAClockThatIsSetBackDelaysWhatWaitsForATime(t *testing.T) {
	c := newClocked(t)
	c.stepKeepsWork(-24 * time.Hour)
	c.now += time.Hour.Microseconds()
	require.Zero(t, c.promote(), "an hour has passed, but its time is a day away")
	after := c.insert(time.Hour)
	c.now += time.Hour.Microseconds()
	require.Equal(t, 1, c.promote(), "delays that begin later count from the new time")
	require.Equal(t, after, c.claim()[0].ID)
	c.now += 23 * time.Hour.Microseconds()
	require.Equal(t, 1, c.promote())
	require.Equal(t, c.delayed, c.claim()[0].ID)
}

func TestAClockThatIsSetForwardMakesDueWhatWaitsForATime(t *testing.T) {
	c := newClocked(t)
	c.stepKeepsWork(24 * time.Hour)
	require.Equal(t, 1, c.promote(), "its time has passed")
	require.Equal(t, c.delayed, c.claim()[0].ID)
}

// TestOrderHoldsOverARestartAfterTheClockWasSetBack: what became ready under the
// clock of before stays ahead of what comes later.
func TestOrderHoldsOverARestartAfterTheClockWasSetBack(t *testing.T) {
	dir, now := t.TempDir(), time.Now().UnixMicro()
	var want, got []task.ID
	for range 3 {
		s, err := sqlite.Open(context.Background(), filepath.Join(dir, "sendoff.db"), sqlite.Options{Clock: func() int64 { return now }})
		require.NoError(t, err)
		lane, err := s.EnsureLane(context.Background(), store.DefaultNamespace, "default", task.AnyPool, 10)
		require.NoError(t, err)
		n := draft(lane.ID)
		_, _, err = s.Insert(context.Background(), []store.NewTask{n}, false)
		require.NoError(t, err)
		want = append(want, n.ID)
		snap, err := s.Snapshot(context.Background())
		require.NoError(t, err)
		got = nil
		for _, e := range snap.Ready {
			got = append(got, e.ID)
		}
		require.NoError(t, s.Close())
		now -= 24 * time.Hour.Microseconds()
	}
	require.Equal(t, want, got)
}
