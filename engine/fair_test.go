package engine_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/postgres"
	"github.com/sendoff-dev/sendoff/store/sqlite"
	"github.com/sendoff-dev/sendoff/store/storetest"
	"github.com/sendoff-dev/sendoff/task"
)

// turns is a node that runs one task at a time of a queue whose groups take turns. It may
// be stopped and started again.
type turns struct {
	*engine.Engine
	db   store.Store
	open func(t *testing.T) store.Store
	stop func()

	mu      sync.Mutex
	started []string // names of tasks: GROUP/NUMBER
	fails   map[string]bool
}

// onBothTurns judges over both databases.
func onBothTurns(t *testing.T, judge func(t *testing.T, n *turns)) {
	t.Run("SQLite", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "sendoff.db")
		judge(t, &turns{fails: map[string]bool{}, open: func(t *testing.T) store.Store {
			db, err := sqlite.Open(context.Background(), file, sqlite.Options{})
			require.NoError(t, err)
			return db
		}})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		dsn := testkit.Postgres(t)
		judge(t, &turns{fails: map[string]bool{}, open: func(t *testing.T) store.Store {
			db, err := postgres.Open(context.Background(), dsn, postgres.Options{})
			require.NoError(t, err)
			return db
		}})
	})
}

func (n *turns) run(t *testing.T) {
	var err error
	n.db = n.open(t)
	n.Engine, err = engine.New(n.db, engine.Config{LocalSlots: 1})
	require.NoError(t, err)
	n.HandleFunc("h", func(_ context.Context, c *engine.Call) error {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.started = append(n.started, c.Name)
		if n.fails[c.Name] && c.Attempt == 1 {
			return errors.New("once more")
		}
		return nil
	})
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- n.Run(ctx) }()
	for n.Ready(ctx) != nil {
		time.Sleep(time.Millisecond)
	}
	n.stop = func() {
		cancel()
		require.NoError(t, <-over)
		require.NoError(t, n.db.Close())
	}
}

// put has so many tasks of a group wait, numbered from a first one, and returns their ids.
func (n *turns) put(t *testing.T, queue, group string, first, count int) (ids []string) {
	tasks := make([]engine.Task, count)
	for i := range tasks {
		tasks[i] = engine.Task{
			Handler: "h", Queue: queue, Group: group, Name: fmt.Sprintf("%s/%d", group, first+i), Retry: task.RetryPolicy{MaxAttempts: 2, MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond},
		}
	}
	results, err := n.SubmitMany(t.Context(), tasks, true)
	require.NoError(t, err)
	for _, r := range results {
		ids = append(ids, r.ID)
	}
	return ids
}

func (n *turns) seen() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.started)
}

// waitFor waits until so many attempts have started, and returns their tasks.
func (n *turns) waitFor(t *testing.T, count int) []string {
	require.Eventually(t, func() bool { return len(n.seen()) >= count }, 60*time.Second, time.Millisecond)
	return n.seen()
}

// restart has another engine go on, and forgets what has started.
func (n *turns) restart(t *testing.T) {
	n.stop()
	n.mu.Lock()
	n.started = nil
	n.mu.Unlock()
	n.run(t)
}

func (n *turns) pause(t *testing.T, queue string) { n.paused(t, queue, true) }

func (n *turns) resume(t *testing.T, queue string) { n.paused(t, queue, false) }

func (n *turns) paused(t *testing.T, queue string, paused bool) {
	act := n.Queues().Resume
	if paused {
		act = n.Queues().Pause
	}
	_, err := act(t.Context(), queue)
	require.NoError(t, err)
}

func (n *turns) consistent(t *testing.T) store.Snapshot {
	snap, err := n.db.Snapshot(t.Context())
	require.NoError(t, err)
	require.NoError(t, storetest.Consistent(snap))
	return snap
}

// startedOf are the tasks of a group in the order in which they started.
func startedOf(started []string, group string) (of []string) {
	for _, name := range started {
		if strings.HasPrefix(name, group+"/") {
			of = append(of, name)
		}
	}
	return of
}

func numbered(group string, first, count int) (names []string) {
	for i := range count {
		names = append(names, fmt.Sprintf("%s/%d", group, first+i))
	}
	return names
}

