package postgres_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"runtime/debug"
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

// held claims tasks that depend on nothing.
func (f *fixture) held(t *testing.T, n int) []store.Claimed {
	t.Helper()
	f.insert(t, f.tasks(n)...)
	return f.claim(t, 0, n).Tasks
}

func (f *fixture) insert(t *testing.T, tasks ...store.NewTask) {
	t.Helper()
	in, _, err := f.s.Insert(t.Context(), tasks, true)
	require.NoError(t, err)
	require.Equal(t, store.Created, in[0].Status)
}

// after is a task that depends on others.
func (f *fixture) after(when task.When, ups ...task.ID) store.NewTask {
	n := f.tasks(1)[0]
	n.When, n.Deps = when, ups
	return n
}

// ends has a task succeed beside the test.
func ends(ctx context.Context, s *postgres.Store, c *store.Claimed) (done <-chan error) {
	ch := make(chan error, 1)
	go func() {
		errs, _, err := s.Settle(ctx, []store.Transition{success(c)})
		if err == nil {
			err = errs[0]
		}
		ch <- err
	}()
	return ch
}

func success(c *store.Claimed) store.Transition {
	return store.Transition{ID: c.ID, Token: c.Token, Outcome: task.Success, Decision: task.Decision{To: task.Succeeded}}
}

// waits until as many backends wait for a lock.
func (f *fixture) waits(t *testing.T, n int64) {
	t.Helper()
	require.Eventually(t, func() bool {
		return f.one(t, "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") >= n
	}, 10*time.Second, 5*time.Millisecond, "somebody waits for a lock")
}

func (f *fixture) stateOf(t *testing.T, id task.ID) task.State {
	t.Helper()
	rows, err := f.s.Rows(t.Context(), []task.ID{id})
	require.NoError(t, err)
	require.Len(t, rows, 1)
	return rows[0].State
}

// TestAnEndSeesWhoCameToDependOnItMeanwhile: the insert holds the task, its end waits, and
// tells the follower that it did not know of when it began.
func TestAnEndSeesWhoCameToDependOnItMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testkit.Postgres(t), postgres.Options{})
	for _, known := range []bool{false, true} {
		up := f.held(t, 1)[0]
		if known { // others depend on it already, so its end takes more round trips from the start
			f.insert(t, f.after(task.AllOK, up.ID))
			up.Flags |= store.FlagDeps
		}
		tx := hold(t, f.dsn)
		late := f.after(task.AllOK, up.ID)
		_, _, err := f.s.In(tx).Insert(t.Context(), []store.NewTask{late}, false)
		require.NoError(t, err)
		done := ends(t.Context(), f.s, &up)
		f.waits(t, 1)
		require.NoError(t, tx.Commit(t.Context()))
		require.NoError(t, <-done)
		require.Equal(t, task.Ready, f.stateOf(t, late.ID), "it waits for what has ended")
	}
}

// TestWhoComesToDependOnWhatIsEndingSeesTheEnd: the end holds the task, between its round
// trips, and the insert waits for it.
func TestWhoComesToDependOnWhatIsEndingSeesTheEnd(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testkit.Postgres(t), postgres.Options{})
	up := f.held(t, 1)[0]
	first, second := f.after(task.AllOK, up.ID), f.after(task.AllOK, up.ID)
	f.insert(t, first)
	tx := hold(t, f.dsn)
	_, err := tx.Exec(t.Context(), "select from sendoff.need for update")
	require.NoError(t, err)
	done := ends(t.Context(), f.s, &up)
	f.waits(t, 1)
	inserted := make(chan error, 1)
	go func() {
		_, _, err := f.s.Insert(t.Context(), []store.NewTask{second}, false)
		inserted <- err
	}()
	f.waits(t, 2)
	require.NoError(t, tx.Commit(t.Context()))
	require.NoError(t, <-done)
	require.NoError(t, <-inserted)
	require.Equal(t, task.Ready, f.stateOf(t, first.ID))
	require.Equal(t, task.Ready, f.stateOf(t, second.ID), "it waits for what has ended")
}

// TestTwoEndsAtATimeAreBothCounted in transactions that overlap, of two nodes.
func TestTwoEndsAtATimeAreBothCounted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testkit.Postgres(t), postgres.Options{})
	other, err := postgres.Open(t.Context(), f.dsn, postgres.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = other.Close() })
	ups := f.held(t, 2)
	down := f.after(task.AllOK, ups[0].ID, ups[1].ID)
	f.insert(t, down)
	tx := hold(t, f.dsn)
	_, err = tx.Exec(t.Context(), "select from sendoff.need for update")
	require.NoError(t, err)
	done := []<-chan error{ends(t.Context(), f.s, &ups[0]), ends(t.Context(), other, &ups[1])}
	f.waits(t, 2)
	require.NoError(t, tx.Commit(t.Context()))
	require.NoError(t, <-done[0])
	require.NoError(t, <-done[1])
	require.Equal(t, task.Ready, f.stateOf(t, down.ID), "one of the ends was not counted")
}

