package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/postgres"
	"github.com/sendoff-dev/sendoff/task"
)

// at is a task at gates of which each lets one in.
func (f *fixture) at(kind store.GateKind, names ...string) store.NewTask {
	n := f.tasks(1)[0]
	for _, name := range names {
		n.Gates = append(n.Gates, store.Gate{Kind: kind, Namespace: store.DefaultNamespace, Name: name, Capacity: 1, OnFull: store.WaitInLine})
	}
	return n
}

// open does the todos of gates until there are none.
func (f *fixture) open(t *testing.T) {
	t.Helper()
	for {
		todos, err := f.s.TakeTodos(t.Context(), 100, 0)
		require.NoError(t, err)
		if len(todos) == 0 {
			return
		}
		for _, todo := range todos {
			require.NoError(t, f.do(t.Context(), f.s, todo))
		}
	}
}

func (f *fixture) do(ctx context.Context, s *postgres.Store, todo store.Todo) (err error) {
	if todo.Kind == store.OpenGate {
		_, err = s.Open(ctx, store.Hash(todo.Task))
	} else {
		_, _, err = s.Follow(ctx, todo)
	}
	return err
}

// TestNobodyIsForgottenAtAGate: one comes to a gate while another one leaves it, whoever
// has its row first.
func TestNobodyIsForgottenAtAGate(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testkit.Postgres(t), postgres.Options{})
	other, err := postgres.Open(t.Context(), f.dsn, postgres.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = other.Close() })
	for _, kind := range []store.GateKind{store.LimitGate, store.OrderGate} {
		for _, leaverFirst := range []bool{true, false} {
			name := fmt.Sprintf("%d %v", kind, leaverFirst)
			f.insert(t, f.at(kind, name))
			inside := f.claim(t, 0, 1).Tasks[0]
			tx := hold(t, f.dsn)
			_, err := tx.Exec(t.Context(), "select from sendoff.gate where name = $1 for update", name)
			require.NoError(t, err)
			comes := f.at(kind, name)
			var left <-chan error
			came := make(chan error, 1)
			enter := func() {
				go func() {
					_, _, err := other.Insert(t.Context(), []store.NewTask{comes}, false)
					came <- err
				}()
			}
			if leaverFirst {
				left = ends(t.Context(), f.s, &inside)
				f.waits(t, 1)
				enter()
			} else {
				enter()
				f.waits(t, 1)
				left = ends(t.Context(), f.s, &inside)
			}
			f.waits(t, 2)
			require.NoError(t, tx.Commit(t.Context()))
			require.NoError(t, <-left)
			require.NoError(t, <-came)
			f.open(t)
			require.Equal(t, task.Ready, f.stateOf(t, comes.ID), "%s: it waits at a gate that nobody is at", name)
			require.Len(t, f.claim(t, 0, 1).Tasks, 1)
		}
	}
}

// TestStormAtGates has people do everything they can to tasks that share three gates of
// each kind and depend on each other, while these run on two nodes, for a second or, with
// SENDOFF_HEAVY=1, for ten minutes. What locks against the order is repeated, which is
// counted; in the end the gates count who is there, and nobody waits where there is room.
func TestStormAtGates(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testkit.Postgres(t), postgres.Options{MaxConns: 8})
	other, err := postgres.Open(t.Context(), f.dsn, postgres.Options{MaxConns: 8})
	require.NoError(t, err)
	t.Cleanup(func() { _ = other.Close() })
	stores := []*postgres.Store{f.s, other}
	long, rare := 1500*time.Millisecond, int64(100)
	if os.Getenv("SENDOFF_HEAVY") == "1" {
		long, rare = 10*time.Minute, 10_000
	}
	ctx, stop := context.WithTimeout(t.Context(), long)
	defer stop()
	var done [6]atomic.Int64
	var wg sync.WaitGroup
	for i := range done {
		wg.Go(func() {
			for s := stores[i%2]; ctx.Err() == nil; {
				rows, _, err := s.List(t.Context(), store.Query{Limit: 60})
				require.NoError(t, err)
				if err := f.gateSomehow(t.Context(), s, i, rows); err != nil {
					require.NotContains(t, err.Error(), "SQLSTATE", "it is answered by the store")
				}
				done[i].Add(1)
			}
		})
	}
	wg.Wait()
	total := int64(0)
	for i := range done {
		t.Logf("%d: %d", i, done[i].Load())
		require.NotZero(t, done[i].Load())
		total += done[i].Load()
	}
	f.open(t)
	deadlocks := f.one(t, "select deadlocks from pg_stat_database where datname = current_database()")
	rollbacks := f.one(t, "select xact_rollback from pg_stat_database where datname = current_database()")
	t.Logf("%d operations, %d deadlocks, %d transactions rolled back", total, deadlocks, rollbacks)
	require.LessOrEqual(t, deadlocks*rare, total, "who locks against the order repeats, and pays for it")
	f.gatesAreCounted(t)
}

