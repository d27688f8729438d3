package postgres_test

import (
	"bytes"
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/postgres"
	"github.com/sendoff-dev/sendoff/store/storetest"
	"github.com/sendoff-dev/sendoff/task"
)

// TestHeldTransactionDoesNotSlowClaims works while a transaction keeps every
// dead row from being vacuumed, which is where queues in tables usually decay.
func TestHeldTransactionDoesNotSlowClaims(t *testing.T) {
	heavy := os.Getenv("SENDOFF_HEAVY") == "1"
	if testing.Short() && !heavy {
		t.Skip("slow")
	}
	rounds, size := 5, 20_000
	if heavy {
		rounds, size = 10, 100_000
	}
	f := newFixture(t, testkit.Postgres(t), postgres.Options{})
	hold(t, f.dsn)
	var early, late []time.Duration
	for i := range rounds {
		f.fill(t, size)
		var mu sync.Mutex
		var took []time.Duration
		start := time.Now()
		f.workOff(t, size, 1, 500, func(d time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			took = append(took, d)
		})
		t.Logf("round %2d: %6.0f tasks/s, median batch %v", i+1, float64(size)/time.Since(start).Seconds(), median(took))
		switch i {
		case 1:
			early = took
		case rounds - 1:
			late = took
		}
	}
	ratio := float64(median(late)) / float64(median(early))
	t.Logf("late over early: %.2f", ratio)
	if heavy {
		require.Less(t, ratio, 2.0)
	}
}

// hold keeps a transaction with an xid open until the test ends.
func hold(t *testing.T, dsn string) pgx.Tx {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "select pg_current_xact_id()")
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return tx
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func TestLateCommitIsFoundBelowTheCursor(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testkit.Postgres(t), postgres.Options{})
	tx := hold(t, f.dsn)
	late := f.tasks(1)
	_, woken, err := f.s.In(tx).Insert(t.Context(), late, false)
	require.NoError(t, err)
	require.Len(t, woken, 1)
	f.fill(t, 10)
	batch := f.claim(t, 0, 100)
	require.Len(t, batch.Tasks, 10, "the task exists when its transaction commits")
	cursor := batch.Tasks[9].Position

	require.NoError(t, tx.Commit(t.Context()))
	require.Empty(t, f.claim(t, cursor, 100).Tasks)
	pos, found, err := f.s.Probe(t.Context(), f.lane, task.DefaultPriority, 0, cursor)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, woken[0].Position, pos)
	require.Equal(t, late[0].ID, f.claim(t, pos, 100).Tasks[0].ID)
}

// TestRolledBackClaimIsFoundAgain hides tasks behind the locks of a claim that
// is then given up.
func TestRolledBackClaimIsFoundAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testkit.Postgres(t), postgres.Options{})
	f.fill(t, 10)
	tx := hold(t, f.dsn)
	_, err := tx.Exec(t.Context(), "select from sendoff.ready order by pos limit 5 for update")
	require.NoError(t, err)
	batch := f.claim(t, 0, 100)
	require.Len(t, batch.Tasks, 5)
	require.NoError(t, tx.Rollback(t.Context()))
	pos, found, err := f.s.Probe(t.Context(), f.lane, task.DefaultPriority, 0, batch.Tasks[0].Position)
	require.NoError(t, err)
	require.True(t, found)
	require.Len(t, f.claim(t, pos, 100).Tasks, 5)
}

func (f *fixture) claim(t testing.TB, cursor int64, limit int) store.ClaimBatch {
	t.Helper()
	batch, err := f.s.Claim(t.Context(), store.ClaimRequest{
		ID: newID(), Node: f.node, Limit: limit,
		Slots: []store.ClaimSlot{{Lane: f.lane, Priority: task.DefaultPriority, Cursor: cursor, Limit: limit}},
	})
	require.NoError(t, err)
	return batch
}