// TestAPageThatFailsTellsWhomItHasWoken: of two followers the first begins anew, and the
// statement that waits for the second is canceled.
func TestAPageThatFailsTellsWhomItHasWoken(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testkit.Postgres(t), postgres.Options{})
	up := f.held(t, 1)[0]
	downs := []store.NewTask{f.after(task.AllOK, up.ID), f.after(task.AllOK, up.ID)}
	slices.SortFunc(downs, func(a, b store.NewTask) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	f.insert(t, downs...)
	revive := f.livesAgain(t, &up)
	tx := hold(t, f.dsn)
	_, err := tx.Exec(t.Context(), "select from sendoff.task where id = $1 for update", downs[1].ID[:])
	require.NoError(t, err)

	type told struct {
		woken []store.Woken
		err   error
	}
	done := make(chan told, 1)
	go func() {
		_, woken, err := f.s.Follow(t.Context(), revive)
		done <- told{woken, err}
	}()
	f.waits(t, 1)
	f.one(t, "select count(pg_cancel_backend(pid)) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")
	got := <-done
	require.ErrorContains(t, got.err, "tell followers of task "+up.ID.String())
	require.Equal(t, task.Ready, f.stateOf(t, downs[0].ID))
	require.Len(t, got.woken, 1, "it is ready, and nobody is told")

	require.NoError(t, tx.Rollback(t.Context()))
	more, woken, err := f.s.Follow(t.Context(), revive)
	require.NoError(t, err)
	require.False(t, more)
	require.Len(t, woken, 1)
	require.Equal(t, task.Ready, f.stateOf(t, downs[1].ID))
}

// livesAgain has a task with followers fail, run again and succeed, and returns what is
// left to be done about these.
func (f *fixture) livesAgain(t *testing.T, up *store.Claimed) store.Todo {
	t.Helper()
	up.Flags |= store.FlagDeps
	tr := success(up)
	tr.Outcome, tr.Decision = task.Reject, task.Decision{To: task.Failed, Reason: task.Rejected}
	errs, _, err := f.s.Settle(t.Context(), []store.Transition{tr})
	require.NoError(t, err)
	require.NoError(t, errs[0])
	_, err = f.s.RetryFollowers(t.Context(), up.ID)
	require.NoError(t, err)
	again := f.claim(t, 0, 1).Tasks[0]
	require.NoError(t, <-ends(t.Context(), f.s, &again))
	todos, err := f.s.TakeTodos(t.Context(), 10, 1)
	require.NoError(t, err)
	require.Len(t, todos, 1)
	require.Equal(t, store.Revive, todos[0].Kind)
	return todos[0]
}

// TestStormOnTasksThatDepend has people do everything they can to tasks that depend on
// each other, while these run on two nodes. Whatever locks against the order is repeated,
// which is counted; nothing may wait in the end for what has ended.
func TestStormOnTasksThatDepend(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testkit.Postgres(t), postgres.Options{MaxConns: 8})
	other, err := postgres.Open(t.Context(), f.dsn, postgres.Options{MaxConns: 8})
	require.NoError(t, err)
	t.Cleanup(func() { _ = other.Close() })
	stores := []*postgres.Store{f.s, other}
	long := 1500 * time.Millisecond
	if testing.Short() {
		long /= 3
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
				if err := f.dependSomehow(t.Context(), s, i, rows); err != nil {
					require.NotContains(t, err.Error(), "SQLSTATE", "it is answered by the store")
				}
				done[i].Add(1)
			}
		})
	}
	wg.Wait()
	for i := range done {
		t.Logf("%d: %d", i, done[i].Load())
		require.NotZero(t, done[i].Load())
	}
	f.followUp(t)
	deadlocks := f.one(t, "select deadlocks from pg_stat_database where datname = current_database()")
	t.Logf("%d deadlocks", deadlocks)
	require.Zero(t, f.one(t, `
select count(*) from sendoff.need n where n.waits and not exists (
 select from sendoff.dep d join sendoff.task t on t.id = d.up where d.down = n.task and t.state not in (6, 7, 8))`),
		"a task waits although all that it depends on has ended")
	require.Zero(t, f.one(t, "select count(*) from sendoff.need n join sendoff.task t on t.id = n.task where n.waits <> (t.state = 5)"))
	require.Zero(t, f.one(t, `
select count(*) from sendoff.need n join (
 select down, count(*) as total, count(*) filter (where ended = 1) as ok, count(*) filter (where ended = 2) as failed from sendoff.dep group by down) d on d.down = n.task
where (n.total, n.ok, n.failed) <> (d.total, d.ok, d.failed)`), "what is counted is not what there is")
}