// TestGroupsOfAFairQueueTakeTurns: a backlog stays where it is, small groups pass a big
// one, a restart keeps the order, and retries keep their place in line.
func TestGroupsOfAFairQueueTakeTurns(t *testing.T) {
	onBothTurns(t, func(t *testing.T, n *turns) {
		n.run(t)
		defer func() { n.stop() }()
		_, err := n.Queues().Set(t.Context(), "q", task.QueueSettings{})
		require.NoError(t, err)
		n.pause(t, "q")
		n.put(t, "q", "before", 0, 20)
		_, err = n.Queues().Set(t.Context(), "q", task.QueueSettings{Discipline: task.Fair, Weights: task.NewWeights(map[string]int32{"acme": 4})})
		require.NoError(t, err)
		n.put(t, "q", "big", 0, 1000)
		n.put(t, "q", "big", 1000, 1000)
		n.put(t, "q", "acme", 0, 40)
		for i := range 10 {
			n.put(t, "q", fmt.Sprint("small", i), 0, 2)
		}
		n.fails["small3/0"] = true
		stats, err := n.Queues().Stats(t.Context(), "q")
		require.NoError(t, err)
		require.Len(t, stats.Groups, 13)
		shown := stats.Groups[:3]
		for i := range shown {
			require.Positive(t, shown[i].OldestReady)
			shown[i].OldestReady = 0
		}
		require.Equal(t, []engine.GroupStats{{Group: "big", Weight: 1, Ready: 2000}, {Group: "acme", Weight: 4, Ready: 40}, {Weight: 1, Ready: 20}}, shown,
			"what was there before stands in no line of a group")
		n.resume(t, "q")

		// In a round each starts one, and acme four.
		started := n.waitFor(t, 90)[:90]
		for i := range 10 {
			require.ElementsMatch(t, numbered(fmt.Sprint("small", i), 0, 2), dedupe(startedOf(started, fmt.Sprint("small", i))), "%v", started)
		}
		require.Equal(t, numbered("acme", 0, 16), startedOf(started, "acme")[:16])
		require.LessOrEqual(t, len(startedOf(started, "big")), 18, "%v", started)
		require.NotEmpty(t, startedOf(started, "before"), "what was there before takes its turns as well")

		n.pause(t, "q")
		n.restart(t)
		n.put(t, "q", "new", 0, 3)
		left := 2000 - len(bigLeft(t, n))
		n.resume(t, "q")
		started = n.waitFor(t, 20)[:20]
		require.Equal(t, numbered("new", 0, 3), startedOf(started, "new"), "%v", started)
		require.Equal(t, numbered("big", left, len(startedOf(started, "big"))), startedOf(started, "big"))
		n.pause(t, "q")
		n.consistent(t)
	})
}

// bigLeft are the tasks of the big group that still wait.
func bigLeft(t *testing.T, n *turns) (ids []task.ID) {
	snap := n.consistent(t)
	for _, row := range snap.Tasks {
		if row.Group == "big" && row.State == task.Ready {
			ids = append(ids, row.ID)
		}
	}
	return ids
}

func dedupe(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

// TestWhatIsDoneToTasksOfAFairQueueLeavesNothingBehind: cancel, delete, move and purge.
func TestWhatIsDoneToTasksOfAFairQueueLeavesNothingBehind(t *testing.T) {
	onBothTurns(t, func(t *testing.T, n *turns) {
		n.run(t)
		defer func() { n.stop() }()
		for _, queue := range []string{"q", "plain"} {
			_, err := n.Queues().Set(t.Context(), queue, task.QueueSettings{})
			require.NoError(t, err)
			n.pause(t, queue)
		}
		_, err := n.Queues().Set(t.Context(), "q", task.QueueSettings{Discipline: task.Fair})
		require.NoError(t, err)
		a, b := n.put(t, "q", "a", 0, 6), n.put(t, "plain", "b", 0, 3)
		_, err = n.Tasks().Cancel(t.Context(), a[0])
		require.NoError(t, err)
		require.NoError(t, n.Tasks().Delete(t.Context(), a[1]))
		move := func(id, queue string) {
			_, err := n.Tasks().Change(t.Context(), id, engine.TaskChange{Queue: queue})
			require.NoError(t, err)
		}
		move(a[2], "plain")
		move(b[0], "q")
		_, err = n.Tasks().Change(t.Context(), a[3], engine.TaskChange{Priority: new(0)})
		require.NoError(t, err)
		n.consistent(t)

		lines := map[string]string{}
		lanes, err := n.db.Lanes(t.Context())
		require.NoError(t, err)
		for _, row := range n.consistent(t).Tasks {
			l := lanes[slices.IndexFunc(lanes, func(l store.Lane) bool { return l.ID == row.Lane })]
			lines[row.ID.String()] = l.Queue + "/" + l.Group
		}
		require.Equal(t, "plain/", lines[a[2]])
		require.Equal(t, "q/b", lines[b[0]], "what is moved to a fair queue joins its group")
		w, err := n.Tasks().Get(t.Context(), a[5])
		require.NoError(t, err)
		require.Equal(t, "q", w.Queue)

		n.resume(t, "q")
		n.resume(t, "plain")
		started := n.waitFor(t, 7)
		require.ElementsMatch(t, []string{"a/2", "a/3", "a/4", "a/5", "b/0", "b/1", "b/2"}, started)
		n.pause(t, "q")
		n.put(t, "q", "c", 0, 5)
		purged, err := n.Queues().Purge(t.Context(), "q")
		require.NoError(t, err)
		require.Equal(t, 5, purged)
		require.Eventually(t, func() bool { return n.Queues().Delete(t.Context(), "q") == nil }, 20*time.Second, 10*time.Millisecond)
		n.consistent(t)
	})
}
