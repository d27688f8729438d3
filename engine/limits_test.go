package engine_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/postgres"
	"github.com/sendoff-dev/sendoff/store/sqlite"
	"github.com/sendoff-dev/sendoff/task"
)

// crowd is pushed to, and counts what is under way in it.
type crowd struct {
	url  string
	mu   sync.Mutex
	now  int
	most int
	came []time.Time
}

func openCrowd(t *testing.T, takes time.Duration) *crowd {
	a := &crowd{}
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		a.mu.Lock()
		a.now++
		a.most = max(a.most, a.now)
		a.came = append(a.came, time.Now())
		a.mu.Unlock()
		time.Sleep(takes)
		a.mu.Lock()
		a.now--
		a.mu.Unlock()
	}))
	t.Cleanup(srv.Close)
	a.url = srv.URL
	return a
}

func (a *crowd) seen() (most, came int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.most, len(a.came)
}

func (a *crowd) submit(t *testing.T, e *engine.Engine, queue string, n int) {
	t.Helper()
	tasks := make([]engine.Task, n)
	for i := range tasks {
		tasks[i] = engine.Task{URL: a.url, Queue: queue}
	}
	_, err := e.SubmitMany(context.Background(), tasks, true)
	require.NoError(t, err)
}

func TestALimitOfAQueueHoldsFromItsAnswerOn(t *testing.T) {
	b := open(t, engine.Config{AllowLoopback: true})
	b.run(t)
	defer b.stop()
	a := openCrowd(t, 5*time.Millisecond)
	ctx := context.Background()
	_, err := b.Queues().Set(ctx, "q", task.QueueSettings{Concurrency: 3})
	require.NoError(t, err)
	a.submit(t, b.Engine, "q", 200)
	require.Eventually(t, func() bool { _, came := a.seen(); return came == 200 }, 30*time.Second, 5*time.Millisecond)
	most, _ := a.seen()
	require.Equal(t, 3, most)
	_, err = b.Queues().Update(ctx, "q", func(s *task.QueueSettings) { s.Concurrency = 0 })
	require.NoError(t, err)
	a.submit(t, b.Engine, "q", 200)
	require.Eventually(t, func() bool { most, _ := a.seen(); return most > 10 }, 30*time.Second, 5*time.Millisecond, "the limit is gone")
}

func TestARateOfAQueueHoldsAcrossARestart(t *testing.T) {
	file := t.TempDir() + "/limits.db"
	a := openCrowd(t, 0)
	run := func(first bool) (stop func()) {
		db, err := sqlite.Open(context.Background(), file, sqlite.Options{})
		require.NoError(t, err)
		e, err := engine.New(db, engine.Config{AllowLoopback: true})
		require.NoError(t, err)
		if first {
			_, err = e.Queues().Set(context.Background(), "q", task.QueueSettings{Rate: task.Rate{N: 100, Per: time.Second}, Burst: 20})
			require.NoError(t, err)
			a.submit(t, e, "q", 400)
		}
		b := &bundle{Engine: e, db: db}
		b.run(t)
		return b.stop
	}
	stop := run(true)
	require.Eventually(t, func() bool { _, came := a.seen(); return came >= 150 }, 30*time.Second, time.Millisecond)
	stop()
	stop = run(false)
	defer func() { stop() }()
	require.Eventually(t, func() bool { _, came := a.seen(); return came == 400 }, 30*time.Second, 5*time.Millisecond)
	requireRate(t, a.came, 100, 20+late)
}

// late is how many more may come at once where time is not virtual: what 100 a second are
// in the 100 ms by which something that was started in time may come too late.
const late = 10

// requireRate wants no time with more arrivals than a rate and a burst allow.
func requireRate(t *testing.T, came []time.Time, perSecond float64, burst int) {
	t.Helper()
	for i := range came {
		for j := i; j < len(came); j++ {
			seconds := came[j].Sub(came[i]).Seconds()
			if n := j - i + 1; float64(n) > perSecond*seconds+float64(burst)+1e-9 {
				t.Fatalf("%d came in %.4f s: more than %v a second and %d at once", n, seconds, perSecond, burst)
			}
		}
	}
}

