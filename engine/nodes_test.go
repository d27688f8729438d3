package engine_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store/postgres"
	"github.com/sendoff-dev/sendoff/task"
)

// nodes starts engines over one PostgreSQL database, stopped at the end.
func nodes(t *testing.T, n int, register func(node int, e *engine.Engine)) []*engine.Engine {
	return nodesWith(t, n, engine.Config{}, register)
}

func nodesWith(t *testing.T, n int, cfg engine.Config, register func(node int, e *engine.Engine)) []*engine.Engine {
	dsn := testkit.Postgres(t)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	out := make([]*engine.Engine, n)
	for i := range out {
		db, err := postgres.Open(ctx, dsn, postgres.Options{})
		require.NoError(t, err)
		cfg.Name, cfg.Grace = fmt.Sprintf("node-%d", i), 2*time.Second
		out[i], err = engine.New(db, cfg)
		require.NoError(t, err)
		register(i, out[i])
		running.Go(func() {
			if err := out[i].Run(ctx); err != nil {
				t.Error(err)
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		for out[i].Ready(ctx) != nil {
			time.Sleep(5 * time.Millisecond)
		}
	}
	return out
}

func TestSeveralNodesShareTheWorkAndDoItOnce(t *testing.T) {
	const n = 2000
	var calls [3]atomic.Int64
	var seen sync.Map
	es := nodes(t, 3, func(node int, e *engine.Engine) {
		e.HandleFunc("h", func(_ context.Context, c *engine.Call) error {
			if _, twice := seen.LoadOrStore(c.ID, true); twice {
				t.Errorf("task %s ran twice", c.ID)
			}
			calls[node].Add(1)
			time.Sleep(2 * time.Millisecond)
			return nil
		})
	})
	for i := range n / 100 {
		subs := make([]engine.Task, 100)
		for j := range subs {
			subs[j].Handler = "h"
		}
		_, err := es[i%3].SubmitMany(context.Background(), subs, true)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return calls[0].Load()+calls[1].Load()+calls[2].Load() == n }, 30*time.Second, 10*time.Millisecond)
	for i := range calls {
		require.Positive(t, calls[i].Load(), "node %d did nothing", i)
	}
}

func TestATaskStartsOnAnotherNodeAtOnce(t *testing.T) {
	started := make(chan time.Time, 1)
	es := nodes(t, 2, func(node int, e *engine.Engine) {
		if node == 1 {
			e.HandleFunc("there", func(context.Context, *engine.Call) error { started <- time.Now(); return nil })
		}
	})
	submit := func() time.Duration {
		at := time.Now()
		_, err := es[0].Submit(context.Background(), engine.Task{Handler: "there"})
		require.NoError(t, err)
		return (<-started).Sub(at)
	}
	submit() // the other node learns of the lane
	for range 5 {
		require.Less(t, submit(), 500*time.Millisecond, "the wake did not arrive, or its position was lost")
	}
}

func TestACancelReachesTheNodeThatRunsTheTask(t *testing.T) {
	running, stopped := make(chan struct{}), make(chan error, 1)
	es := nodes(t, 2, func(node int, e *engine.Engine) {
		if node == 1 {
			e.HandleFunc("long", func(ctx context.Context, _ *engine.Call) error {
				close(running)
				<-ctx.Done()
				stopped <- context.Cause(ctx)
				return ctx.Err()
			})
		}
	})
	r, err := es[0].Submit(context.Background(), engine.Task{Handler: "long"})
	require.NoError(t, err)
	<-running
	got, err := es[0].Tasks().Cancel(context.Background(), r.ID)
	require.NoError(t, err)
	require.Equal(t, task.Canceled, got.State)
	select {
	case cause := <-stopped:
		require.ErrorContains(t, cause, "canceled")
	case <-time.After(5 * time.Second):
		t.Fatal("the attempt was not told to stop")
	}
}

func TestAPausedQueueRestsOnAllNodes(t *testing.T) {
	var calls atomic.Int64
	es := nodes(t, 2, func(_ int, e *engine.Engine) {
		e.HandleFunc("h", func(context.Context, *engine.Call) error { calls.Add(1); return nil })
	})
	submit := func() {
		_, err := es[0].Submit(context.Background(), engine.Task{Queue: "q", Handler: "h"})
		require.NoError(t, err)
	}
	submit()
	require.Eventually(t, func() bool { return calls.Load() == 1 }, 5*time.Second, 5*time.Millisecond)
	_, err := es[1].Queues().Pause(context.Background(), "q")
	require.NoError(t, err)
	submit()
	time.Sleep(1500 * time.Millisecond)
	require.EqualValues(t, 1, calls.Load())
	_, err = es[1].Queues().Resume(context.Background(), "q")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return calls.Load() == 2 }, 5*time.Second, 5*time.Millisecond)
}

