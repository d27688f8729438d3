package engine_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store/postgres"
	"github.com/sendoff-dev/sendoff/task"
)

// processes are workers that can import a module app with this text.
func processes(t *testing.T, module string) *engine.Processes {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "app.py"), []byte(module), 0o600))
	return &engine.Processes{Dir: dir, Allow: []string{"app"}, Max: 2}
}

func (b *bundle) process(t *testing.T, name string, change ...func(*engine.Task)) string {
	s := engine.Task{Process: name}
	for _, c := range change {
		c(&s)
	}
	r, err := b.Submit(t.Context(), s)
	require.NoError(t, err)
	return r.ID
}

const appPy = `
import os, signal, time

def add(a, b=1):
    print("adds", a, b)
    return a + b

def told(path):
    import sendoff_worker
    sendoff_worker.progress(2, 5, "page 2")
    while not os.path.exists(path):
        time.sleep(0.01)

def crash():
    os.kill(os.getpid(), signal.SIGKILL)

def long(path):
    open(path, "w").close()
    time.sleep(600)
`

func TestAProcessCarriesATaskOut(t *testing.T) {
	b := open(t, engine.Config{Processes: processes(t, appPy)})
	b.run(t)
	defer b.stop()
	id := b.process(t, "app.add", func(s *engine.Task) { s.Payload = map[string]any{"args": []int{40}, "kwargs": map[string]int{"b": 2}} })
	require.Equal(t, "succeeded , 1 attempts", b.wait(t, id))
	a := b.attempt(t, id)
	require.JSONEq(t, "42", string(a.Body))
	require.Equal(t, "adds 40 2\n", a.Output)
	require.Equal(t, []task.Header{{Name: "Content-Type", Value: "application/json"}}, a.Header)
	scrape := httptest.NewRecorder()
	b.Handler(engine.HandlerConfig{}).ServeHTTP(scrape, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	require.Contains(t, scrape.Body.String(), `sendoff_workers{state="idle"} 1`)
	require.Contains(t, scrape.Body.String(), "sendoff_workers_started_total 1")
}

// TestAProcessTellsHowFarItIs, and a settled task says it no more.
func TestAProcessTellsHowFarItIs(t *testing.T) {
	b := open(t, engine.Config{Processes: processes(t, appPy)})
	b.run(t)
	defer b.stop()
	file := filepath.Join(t.TempDir(), "go")
	id := b.process(t, "app.told", func(s *engine.Task) { s.Payload = map[string]any{"args": []string{file}} })
	require.Eventually(t, func() bool {
		got, err := b.Tasks().Get(t.Context(), id)
		require.NoError(t, err)
		return got.Progress != nil && got.Progress.Done == 2 && got.Progress.Total == 5 && got.Progress.Text == "page 2"
	}, 30*time.Second, 5*time.Millisecond)
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.Equal(t, "succeeded , 1 attempts", b.wait(t, id))
	got, err := b.Tasks().Get(t.Context(), id)
	require.NoError(t, err)
	require.Nil(t, got.Progress)
}

func (b *bundle) attempt(t *testing.T, id string) engine.Attempt {
	page, err := b.Tasks().Attempts(t.Context(), id, "", 100)
	require.NoError(t, err)
	require.NotEmpty(t, page.Items)
	return page.Items[len(page.Items)-1]
}

// TestACrashOfAProcessSpendsAnAttempt, and the third one ends its task, which waits like
// any other in between: it was alone in its process.
func TestACrashOfAProcessSpendsAnAttempt(t *testing.T) {
	b := open(t, engine.Config{Processes: processes(t, appPy)})
	b.run(t)
	defer b.stop()
	quick := func(s *engine.Task) {
		s.Retry = task.RetryPolicy{MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond}
	}
	id := b.process(t, "app.crash", quick)
	require.Equal(t, "failed poison, 3 attempts", b.wait(t, id))
	page, err := b.Tasks().Attempts(t.Context(), id, "", 100)
	require.NoError(t, err)
	require.Len(t, page.Items, 3)
	for i, a := range page.Items {
		require.Equal(t, []any{i + 1, task.Crash}, []any{a.Number, a.Outcome})
		require.Contains(t, a.Error, "was killed by SIGKILL")
	}
	once := b.process(t, "app.crash", func(s *engine.Task) { s.Retry.MaxAttempts = 1 })
	require.Equal(t, "failed exhausted, 1 attempts", b.wait(t, once))
}

// TestWhatNoWorkerBeganIsHandedBack when the node stops, as if it had not been claimed: it
// waits for a worker that is never ready.
func TestWhatNoWorkerBeganIsHandedBack(t *testing.T) {
	b := open(t, engine.Config{Processes: &engine.Processes{Worker: []string{"sleep", "600"}, Allow: []string{"app"}, Max: 1}, Grace: 50 * time.Millisecond})
	id := b.process(t, "app.any", func(s *engine.Task) { s.Once = true })
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- b.Run(ctx) }()
	require.Eventually(t, func() bool {
		got, _ := b.Tasks().Get(t.Context(), id)
		return got.State == task.Running
	}, time.Minute, time.Millisecond)
	cancel()
	require.NoError(t, <-over)
	got, err := b.Tasks().Get(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, []any{task.Ready, 0}, []any{got.State, got.Failures})
	page, err := b.Tasks().Attempts(t.Context(), id, "", 100)
	require.NoError(t, err)
	require.Empty(t, page.Items)
	require.NoError(t, b.db.Close())
}

