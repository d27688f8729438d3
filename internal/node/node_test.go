package node_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sendoff-dev/sendoff/internal/node"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/storetest"
	"github.com/sendoff-dev/sendoff/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// members is the oracle with a lock and a switch that makes it fail.
type members struct {
	*storetest.Oracle
	mu   sync.Mutex
	down bool
	slow time.Duration
}

func (m *members) Heartbeat(ctx context.Context, id task.ID, ttl int64, draining bool) error {
	m.mu.Lock()
	down, slow := m.down, m.slow
	err := m.Oracle.Heartbeat(ctx, id, ttl, draining)
	m.mu.Unlock()
	time.Sleep(slow) // the answer is slow, not the renewal
	if down {
		return errors.New("no connection")
	}
	return err
}

func (m *members) set(down bool, slow time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down, m.slow = down, slow
}

func start(t *testing.T) (*members, *node.Member, chan string, func()) {
	db := &members{Oracle: storetest.NewOracle(func() int64 { return time.Now().UnixMicro() })}
	events := make(chan string, 100)
	m := node.New(node.Config{
		Store: db, Name: "n", Lost: func() { events <- "lost" }, Held: func(time.Duration) []store.Held { return nil },
		Stop: func(task.ID) {}, Margin: func(time.Duration) {}, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, m.Join(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() { defer close(over); _ = m.Run(ctx) }()
	return db, m, events, func() { cancel(); <-over }
}

func TestALeaseIsRenewedForAsLongAsTheNodeLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, m, events, stop := start(t)
		defer stop()
		first, _ := m.ID()
		time.Sleep(time.Hour)
		id, trusted := m.ID()
		require.True(t, trusted)
		require.Equal(t, first, id)
		require.Empty(t, events)
	})
}

func TestANodeStopsTrustingItsLeaseBeforeItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, m, _, stop := start(t)
		defer stop()
		db.set(true, 0)
		time.Sleep(8900 * time.Millisecond)
		_, trusted := m.ID()
		require.True(t, trusted)
		time.Sleep(200 * time.Millisecond)
		_, trusted = m.ID()
		require.False(t, trusted, "the lease ends at 10 s: nothing may be claimed in its last second")
	})
}

func TestASlowAnswerDoesNotStretchTheTrust(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, m, _, stop := start(t)
		defer stop()
		db.set(false, 8*time.Second)
		time.Sleep(11500 * time.Millisecond) // renewed at 3 s, answered at 11 s
		_, trusted := m.ID()
		require.True(t, trusted)
		time.Sleep(600 * time.Millisecond) // 3 s + 9 s
		_, trusted = m.ID()
		require.False(t, trusted)
	})
}

func TestALostLeaseMeansANewNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, m, events, stop := start(t)
		defer stop()
		first, _ := m.ID()
		db.mu.Lock()
		require.NoError(t, db.Leave(t.Context(), first)) // another node has buried it
		db.mu.Unlock()
		time.Sleep(4 * time.Second)
		require.Equal(t, "lost", <-events)
		id, trusted := m.ID()
		require.True(t, trusted)
		require.NotEqual(t, first, id)
	})
}