// TestLostConnectionAtCommit breaks the connection at the moment of a commit:
// every call answers as if nothing had happened, and nothing is done twice.
func TestLostConnectionAtCommit(t *testing.T) {
	t.Parallel()
	for _, where := range []cut{beforeCommit, afterCommit} {
		t.Run(map[cut]string{beforeCommit: "before", afterCommit: "after"}[where], func(t *testing.T) {
			t.Parallel()
			p := newProxy(t, testkit.Postgres(t))
			f := newFixture(t, p.url, postgres.Options{})
			insert := func(marker string, tasks []store.NewTask) {
				t.Helper()
				p.arm(marker, where)
				out, woken, err := f.s.Insert(t.Context(), tasks, false)
				require.NoError(t, err)
				require.Len(t, woken, 1)
				for i := range out {
					require.Equal(t, store.Created, out[i].Status)
					require.Equal(t, tasks[i].ID, out[i].ID)
				}
			}
			insert("insert into sendoff.task", f.tasks(3))
			key := f.tasks(1)
			key[0].Keys = []store.Key{{Kind: store.ClientIDKey, Namespace: 1, Hash: store.HashOf([]byte("k"))}}
			insert("insert into sendoff.key", key)
			insert("commit", f.tasks(1000))
			require.Equal(t, 3, p.count())

			batch := f.claim(t, 0, 1004)
			require.Len(t, batch.Tasks, 1004)
			failed := store.Transition{Outcome: task.Failure, Decision: task.Decision{To: task.Scheduled, Reason: task.Backoff, Delay: time.Hour, Failures: 1}, Error: "x"}
			failed.ID, failed.Token = batch.Tasks[0].ID, batch.Tasks[0].Token
			p.arm("update sendoff.task", where)
			errs, _, err := f.s.Settle(t.Context(), []store.Transition{failed})
			require.NoError(t, err)
			require.NoError(t, errs[0])
			interrupted := store.Transition{Outcome: task.Interrupt, Decision: task.Decision{To: task.Ready, Reason: task.Interrupted}}
			interrupted.ID, interrupted.Token = batch.Tasks[1].ID, batch.Tasks[1].Token
			p.arm("update sendoff.task", where)
			errs, woken, err := f.s.Settle(t.Context(), []store.Transition{interrupted})
			require.NoError(t, err)
			require.NoError(t, errs[0])
			require.Len(t, woken, 1, "who was woken is told even when the first commit woke them")
			require.True(t, f.settle(t, batch.Tasks[2:]))
			require.Equal(t, 5, p.count())

			snap, err := f.s.Snapshot(t.Context())
			require.NoError(t, err)
			require.Len(t, snap.Tasks, 1004)
			require.Len(t, snap.Ready, 1)
			require.Len(t, snap.Timers, 1)
			require.Len(t, snap.Attempts[failed.ID], 1)
			require.NoError(t, storetest.Consistent(snap))
		})
	}
}

// TestLostClaimComesBack breaks the connection under a claim: the caller gets
// an error, and the tasks are taken back because nobody knows the claim.
func TestLostClaimComesBack(t *testing.T) {
	t.Parallel()
	p := newProxy(t, testkit.Postgres(t))
	f := newFixture(t, p.url, postgres.Options{})
	f.fill(t, 5)
	p.arm("sendoff.ready", afterCommit)
	_, err := f.s.Claim(t.Context(), store.ClaimRequest{
		ID: newID(), Node: f.node, Limit: 5, Slots: []store.ClaimSlot{{Lane: f.lane, Priority: task.DefaultPriority, Limit: 5}},
	})
	require.Error(t, err)
	require.Eventually(t, func() bool {
		r, err := f.s.Rescue(t.Context(), f.node, nil, 10)
		require.NoError(t, err)
		return r.Tasks == 5
	}, 20*time.Second, 100*time.Millisecond)
	again := f.claim(t, 0, 5)
	require.Len(t, again.Tasks, 5)
	for _, c := range again.Tasks {
		require.Greater(t, c.Token, int64(1))
	}
}