// node is one of several over a database, which runs.
func node(t *testing.T, dsn string, cfg engine.Config) *engine.Engine {
	db, err := postgres.Open(t.Context(), dsn, postgres.Options{})
	require.NoError(t, err)
	e, err := engine.New(db, cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-over)
		require.NoError(t, db.Close())
	})
	return e
}

// TestATaskWaitsForANodeWithProcesses where nodes share a database: the one that takes it
// in need not have any.
func TestATaskWaitsForANodeWithProcesses(t *testing.T) {
	dsn := testkit.Postgres(t)
	first := node(t, dsn, engine.Config{})
	r, err := first.Submit(t.Context(), engine.Task{Process: "app.add", Payload: 1})
	require.NoError(t, err)
	require.Equal(t, engine.Created, r.Status)
	got, err := first.Tasks().Get(t.Context(), r.ID)
	require.NoError(t, err)
	require.Equal(t, task.Ready, got.State)
	waits, err := first.Tasks().WaitingFor(t.Context(), r.ID)
	require.NoError(t, err)
	require.Equal(t, "no_node", string(waits.Cause))
	node(t, dsn, engine.Config{Processes: processes(t, appPy)})
	got, err = first.Tasks().Wait(t.Context(), r.ID, time.Minute)
	require.NoError(t, err)
	require.Equal(t, task.Succeeded, got.State)
}

// TestWorkersOfOtherNodesAreShown by the door of any node.
func TestWorkersOfOtherNodesAreShown(t *testing.T) {
	all := nodesWith(t, 2, engine.Config{Processes: processes(t, appPy), Heartbeat: 20 * time.Millisecond}, func(int, *engine.Engine) {})
	var shown []sendoff.Worker
	for _, e := range all {
		door := httptest.NewServer(e.Handler(engine.HandlerConfig{}))
		defer door.Close()
		client, err := sendoff.NewClient(sendoff.ClientConfig{URL: door.URL})
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			shown, err = client.Workers.List(t.Context())
			require.NoError(t, err)
			return len(shown) == 2
		}, 20*time.Second, 5*time.Millisecond)
		require.NotEqual(t, shown[0].Node, shown[1].Node)
		require.NotEqual(t, shown[0].PID, shown[1].PID)
		require.NotEqual(t, shown[0].NodeID, shown[1].NodeID)
		require.False(t, shown[1].At.IsZero())
	}
	require.Equal(t, []string{"node-1", "node-0"}, []string{shown[0].Node, shown[1].Node}, "the one that answers is the first")
}

// TestAWorkerOfAnotherNodeIsReplaced when its task has ended, and not before.
func TestAWorkerOfAnotherNodeIsReplaced(t *testing.T) {
	all := nodesWith(t, 2, engine.Config{Processes: processes(t, appPy), Heartbeat: 20 * time.Millisecond}, func(int, *engine.Engine) {})
	client := doorOf(t, all[0])
	var theirs sendoff.Worker
	require.Eventually(t, func() bool {
		shown, err := client.Workers.List(t.Context())
		require.NoError(t, err)
		for _, w := range shown {
			if w.Node == "node-1" && w.State == "idle" {
				theirs = w
			}
		}
		return theirs.ID != ""
	}, 20*time.Second, 5*time.Millisecond)
	require.Equal(t, theirs.NodeID+"-"+strconv.Itoa(theirs.Number), theirs.ID)
	done, err := client.Workers.Replace(t.Context(), theirs.ID)
	require.NoError(t, err)
	require.Equal(t, []any{theirs.ID, true}, []any{done.ID, done.Replaced})
	require.Eventually(t, func() bool {
		shown := all[1].Workers()
		return len(shown) == 1 && shown[0].Number != theirs.Number && shown[0].State == "idle"
	}, 20*time.Second, 5*time.Millisecond)
	require.Eventually(t, func() bool {
		_, err = client.Workers.Replace(t.Context(), theirs.ID)
		return sendoff.IsNotFound(err)
	}, 10*time.Second, 5*time.Millisecond)
}