func TestPrioritiesHoldOverPostgreSQL(t *testing.T) {
	const n = 400
	order := make(chan int, 2*n)
	start := make(chan struct{})
	es := nodes(t, 1, func(_ int, e *engine.Engine) {
		e.HandleFunc("h", func(_ context.Context, c *engine.Call) error {
			<-start
			order <- int(c.Labels["p"][0] - '0')
			return nil
		})
	})
	_, err := es[0].Submit(context.Background(), engine.Task{Handler: "h", Labels: map[string]string{"p": "0"}})
	require.NoError(t, err)
	_, err = es[0].Queues().Pause(context.Background(), task.DefaultQueue)
	require.NoError(t, err)
	var subs []engine.Task
	for _, p := range []int{9, 0} {
		for range n {
			subs = append(subs, engine.Task{Priority: &p, Handler: "h", Labels: map[string]string{"p": fmt.Sprint(p)}})
		}
	}
	_, err = es[0].SubmitMany(context.Background(), subs, true) // both lines are woken at once: no claim asks for one of them alone
	require.NoError(t, err)
	_, err = es[0].Queues().Resume(context.Background(), task.DefaultQueue)
	require.NoError(t, err)
	close(start)
	low := 0
	for range n {
		if <-order == 9 {
			low++
		}
	}
	require.Positive(t, low, "the lowest priority starves")
	require.Less(t, low, n/5, "the highest priority does not come first")
	for range n {
		<-order
	}
}

func TestAQueueIsSteeredAsItIsNowWhateverAnotherNodeDid(t *testing.T) {
	es := nodesWith(t, 2, engine.Config{Roles: []engine.Role{engine.Accept}}, func(int, *engine.Engine) {})
	var doors [2]*door
	for i, e := range es {
		server := httptest.NewServer(e.Handler(engine.HandlerConfig{}))
		t.Cleanup(server.Close)
		doors[i] = &door{url: server.URL}
	}
	for range 3 {
		code, _, got := doors[0].call(t, "POST", "/v1/tasks", `{"handler":"h","queue":"q","delay":"1h"}`)
		require.Equal(t, 201, code, got)
		_, _, got = doors[1].call(t, "GET", "/v1/tasks?queue=q&state=scheduled", "")
		require.Len(t, got["items"], 1)
		_, _, got = doors[1].call(t, "POST", "/v1/queues/q/purge", "")
		require.Equal(t, map[string]any{"purged": 1.0}, got)
		code, _, got = doors[1].call(t, "DELETE", "/v1/queues/q", "")
		require.Equal(t, 204, code, got)
		code, _, got = doors[0].call(t, "GET", "/v1/queues/q", "")
		require.Equal(t, 404, code, got)
	}
}

func TestATaskMakesItsQueueAnewThoughItsNodeHadNotHeardThatItIsForgotten(t *testing.T) {
	es := nodesWith(t, 2, engine.Config{Roles: []engine.Role{engine.Accept}}, func(int, *engine.Engine) {})
	var doors [2]*door
	for i, e := range es {
		server := httptest.NewServer(e.Handler(engine.HandlerConfig{}))
		t.Cleanup(server.Close)
		doors[i] = &door{url: server.URL}
	}
	const one = `{"handler":"h","queue":"q","delay":"1h"}`
	for range 3 { // of which most find the other node's copy old
		code, _, first := doors[0].call(t, "POST", "/v1/tasks", one)
		require.Equal(t, 201, code, first)
		_, _, _ = doors[1].call(t, "POST", fmt.Sprint("/v1/tasks/", first["id"], "/cancel"), "")
		code, _, got := doors[1].call(t, "DELETE", "/v1/queues/q", "")
		require.Equal(t, 204, code, got)
		code, _, second := doors[0].call(t, "POST", "/v1/tasks", one)
		require.Equal(t, 201, code, second)
		require.Eventually(t, func() bool {
			code, _, _ = doors[1].call(t, "GET", "/v1/queues/q", "")
			return code == 200
		}, 30*time.Second, 50*time.Millisecond, "a task was accepted into a queue that is not there")
		_, _, got = doors[1].call(t, "POST", "/v1/queues/q/purge", "")
		require.Equal(t, map[string]any{"purged": 1.0}, got)
	}
}
