package node_test

import (
	"context"
	"errors"
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
	hang bool // the next renewal gets no answer at all
	shut bool // nobody can register
	lock chan struct{}
}

func (m *members) Heartbeat(ctx context.Context, id task.ID, ttl int64, draining bool) (bool, error) {
	m.mu.Lock()
	down, slow, hang := m.down, m.slow, m.hang
	if m.hang = false; hang {
		m.mu.Unlock()
		<-ctx.Done()
		return false, ctx.Err()
	}
	told, err := m.Oracle.Heartbeat(ctx, id, ttl, draining)
	m.mu.Unlock()
	time.Sleep(slow) // the answer is slow, not the renewal
	if down {
		return false, errors.New("no connection")
	}
	return told, err
}

func (m *members) set(down bool, slow time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down, m.slow = down, slow
}

func (m *members) Register(ctx context.Context, n store.Node, ttl int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.shut {
		return errors.New("no connection")
	}
	return m.Oracle.Register(ctx, n, ttl)
}

// Lost waits for the lock on the table of tasks, for ever if need be.
func (m *members) Lost(context.Context, []store.Held) ([]task.ID, error) {
	<-m.lock
	return nil, nil
}

// deaf cannot listen.
type deaf struct{}

func (deaf) Notify(context.Context, store.Hint) error { return errors.New("no") }
func (deaf) Listen(context.Context, func(store.Hint)) error {
	return errors.New("this URL cannot be read")
}

// work is a node's that holds the same attempts all the time.
type work struct {
	held []store.Held
	lost func()
	stop func(store.Held)
}

func (w work) Pools() []string                 { return nil }
func (w work) Held(time.Duration) []store.Held { return w.held }
func (w work) Stop(h store.Held)               { w.stop(h) }
func (w work) Lost()                           { w.lost() }

func start(t *testing.T) (*members, *node.Member, chan string, func()) {
	db := &members{Oracle: storetest.NewOracle(func() int64 { return time.Now().UnixMicro() }), lock: make(chan struct{})}
	events := make(chan string, 100)
	m := node.New(node.Config{
		Store: db, Notify: deaf{}, Name: "n", Hint: func(store.Hint) {},
		Work: work{held: []store.Held{{Token: 1}}, lost: func() { events <- "lost" }, stop: func(store.Held) {}},
	})
	require.NoError(t, m.Join(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() { defer close(over); _ = m.Run(ctx) }()
	return db, m, events, func() { cancel(); close(db.lock); <-over }
}

// TestALeaseIsRenewedForAsLongAsTheNodeLives although nothing else works: the
// table of tasks is locked all the time, and hints are neither sent nor heard.
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
		select {
		case event := <-events:
			require.Equal(t, "lost", event)
		default:
			t.Fatal("the lease was lost, and nobody was told to drop what runs under it")
		}
		id, trusted := m.ID()
		require.True(t, trusted)
		require.NotEqual(t, first, id)
	})
}

func TestARenewalThatHangsHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, m, events, stop := start(t)
		defer stop()
		first, _ := m.ID()
		for range 10 {
			db.mu.Lock()
			db.hang = true // as a connection does whose other end is gone
			db.mu.Unlock()
			for range 200 {
				time.Sleep(100 * time.Millisecond)
				id, trusted := m.ID()
				require.True(t, trusted, "the renewal beside the one that hangs keeps the lease")
				require.Equal(t, first, id)
			}
		}
		require.Empty(t, events)
	})
}

func TestALostLeaseIsToldOnceHoweverLongJoiningTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, m, events, stop := start(t)
		defer stop()
		first, _ := m.ID()
		db.mu.Lock()
		require.NoError(t, db.Leave(t.Context(), first))
		db.shut = true
		db.mu.Unlock()
		time.Sleep(time.Minute)
		_, trusted := m.ID()
		require.False(t, trusted)
		db.mu.Lock()
		db.shut = false
		db.mu.Unlock()
		time.Sleep(time.Second)
		_, trusted = m.ID()
		require.True(t, trusted, "the node is back as soon as it can register")
		require.Len(t, events, 1)
	})
}

// loser finds that every attempt was lost.
type loser struct{ *storetest.Oracle }

func (loser) Lost(_ context.Context, held []store.Held) (ids []task.ID, err error) {
	for _, h := range held {
		ids = append(ids, h.ID)
	}
	return ids, nil
}

// The task may run again here, under another token, when the answer comes.
func TestWhatWasLostIsAnAttemptNotATask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := []store.Held{{ID: task.ID{1}, Token: 3}, {ID: task.ID{2}, Token: 8}}
		var stopped []store.Held
		m := node.New(node.Config{
			Store: loser{storetest.NewOracle(func() int64 { return time.Now().UnixMicro() })}, Name: "n",
			Work: work{held: held, lost: func() {}, stop: func(h store.Held) { stopped = append(stopped, h) }},
		})
		require.NoError(t, m.Join(t.Context()))
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		require.NoError(t, m.Run(ctx))
		require.Equal(t, held, stopped)
	})
}

// What a node was told outlives its lease, though the row in which it stood does not.
func TestANodeThatWasToldToDrainGoesOnUnderANewID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m, _, stop := start(t)
		defer stop()
		first, _ := m.ID()
		require.NoError(t, with(s, func() error { return s.Drain(t.Context(), first, true) }))
		require.False(t, m.Draining())
		m.Look()
		synctest.Wait()
		require.True(t, m.Draining(), "at once when it looks")
		require.NoError(t, with(s, func() error { return s.Leave(t.Context(), first) })) // another node has buried it
		time.Sleep(4 * time.Second)
		second, trusted := m.ID()
		require.True(t, trusted)
		require.NotEqual(t, first, second)
		var nodes []store.Node
		require.NoError(t, with(s, func() (err error) { nodes, err = s.Nodes(t.Context()); return err }))
		require.Len(t, nodes, 1)
		require.True(t, nodes[0].Draining)
		time.Sleep(10 * time.Second)
		require.True(t, m.Draining(), "the order stands in the row of the new id as well")
		require.NoError(t, with(s, func() error { return s.Drain(t.Context(), second, false) }))
		m.Look()
		synctest.Wait()
		require.False(t, m.Draining(), "until it is taken back")
		m.Drain()
		m.Look()
		synctest.Wait()
		require.True(t, m.Draining(), "who stops does not claim, whatever it is told")
	})
}

func with(m *members, fn func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return fn()
}
