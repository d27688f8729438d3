package engine_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/task"
)

// TestWhatIsBegunOnceEndsWithWhatRanIt: it is lost when its server stops, and runs again
// only when somebody says so.
func TestWhatIsBegunOnceEndsWithWhatRanIt(t *testing.T) {
	dsn := testkit.Postgres(t)
	at := filepath.Join(t.TempDir(), "begun")
	var id string
	t.Run("a node", func(t *testing.T) {
		a := node(t, dsn, engine.Config{Processes: processes(t, appPy), Grace: time.Millisecond})
		r, err := a.Submit(t.Context(), engine.Task{Process: "app.long", Payload: at, Once: true})
		require.NoError(t, err)
		id = r.ID
		require.Eventually(t, func() bool { _, err := os.Stat(at); return err == nil }, 20*time.Second, time.Millisecond)
	})
	b := node(t, dsn, engine.Config{Processes: processes(t, appPy), Grace: time.Millisecond})
	got, err := b.Tasks().Get(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, []any{task.Failed, task.Lost, true, 1, 1}, []any{got.State, got.Reason, got.Once, got.Attempts, got.MaxAttempts})
	require.NoError(t, os.Remove(at))
	_, err = b.Tasks().Retry(t.Context(), id)
	require.NoError(t, err)
	require.Eventually(t, func() bool { _, err := os.Stat(at); return err == nil }, 20*time.Second, time.Millisecond)
}

// TestACrashOfWhatIsBegunOnceLosesIt, however many attempts it has for failures.
func TestACrashOfWhatIsBegunOnceLosesIt(t *testing.T) {
	b := open(t, engine.Config{Processes: processes(t, appPy)})
	b.run(t)
	defer b.stop()
	id := b.process(t, "app.crash", func(s *engine.Task) { s.Once, s.Retry.MaxAttempts = true, 5 })
	require.Equal(t, "failed lost, 1 attempts", b.wait(t, id))
}

func TestOnceIsForWhatBeginsAtItsBeginning(t *testing.T) {
	b := open(t, engine.Config{AllowLoopback: true})
	_, err := b.Submit(t.Context(), engine.Task{Function: "f", Endpoint: "http://127.0.0.1:1", Once: true})
	require.ErrorContains(t, err, "once: belongs to tasks that are not functions")
	_, err = b.Submit(t.Context(), engine.Task{URL: "http://127.0.0.1:1", Workers: "gpu"})
	require.ErrorContains(t, err, "workers: belongs to tasks with a process")
	_, err = b.Submit(t.Context(), engine.Task{Process: "app.add", Workers: "own:1"})
	require.ErrorContains(t, err, `workers: "own:1" goes with one node`)
}

// TestWorkersHaveNames: a task goes to a node that serves those that it names.
func TestWorkersHaveNames(t *testing.T) {
	dsn := testkit.Postgres(t)
	named := func(name string, serves ...string) *engine.Engine {
		ps := processes(t, "def where():\n    return '"+name+"'\n")
		ps.Serves = serves
		return node(t, dsn, engine.Config{Name: name, Processes: ps})
	}
	plain, gpu := named("plain"), named("gpu", "gpu", "big")
	for workers, want := range map[string]string{"": `"plain"`, task.DefaultWorkers: `"plain"`, "gpu": `"gpu"`, "big": `"gpu"`} {
		for _, e := range []*engine.Engine{plain, gpu} {
			r, err := e.Submit(t.Context(), engine.Task{Process: "app.where", Workers: workers})
			require.NoError(t, err)
			_, err = e.Tasks().Wait(t.Context(), r.ID, time.Minute)
			require.NoError(t, err)
			page, err := e.Tasks().Attempts(t.Context(), r.ID, "", 0)
			require.NoError(t, err)
			require.JSONEq(t, want, string(page.Items[0].Body), workers)
		}
	}
	alone := open(t, engine.Config{Processes: processes(t, appPy)})
	_, err := alone.Submit(t.Context(), engine.Task{Process: "app.add", Workers: "gpu"})
	require.ErrorContains(t, err, `this server has no workers "gpu"`)
}

// TestAQueueOfProcessTasksKeepsItsLimit, on a node where the queue has no other tasks.
func TestAQueueOfProcessTasksKeepsItsLimit(t *testing.T) {
	ps := processes(t, `
import os, sys, time
def alone(dir):
    os.mkdir(dir)
    time.sleep(0.02)
    os.rmdir(dir)
`)
	b := open(t, engine.Config{Processes: ps})
	b.run(t)
	defer b.stop()
	_, err := b.Queues().Set(t.Context(), "one", task.QueueSettings{Concurrency: 1})
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "inside")
	var ids []string
	for i := range 8 {
		ids = append(ids, b.process(t, "app.alone", func(s *engine.Task) { s.Queue, s.Payload, s.Name = "one", dir, strconv.Itoa(i) }))
	}
	for _, id := range ids {
		require.Equal(t, "succeeded , 1 attempts", b.wait(t, id))
	}
}

// TestWhatIsBehindALongTaskIsGivenBack: short tasks are claimed ahead of the workers, and
// when those come to be busy another node gets them.
func TestWhatIsBehindALongTaskIsGivenBack(t *testing.T) {
	b := open(t, engine.Config{Processes: processes(t, appPy)})
	b.run(t)
	defer b.stop()
	for range 20 {
		b.wait(t, b.process(t, "app.add", func(s *engine.Task) { s.Payload = 1 }))
	}
	var ids []string
	for i := range 2 {
		ids = append(ids, b.process(t, "app.long", func(s *engine.Task) { s.Payload = filepath.Join(t.TempDir(), strconv.Itoa(i)) }))
	}
	for range 10 {
		ids = append(ids, b.process(t, "app.add", func(s *engine.Task) { s.Payload = 1 }))
	}
	require.Eventually(t, func() bool {
		page, err := b.Tasks().List(t.Context(), engine.Filter{States: []task.State{task.Ready}})
		require.NoError(t, err)
		return len(page.Items) == 10
	}, 20*time.Second, 5*time.Millisecond)
	for _, id := range ids {
		_, _ = b.Tasks().Cancel(t.Context(), id) // the short ones run when the long ones have ended
	}
}