// TestAClaimThatRodeWithALostInsertComesBack: the insert is sent again, and its task is
// stored once; the claim is not, and whatever it took is taken back.
func TestAClaimThatRodeWithALostInsertComesBack(t *testing.T) {
	t.Parallel()
	for _, where := range []cut{beforeCommit, afterCommit} {
		t.Run(map[cut]string{beforeCommit: "before", afterCommit: "after"}[where], func(t *testing.T) {
			t.Parallel()
			p := newProxy(t, testkit.Postgres(t))
			f := newFixture(t, p.url, discard)
			lost := make(chan error, 1)
			go func() {
				_, err := f.s.Claim(t.Context(), store.ClaimRequest{
					ID: newID(), Node: f.node, Limit: 5, Rides: make(chan struct{}), Slots: []store.ClaimSlot{{Lane: f.lane, Priority: task.DefaultPriority, Limit: 5}},
				})
				lost <- err
			}()
			time.Sleep(300 * time.Millisecond) // it is on its way
			p.arm("insert into sendoff.task", where)
			out, woken, err := f.s.Insert(t.Context(), f.tasks(1), false)
			require.NoError(t, err)
			require.Equal(t, store.Created, out[0].Status)
			require.Len(t, woken, 1)
			require.Error(t, <-lost)
			require.Equal(t, 1, p.count())
			var batch store.ClaimBatch
			require.Eventually(t, func() bool {
				_, err := f.s.Rescue(t.Context(), f.node, nil, 10)
				require.NoError(t, err)
				batch = f.claim(t, 0, 5)
				return len(batch.Tasks) > 0
			}, 20*time.Second, 100*time.Millisecond)
			require.Len(t, batch.Tasks, 1)
			require.Equal(t, out[0].ID, batch.Tasks[0].ID)
			require.True(t, f.settle(t, batch.Tasks))
			snap, err := f.s.Snapshot(t.Context())
			require.NoError(t, err)
			require.NoError(t, storetest.Consistent(snap))
		})
	}
}