// limitedNode is one of several engines over a database.
type limitedNode struct {
	*engine.Engine
	db     *postgres.Store
	cancel context.CancelFunc
	over   chan error
}

func (n *limitedNode) stop(t *testing.T) {
	n.cancel()
	require.NoError(t, <-n.over)
	require.NoError(t, n.db.Close())
}

// TestLimitsOfAQueueHoldOverNodes: three nodes, one of which stops, and one that joins.
func TestLimitsOfAQueueHoldOverNodes(t *testing.T) {
	dsn := testkit.Postgres(t)
	a := openCrowd(t, 10*time.Millisecond)
	ctx := context.Background()
	start := func(name string) *limitedNode {
		db, err := postgres.Open(ctx, dsn, postgres.Options{})
		require.NoError(t, err)
		e, err := engine.New(db, engine.Config{Name: name, AllowLoopback: true, Lease: 2 * time.Second, Heartbeat: 500 * time.Millisecond})
		require.NoError(t, err)
		n := &limitedNode{Engine: e, db: db, over: make(chan error, 1)}
		var running context.Context
		running, n.cancel = context.WithCancel(ctx)
		go func() { n.over <- e.Run(running) }()
		for e.Ready(ctx) != nil {
			time.Sleep(time.Millisecond)
		}
		return n
	}
	var nodes []*limitedNode
	for i := range 3 {
		nodes = append(nodes, start(fmt.Sprintf("n%d", i)))
	}
	_, err := nodes[0].Queues().Set(ctx, "q", task.QueueSettings{Concurrency: 6})
	require.NoError(t, err)
	time.Sleep(1500 * time.Millisecond) // all nodes know it
	a.submit(t, nodes[1].Engine, "q", 1000)
	require.Eventually(t, func() bool { _, came := a.seen(); return came >= 300 }, 60*time.Second, time.Millisecond)
	nodes[0].stop(t)
	nodes = append(nodes[1:], start("n3"))
	a.submit(t, nodes[0].Engine, "q", 500)
	require.Eventually(t, func() bool { _, came := a.seen(); return came >= 1500 }, 60*time.Second, 5*time.Millisecond)
	most, _ := a.seen()
	require.LessOrEqual(t, most, 6, "more are under way than may be")
	require.GreaterOrEqual(t, most, 5, "much of the limit lies idle")

	_, err = nodes[1].Queues().Set(ctx, "q", task.QueueSettings{Rate: task.Rate{N: 100, Per: time.Second}, Burst: 20})
	require.NoError(t, err)
	time.Sleep(1500 * time.Millisecond)
	a.mu.Lock()
	a.came = nil
	a.mu.Unlock()
	began := time.Now()
	a.submit(t, nodes[2].Engine, "q", 600)
	require.Eventually(t, func() bool { _, came := a.seen(); return came >= 600 }, 60*time.Second, 5*time.Millisecond)
	require.Less(t, time.Since(began), 9*time.Second, "much of the rate lies idle")
	requireRate(t, a.came, 100, 20+late)
	for _, n := range nodes {
		n.stop(t)
	}
}

func TestLimitsNeedNodesThatKeepThem(t *testing.T) {
	b := open(t, engine.Config{})
	b.run(t)
	defer b.stop()
	ctx := context.Background()
	require.NoError(t, b.db.Register(ctx, store.Node{ID: task.ID{9}, Name: "old", Version: 1}, time.Hour.Microseconds()))
	require.Eventually(t, func() bool {
		_, err := b.Queues().Set(ctx, "q", task.QueueSettings{Concurrency: 1})
		return err != nil
	}, 20*time.Second, 20*time.Millisecond)
	_, err := b.Queues().Set(ctx, "q", task.QueueSettings{Concurrency: 1})
	require.ErrorIs(t, err, store.ErrOldNode)
	_, err = b.Queues().Set(ctx, "q", task.QueueSettings{Timeout: time.Second})
	require.NoError(t, err, "what is set in tasks is for all nodes")
}
