package engine_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/task"
)

func (b *bundle) push(t *testing.T, n int, url string) (ids []string) {
	for range n {
		r, err := b.Submit(t.Context(), engine.Task{URL: url})
		require.NoError(t, err)
		ids = append(ids, r.ID)
	}
	return ids
}

// What waits for a host that hangs stands in front of the tasks for another one, and
// goes out of their way without an attempt.
func TestAHostThatHangsHoldsUpNoOther(t *testing.T) {
	hold := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hold }))
	defer hanging.Close()
	well := httptest.NewServer(http.NotFoundHandler())
	well.Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	defer well.Close()
	b := open(t, engine.Config{PushSlots: 8, AllowLoopback: true})
	hung := b.push(t, 100, hanging.URL)
	others := b.push(t, 20, well.URL)
	b.run(t)
	for _, id := range others {
		require.Equal(t, "succeeded , 1 attempts", b.wait(t, id))
	}
	off := 0
	for _, id := range hung {
		info, err := b.Tasks().Get(t.Context(), id)
		require.NoError(t, err)
		if info.State == task.Scheduled {
			require.Equal(t, []any{task.PutOff, 0}, []any{info.Reason, info.Attempts})
			off++
		}
	}
	require.NotZero(t, off)
	close(hold)
	for _, id := range hung {
		require.Equal(t, "succeeded , 1 attempts", b.wait(t, id))
	}
	metrics := scrape(t, b)
	require.NotContains(t, metrics, `sendoff_put_off_total{kind="http"} 0`)
	b.stop()
}

// While a host is away, its tasks wait and spend nothing.
func TestTasksForAHostThatIsAwaySpendNoAttempts(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	b := open(t, engine.Config{PushSlots: 4, AllowLoopback: true})
	ids := b.push(t, 50, "http://"+address)
	b.run(t)
	require.Eventually(t, func() bool { return waiting(t, b, ids) == 50 }, 20*time.Second, 10*time.Millisecond)
	spent := 0
	for _, id := range ids {
		info, err := b.Tasks().Get(t.Context(), id)
		require.NoError(t, err)
		spent += info.Attempts
	}
	require.Less(t, spent, 25)
	metrics := scrape(t, b)
	require.Contains(t, metrics, `sendoff_host_pauses_total{kind="http",why="unreachable"} 1`)
	require.NotContains(t, metrics, "sendoff_host_cuts_total{")
	require.Contains(t, metrics, `sendoff_endpoints{kind="http",state="paused"} 1`)
	require.Contains(t, metrics, `sendoff_endpoints{kind="http",state="open"} 0`)

	l, err = net.Listen("tcp4", address)
	require.NoError(t, err)
	var got atomic.Int64
	app := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got.Add(1) })}}
	app.Start()
	defer app.Close()
	for _, id := range ids {
		b.wait(t, id)
	}
	require.EqualValues(t, 50, got.Load())
	b.stop()
}

// What is put off is no start: the others of its queue have the whole rate.
func TestATaskThatIsPutOffIsNoStartOfItsQueue(t *testing.T) {
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer busy.Close()
	well := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer well.Close()
	b := open(t, engine.Config{AllowLoopback: true})
	_, err := b.Queues().Set(t.Context(), "q", task.QueueSettings{Rate: task.Rate{N: 1, Per: time.Hour}, Burst: 2})
	require.NoError(t, err)
	b.run(t)
	defer b.stop()
	first := b.push(t, 1, busy.URL)
	require.Eventually(t, func() bool { return waiting(t, b, first) == 1 }, 20*time.Second, time.Millisecond)
	tasks := make([]engine.Task, 20)
	for i := range tasks {
		tasks[i] = engine.Task{URL: busy.URL, Queue: "q"}
	}
	_, err = b.SubmitMany(t.Context(), append(tasks, engine.Task{ID: "well", URL: well.URL, Queue: "q"}), true)
	require.NoError(t, err)
	require.Equal(t, "succeeded , 1 attempts", b.wait(t, "well"))
}

// waiting counts the tasks that are to be tried again.
func waiting(t *testing.T, b *bundle, ids []string) (n int) {
	for _, id := range ids {
		info, err := b.Tasks().Get(t.Context(), id)
		require.NoError(t, err)
		if info.State == task.Scheduled {
			n++
		}
	}
	return n
}

func scrape(t *testing.T, b *bundle) string {
	w := httptest.NewRecorder()
	b.Handler(engine.HandlerConfig{}).ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, w.Code, fmt.Sprint(w.Body))
	return w.Body.String()
}

// Each node finds out by itself, and any of them shows and resets it on all.
func TestEndpointsAreSeenAndResetOverAllNodes(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if broken.Load() {
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}))
	defer app.Close()
	all := nodesWith(t, 2, engine.Config{AllowLoopback: true, PushSlots: 16, Heartbeat: 200 * time.Millisecond}, func(int, *engine.Engine) {})
	var clients []*sendoff.Client
	for _, e := range all {
		door := httptest.NewServer(e.Handler(engine.HandlerConfig{}))
		defer door.Close()
		client, err := sendoff.NewClient(sendoff.ClientConfig{URL: door.URL})
		require.NoError(t, err)
		clients = append(clients, client)
	}
	limits := func(client *sendoff.Client) (state sendoff.EndpointState, limits []int) {
		list, err := client.Endpoints.List(t.Context())
		require.NoError(t, err)
		for _, e := range list {
			require.Equal(t, []string{app.URL, "http"}, []string{e.Endpoint, e.Kind})
			for _, n := range e.Nodes {
				limits = append(limits, n.Limit)
			}
			state = e.State
		}
		return state, limits
	}
	slowOnBoth := func() bool {
		for _, e := range all { // whoever submits wakes itself first
			_, err := e.Submit(t.Context(), engine.Task{URL: app.URL + "/hook"})
			require.NoError(t, err)
		}
		for _, client := range clients {
			state, limits := limits(client)
			if state == sendoff.EndpointOpen || len(limits) != 2 || max(limits[0], limits[1]) == 16 {
				return false
			}
		}
		return true
	}
	require.Eventually(t, slowOnBoth, 30*time.Second, 10*time.Millisecond)
	list, err := all[1].Endpoints().List(t.Context())
	require.NoError(t, err)
	require.Equal(t, []any{"throttled", 2}, []any{list[0].Reason, len(list[0].Nodes)})
	require.Contains(t, list[0].Detail, "429 Too Many Requests")
	require.NotZero(t, list[0].Since)

	broken.Store(false)
	require.Eventually(t, func() bool {
		name, err := clients[0].Endpoints.Reset(t.Context(), app.URL+"/hook")
		require.NoError(t, err)
		require.Equal(t, app.URL, name)
		time.Sleep(time.Second) // what was under way has ended
		for _, client := range clients {
			if state, limits := limits(client); state != sendoff.EndpointOpen || limits[0] != 16 || limits[1] != 16 {
				return false
			}
		}
		return true
	}, 30*time.Second, 10*time.Millisecond)
	_, err = clients[0].Endpoints.Reset(t.Context(), "http://127.0.0.1:1")
	require.True(t, sendoff.IsNotFound(err), err)
	_, err = clients[0].Endpoints.Reset(t.Context(), "nonsense")
	require.ErrorContains(t, err, `want something like "https://app.example"`)
}