// TestStandbyWarningIsNotSuccess has the database say that it stopped waiting
// for its standby, which it does in a warning after the commit.
func TestStandbyWarningIsNotSuccess(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	f := newFixture(t, testkit.Postgres(t), postgres.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	exec(t, f.dsn, `
create sequence warned;
create function warn() returns trigger language plpgsql as $$ begin
 if nextval('warned') = 1 then
  raise warning using errcode = '01000', message = 'canceling wait for synchronous replication due to user request';
 end if; return null; end $$;
create trigger warn after insert on sendoff.task for each statement execute function warn()`)
	tasks := f.tasks(2)
	out, _, err := f.s.Insert(t.Context(), tasks, false)
	require.NoError(t, err)
	require.Equal(t, store.Created, out[1].Status)
	require.EqualValues(t, 2, f.one(t, "select count(*) from sendoff.task"))
	require.EqualValues(t, 2, f.one(t, "select count(*) from sendoff.ready"))
	require.Contains(t, log.String(), "sent again")
}

// TestKilledBackendsLoseNothing has backends terminated all the time while
// tasks are submitted and worked on: every task that was acknowledged ends
// exactly once, and every settle that was acknowledged stays.
func TestKilledBackendsLoseNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("kills connections for some seconds")
	}
	t.Parallel()
	f := newFixture(t, testkit.Postgres(t), postgres.Options{Logger: slog.New(slog.DiscardHandler)})
	ctx, stop := context.WithTimeout(t.Context(), 4*time.Second)
	defer stop()
	killer, err := pgx.Connect(t.Context(), f.dsn)
	require.NoError(t, err)
	defer func() { _ = killer.Close(t.Context()) }()

	var acknowledged, settled atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { // submit
			for ctx.Err() == nil {
				tasks := f.tasks(1 + rand.IntN(5))
				if _, _, err := f.s.Insert(t.Context(), tasks, false); err == nil {
					acknowledged.Add(int64(len(tasks)))
				} else {
					t.Errorf("insert: %v", err)
				}
			}
		})
	}
	work := func() int {
		req := store.ClaimRequest{
			ID: newID(), Node: f.node, Limit: 50,
			Slots: []store.ClaimSlot{{Lane: f.lane, Priority: task.DefaultPriority, Limit: 50}},
		}
		got, err := f.s.Claim(t.Context(), req)
		if err != nil || len(got.Tasks) == 0 {
			return 0
		}
		if f.settle(t, got.Tasks) {
			settled.Add(int64(len(got.Tasks)))
		}
		return len(got.Tasks)
	}
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				work()
			}
		})
	}
	kills := 0
	for ctx.Err() == nil {
		tag, err := killer.Exec(t.Context(), `
select pg_terminate_backend(pid) from pg_stat_activity
where datname = current_database() and application_name = 'sendoff' and state = 'active' limit 1`)
		require.NoError(t, err)
		kills += int(tag.RowsAffected())
		time.Sleep(5 * time.Millisecond)
	}
	wg.Wait()
	require.Eventually(t, func() bool {
		_, err := f.s.Rescue(t.Context(), f.node, nil, 100)
		require.NoError(t, err)
		return work() == 0 && f.one(t, "select count(*) from sendoff.task where state <> 6") == 0
	}, 30*time.Second, 20*time.Millisecond)
	t.Logf("%d kills, %d acknowledged, %d settled", kills, acknowledged.Load(), settled.Load())
	require.Equal(t, acknowledged.Load(), f.one(t, "select count(*) from sendoff.task"))
	require.Equal(t, settled.Load(), f.one(t, "select count(*) from sendoff.task"))
	snap, err := f.s.Snapshot(t.Context())
	require.NoError(t, err)
	require.NoError(t, storetest.Consistent(snap))
}

func TestBadValueFailsAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testkit.Postgres(t), postgres.Options{})
	// A stand-in for any value that passed every check before the database's.
	exec(t, f.dsn, "alter table sendoff.task add check (max_attempts <> 666 and last_code <> 666)")
	for _, n := range []int{5, 700} { // one statement, and COPY
		tasks := f.tasks(n)
		tasks[3].MaxAttempts = 666
		out, _, err := f.s.Insert(t.Context(), tasks, false)
		require.NoError(t, err)
		for i := range out {
			require.Equal(t, i == 3, out[i].Status == store.Invalid, "task %d: %v", i, out[i].Status)
		}
		for i := range tasks {
			tasks[i].ID = newID()
		}
		out, woken, err := f.s.Insert(t.Context(), tasks, true)
		require.NoError(t, err)
		require.Empty(t, woken)
		for i := range out {
			require.Equal(t, map[bool]store.InsertStatus{true: store.Invalid, false: store.Skipped}[i == 3], out[i].Status)
		}
	}
	batch := f.claim(t, 0, 4)
	ends := make([]store.Transition, 4)
	for i, c := range batch.Tasks {
		ends[i] = store.Transition{ID: c.ID, Token: c.Token, Outcome: task.Success, Decision: task.Decision{To: task.Succeeded}}
	}
	ends[2].Code = 666
	errs, _, err := f.s.Settle(t.Context(), ends)
	require.NoError(t, err)
	require.ErrorIs(t, errs[2], store.ErrBadValue)
	for _, i := range []int{0, 1, 3} {
		require.NoError(t, errs[i])
	}
	_, err = f.s.EnsureLane(t.Context(), store.DefaultNamespace, "nul\x00", task.AnyPool, 10)
	require.ErrorIs(t, err, store.ErrBadValue)
}