func (f *fixture) dependSomehow(ctx context.Context, s *postgres.Store, step int, rows []store.Row) (err error) {
	pick := func() task.ID {
		if len(rows) == 0 {
			return newID()
		}
		return rows[rand.IntN(len(rows))].ID
	}
	switch step {
	case 0:
		tasks := f.tasks(3)
		for i := range tasks {
			tasks[i].When = task.When(rand.IntN(3))
			if len(rows) > 2 {
				tasks[i].Deps = []task.ID{pick(), pick()}
			}
		}
		_, _, err = s.Insert(ctx, tasks, false)
	case 1, 2:
		var batch store.ClaimBatch
		batch, err = s.Claim(ctx, store.ClaimRequest{ID: newID(), Node: f.node, Limit: 20, Slots: []store.ClaimSlot{{Lane: f.lane, Priority: task.DefaultPriority, Limit: 20}}})
		var ts []store.Transition
		for i := range batch.Tasks {
			tr := success(&batch.Tasks[i])
			if rand.IntN(3) == 0 {
				tr.Outcome, tr.Decision = task.Reject, task.Decision{To: task.Failed, Reason: task.Rejected}
			}
			ts = append(ts, tr)
		}
		if err == nil {
			_, _, err = s.Settle(ctx, ts)
		}
	case 3:
		_, err = s.Cancel(ctx, pick(), store.Alone)
	case 4:
		_, err = s.RetryFollowers(ctx, pick())
	case 5:
		if rand.IntN(2) == 0 {
			_, err = s.Delete(ctx, pick())
			break
		}
		var todos []store.Todo
		todos, err = s.TakeTodos(ctx, 10, 1)
		for i := range todos {
			if err == nil {
				_, _, err = s.Follow(ctx, todos[i])
			}
		}
	}
	return err
}

// followUp works off all that is left to do, and returns in how many pages.
func (f *fixture) followUp(t *testing.T) (pages int) {
	t.Helper()
	for {
		todos, err := f.s.TakeTodos(t.Context(), 100, 0)
		require.NoError(t, err)
		if len(todos) == 0 {
			return pages
		}
		for _, todo := range todos {
			_, _, err := f.s.Follow(t.Context(), todo)
			require.NoError(t, err)
			pages++
		}
	}
}

// TestManyDependencies: a chain, a fan-in and a fan-out take as many rows as there are
// edges, and no statement reads more than it needs; nor does a stack grow with them. With
// SENDOFF_HEAVY=1 there are three times as many.
func TestManyDependencies(t *testing.T) {
	t.Parallel()
	n := 10_000
	switch {
	case os.Getenv("SENDOFF_HEAVY") == "1":
		n = 30_000
		defer debug.SetMaxStack(debug.SetMaxStack(4 << 20))
	case testing.Short() || underRace:
		n = 2000
	}
	f := newFixture(t, testkit.Postgres(t), postgres.Options{})
	start := time.Now()
	lap := func(what string) {
		took := time.Since(start)
		t.Logf("%s: %v, %.0f/s", what, took.Round(time.Millisecond), float64(n)/took.Seconds())
		start = time.Now()
	}
	up := f.held(t, 1)[0]
	for i := 0; i < n; i += 1000 {
		out := make([]store.NewTask, 1000)
		for j := range out {
			out[j] = f.after(task.AllOK, up.ID)
		}
		f.insert(t, out...)
	}
	lap("fan-out stored")
	require.NoError(t, <-ends(t.Context(), f.s, &up))
	require.EqualValues(t, 1000, f.one(t, "select count(*) from sendoff.ready"), "a page is told in the transaction of the end")
	require.LessOrEqual(t, f.followUp(t), n/1000, "pages")
	require.EqualValues(t, n, f.one(t, "select count(*) from sendoff.ready"))
	lap("fan-out released")

	var ids []task.ID
	claimed := f.claim(t, 0, n).Tasks
	require.Len(t, claimed, n)
	for i := range claimed {
		ids = append(ids, claimed[i].ID)
	}
	down := f.after(task.AllOK, ids...)
	start = time.Now()
	f.insert(t, down)
	lap("fan-in stored")
	for i := 0; i < n; i += 1000 {
		ts := make([]store.Transition, 1000)
		for j := range ts {
			ts[j] = success(&claimed[i+j])
		}
		errs, _, err := f.s.Settle(t.Context(), ts)
		require.NoError(t, err)
		for _, err := range errs {
			require.NoError(t, err)
		}
	}
	require.Equal(t, task.Ready, f.stateOf(t, down.ID))
	lap("fan-in counted")

	first := f.after(task.AllOK, down.ID)
	chain := []store.NewTask{first}
	for len(chain) < n {
		chain = append(chain, f.after(task.AllOK, chain[len(chain)-1].ID))
	}
	for i := 0; i < n; i += 1000 {
		f.insert(t, chain[i:i+1000]...)
	}
	lap("chain stored")
	_, err := f.s.Cancel(t.Context(), down.ID, store.Alone)
	require.NoError(t, err)
	pages := f.followUp(t)
	require.EqualValues(t, n, f.one(t, "select count(*) from sendoff.task where state = 8 and reason = 10"))
	lap("chain canceled")
	require.LessOrEqual(t, pages, 2*n/1000, "pages")
	require.EqualValues(t, 3*n, f.one(t, "select count(*) from sendoff.dep"))
}