// gatesAreCounted asserts that each gate counts its line, and that nobody is first in line
// at a gate with room, unless there is something to be done about it.
func (f *fixture) gatesAreCounted(t *testing.T) {
	t.Helper()
	require.Zero(t, f.one(t, "select count(*) from sendoff.gate g where waiting <> (select count(*) from sendoff.line l where l.gate = g.id)"))
	require.Zero(t, f.one(t, "select count(*) from sendoff.line l where not exists (select from sendoff.gate g where g.id = l.gate)"))
	require.Zero(t, f.one(t, "select count(*) from sendoff.gate where capacity > 0 and inside > capacity"))
	require.Zero(t, f.one(t, `
select count(*) from sendoff.gate g where g.waiting > 0 and g.inside < g.capacity and not g.paused
 and not exists (select from sendoff.todo d where d.task = g.id)
 and 1 = (select count(*) from sendoff.line o where o.task = (select task from sendoff.line l where l.gate = g.id order by prio, at, task limit 1))`),
		"somebody waits at a gate that has room")
	inside := f.one(t, "select coalesce(sum(inside), 0)::int8 from sendoff.gate")
	rows, err := f.everything(t)
	require.NoError(t, err)
	there := int64(0)
	for i := range rows {
		if rows[i].State.Final() {
			continue
		}
		gates, err := store.DecodeGates(rows[i].Gates)
		require.NoError(t, err)
		for k := range gates {
			if rows[i].Inside(gates[k].Kind) {
				there++
			}
		}
	}
	there += f.insideAsLeavers(t)
	require.Equal(t, there, inside, "gates count who is not there")
}

func (f *fixture) everything(t *testing.T) (all []store.Row, err error) {
	snapshot, err := f.s.Snapshot(t.Context())
	return snapshot.Tasks, err
}

// insideAsLeavers counts the places of tasks that were canceled while they ran.
func (f *fixture) insideAsLeavers(t *testing.T) (n int64) {
	snapshot, err := f.s.Snapshot(t.Context())
	require.NoError(t, err)
	for _, l := range snapshot.Leavers {
		row := l.Row()
		gates, err := store.DecodeGates(row.Gates)
		require.NoError(t, err)
		for k := range gates {
			if row.Inside(gates[k].Kind) {
				n++
			}
		}
	}
	return n
}

// atSomeGates is a task at one of three gates of each kind, or at two of them.
func (f *fixture) atSomeGates() store.NewTask {
	kinds := []store.GateKind{store.LimitGate, store.OrderGate, store.DuplicateGate}
	n := f.at(kinds[rand.IntN(3)], fmt.Sprint(rand.IntN(3)))
	if rand.IntN(2) == 0 { // a second one, of another kind
		other := f.at(kinds[rand.IntN(3)], fmt.Sprint(rand.IntN(3))).Gates[0]
		if other.ID() != n.Gates[0].ID() {
			n.Gates = append(n.Gates, other)
		}
	}
	if rand.IntN(3) > 0 {
		return n
	}
	for k := range n.Gates {
		if n.Gates[k].Kind == store.DuplicateGate {
			n.Gates[k].OnFull = []store.OnFull{store.Drop, store.WaitOne, store.ReplaceThem}[rand.IntN(3)]
		}
	}
	return n
}

func (f *fixture) gateSomehow(ctx context.Context, s *postgres.Store, step int, rows []store.Row) (err error) {
	pick := func() task.ID {
		if len(rows) == 0 {
			return newID()
		}
		return rows[rand.IntN(len(rows))].ID
	}
	switch step {
	case 0:
		var tasks []store.NewTask
		for range 3 {
			n := f.atSomeGates()
			for range rand.IntN(3) {
				if up := pick(); len(rows) > 0 && !slices.Contains(n.Deps, up) {
					n.Deps = append(n.Deps, up)
				}
			}
			tasks = append(tasks, n)
		}
		_, _, err = s.Insert(ctx, tasks, false)
	case 1, 2:
		var batch store.ClaimBatch
		batch, err = s.Claim(ctx, store.ClaimRequest{ID: newID(), Node: f.node, Limit: 20, Slots: []store.ClaimSlot{{Lane: f.lane, Priority: task.DefaultPriority, Limit: 20}}})
		var ts []store.Transition
		var held []store.Held
		for i := range batch.Tasks {
			tr := success(&batch.Tasks[i])
			if rand.IntN(3) == 0 {
				tr.Outcome, tr.Decision = task.Failure, task.Decision{To: task.Scheduled, Reason: task.Backoff, Delay: time.Duration(rand.IntN(20)) * time.Millisecond, Failures: 1}
			}
			tr.Flags, tr.Gates = batch.Tasks[i].Flags, batch.Tasks[i].Gates
			ts, held = append(ts, tr), append(held, store.Held{ID: tr.ID, Token: tr.Token})
		}
		if err == nil && len(ts) > 0 {
			if _, _, err = s.Settle(ctx, ts); err == nil {
				_, err = s.Left(ctx, held)
			}
		}
	case 3:
		_, err = s.Cancel(ctx, pick(), store.Alone)
	case 4:
		if rand.IntN(2) == 0 {
			_, err = s.Retry(ctx, pick())
		} else {
			_, err = s.RunNow(ctx, pick())
		}
	case 5:
		if rand.IntN(4) == 0 {
			_, err = s.Delete(ctx, pick())
			break
		}
		_, _, _, err = s.PromoteDue(ctx, 20)
		var todos []store.Todo
		if err == nil {
			todos, err = s.TakeTodos(ctx, 10, 1)
		}
		for i := range todos {
			if err == nil {
				err = f.do(ctx, s, todos[i])
			}
		}
	}
	return err
}