// TestBytesComeBackAsTheyWere stores what text columns refuse, and the largest
// payload.
func TestBytesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testkit.Postgres(t), postgres.Options{})
	for _, n := range []int{4, 600} {
		tasks := f.tasks(n)
		for i, p := range []string{"", "nul\x00", "\xff\xfe", strings.Repeat("\x00\xff", task.MaxPayload/2)} {
			tasks[i].Payload, tasks[i].Group, tasks[i].Spec = []byte(p), "g\x00\xff", []byte("\x01\x00\xff")
		}
		_, _, err := f.s.Insert(t.Context(), tasks, false)
		require.NoError(t, err)
		batch := f.claim(t, 0, n)
		require.Len(t, batch.Tasks, n)
		for i, c := range batch.Tasks[:4] {
			require.Equal(t, tasks[i].ID, c.ID)
			require.Equal(t, string(tasks[i].Payload), string(c.Payload))
			p, err := f.s.Payload(t.Context(), c.ID)
			require.NoError(t, err)
			require.Equal(t, string(tasks[i].Payload), string(p))
		}
		rows, err := f.s.Rows(t.Context(), []task.ID{tasks[1].ID})
		require.NoError(t, err)
		require.Equal(t, "g\x00\xff", rows[0].Group)
		require.Equal(t, "\x01\x00\xff", string(rows[0].Spec))
		bad := store.Transition{
			ID: batch.Tasks[0].ID, Token: batch.Tasks[0].Token, Outcome: task.Reject, Error: "a\x00b\xff" + strings.Repeat("é", store.MaxError),
			Decision: task.Decision{To: task.Failed, Reason: task.Rejected, Failures: 1},
			Answer:   task.Answer{Body: []byte("\x00\xff"), Header: []task.Header{{Name: "X\x00", Value: "\xff"}}},
		}
		errs, _, err := f.s.Settle(t.Context(), []store.Transition{bad})
		require.NoError(t, err)
		require.NoError(t, errs[0])
		attempts, _, err := f.s.Attempts(t.Context(), bad.ID, 0, 1000, 1<<30)
		require.NoError(t, err)
		require.Equal(t, store.CleanText(bad.Error, store.MaxError), attempts[0].Error)
		require.Equal(t, bad.Answer, attempts[0].Answer)
		require.True(t, f.settle(t, batch.Tasks[1:]))
	}
}

func TestSchemaIsChecked(t *testing.T) {
	t.Parallel()
	_, err := postgres.Open(t.Context(), testkit.EmptyPostgres(t), postgres.Options{})
	require.ErrorIs(t, err, postgres.ErrSchema)
	require.ErrorContains(t, err, "sendoff migrate")

	dsn := testkit.EmptyPostgres(t)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			s, err := postgres.Open(t.Context(), dsn, postgres.Options{Migrate: true})
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			_ = s.Close()
		})
	}
	wg.Wait()
	exec(t, dsn, "insert into sendoff.migration (version_id, is_applied) values (999, true)")
	_, err = postgres.Open(t.Context(), dsn, postgres.Options{})
	require.ErrorIs(t, err, postgres.ErrSchema)
	require.ErrorContains(t, err, "newer")
}

func TestHintsReachOtherNodes(t *testing.T) {
	t.Parallel()
	dsn := testkit.Postgres(t)
	pooled := testkit.PgBouncer(t, dsn)
	f := newFixture(t, pooled, postgres.Options{})
	require.NoError(t, f.s.Listen(t.Context(), nil), "a pooler carries no notifications: Listen returns")
	other := newFixture(t, pooled, postgres.Options{ListenDSN: dsn})
	ctx, stop := context.WithCancel(t.Context())
	heard := make(chan store.Hint, 10_000)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := other.s.Listen(ctx, func(h store.Hint) { heard <- h }); err != nil {
			t.Errorf("listen: %v", err)
		}
	})
	defer wg.Wait()
	defer stop()
	h := store.Hint{Woken: []store.Woken{{Lane: 1, Priority: 5, Position: 77}}, Canceled: []store.Held{{ID: newID(), Token: 3}}, Changed: store.ChangedCatalog}
	require.Eventually(t, func() bool {
		require.NoError(t, f.s.Notify(t.Context(), h))
		return len(heard) > 0
	}, 10*time.Second, 20*time.Millisecond)
	require.Equal(t, h, <-heard)

	exec(t, dsn, "notify sendoff, 'not ours'")
	exec(t, dsn, "select pg_terminate_backend(pid) from pg_stat_activity where query like '%idle_session_timeout%' and pid <> pg_backend_pid() and datname = current_database()")
	long := store.Hint{Changed: store.ChangedCatalog}
	for i := range 1000 {
		long.Woken = append(long.Woken, store.Woken{Lane: int32(i), Position: 1e15})
	}
	seen := map[int32]bool{}
	require.Eventually(t, func() bool {
		require.NoError(t, f.s.Notify(t.Context(), long))
		for len(heard) > 0 {
			for _, w := range (<-heard).Woken {
				seen[w.Lane] = true
			}
		}
		return len(seen) == 1000
	}, 20*time.Second, 50*time.Millisecond)
}

func TestSubmitTx(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testkit.Postgres(t), postgres.Options{})
	conn, err := pgx.Connect(t.Context(), f.dsn)
	require.NoError(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	for _, commit := range []bool{false, true} {
		tx, err := conn.Begin(t.Context())
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), "create table mine (n int)")
		require.NoError(t, err)
		tasks := f.tasks(2)
		tasks[1].Keys = []store.Key{{Kind: store.ClientIDKey, Namespace: 1, Hash: store.HashOf([]byte("id"))}}
		out, woken, err := f.s.In(tx).Insert(t.Context(), tasks, true)
		require.NoError(t, err)
		require.Equal(t, store.Created, out[1].Status)
		require.Len(t, woken, 1)
		again := f.tasks(2)
		again[1].Keys = tasks[1].Keys
		out, _, err = f.s.In(tx).Insert(t.Context(), again, true)
		require.NoError(t, err)
		require.Equal(t, []store.InsertStatus{store.Skipped, store.Conflict}, []store.InsertStatus{out[0].Status, out[1].Status})
		require.EqualValues(t, 0, f.one(t, "select count(*) from sendoff.task"))
		if commit {
			require.NoError(t, tx.Commit(t.Context()))
		} else {
			require.NoError(t, tx.Rollback(t.Context()))
		}
	}
	require.Len(t, f.claim(t, 0, 10).Tasks, 2)
}

// TestPauseIsExact claims as fast as it can while the queue is paused: no claim
// that was asked for afterwards brings anything.
func TestPauseIsExact(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testkit.Postgres(t), postgres.Options{})
	f.fill(t, 3000)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for ctx.Err() == nil {
				f.claim(t, 0, 1)
			}
		})
	}
	lanes, err := f.s.Lanes(t.Context())
	require.NoError(t, err)
	for i := range 10 {
		_, err := f.s.SetPaused(t.Context(), lanes[0].QueueID, true)
		require.NoError(t, err)
		paused := f.one(t, "select count(*) from sendoff.ready")
		time.Sleep(5 * time.Millisecond)
		require.Equal(t, paused, f.one(t, "select count(*) from sendoff.ready"), "round %d", i)
		woken, err := f.s.SetPaused(t.Context(), lanes[0].QueueID, false)
		require.NoError(t, err)
		require.Len(t, woken, 1)
	}
	stop()
	wg.Wait()
}

func TestClosedStoreRefuses(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testkit.Postgres(t), postgres.Options{})
	require.NoError(t, f.s.Close())
	_, _, err := f.s.Insert(t.Context(), f.tasks(1), false)
	require.ErrorIs(t, err, store.ErrClosed)
	_, err = f.s.Rows(t.Context(), nil)
	require.ErrorIs(t, err, store.ErrClosed)
	_, err = f.s.Cancel(t.Context(), newID(), store.Alone)
	require.ErrorIs(t, err, store.ErrClosed)
}
