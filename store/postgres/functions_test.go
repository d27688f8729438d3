package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
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

// troupe runs functions: each parent makes its calls a few at a time, collects
// their results in its state and ends with all of them.
type troupe struct {
	*fixture
	stores  []*postgres.Store
	calls   int // of each parent
	atOnce  int // calls in one poll, at most
	lenient bool
}

// collected is the state of a parent.
type collected struct {
	Made int
	Got  []uint64
}

func (tr *troupe) parents(t testing.TB, n int) []store.NewTask {
	t.Helper()
	tasks := tr.tasks(n)
	for i := range tasks {
		tasks[i].Kind = task.Function
	}
	_, _, err := tr.s.Insert(t.Context(), tasks, false)
	require.NoError(t, err)
	return tasks
}

// step is one run of a function that was claimed.
func (tr *troupe) step(ctx context.Context, s *postgres.Store, c *store.Claimed) (store.Transition, error) {
	end := store.Transition{ID: c.ID, Token: c.Token, Outcome: task.Success, Decision: task.Decision{To: task.Succeeded}, Effects: &store.Effects{}}
	if !c.Root.IsZero() {
		end.Flags, end.Parent = c.Flags, c.Parent
		end.Answer.Body = []byte("done")
		return end, nil
	}
	if c.Flags&store.FlagCanceling != 0 { // it was told
		end.Outcome, end.Decision = task.Cancel, task.Decision{To: task.Canceled, Reason: task.Requested}
		return end, nil
	}
	r, err := s.Resume(ctx, c.ID, 0, 1000, 1<<20)
	if err != nil {
		return end, err
	}
	var mine collected
	if len(r.State) > 0 {
		if err := json.Unmarshal(r.State, &mine); err != nil {
			return end, err
		}
	}
	open, fx := r.Open, end.Effects
	for _, m := range r.Messages {
		fx.Seen = m.Seq
		if m.Kind == store.Result {
			mine.Got = append(mine.Got, m.Correlation)
			open--
		}
	}
	if len(r.Messages) == 0 {
		fx.Seen = int64(len(mine.Got)) // right as long as nobody sends signals
	}
	for range min(tr.calls-mine.Made, 1+rand.IntN(tr.atOnce)) {
		mine.Made++
		open++
		call := store.NewTask{
			ID: newID(), Lane: tr.lane, Priority: task.DefaultPriority, Kind: task.Function, MaxAttempts: task.Unlimited,
			Spec: spec, Payload: payload, Parent: c.ID, Root: c.ID, Deliver: true, Correlation: uint64(mine.Made),
		}
		fx.Calls = append(fx.Calls, call)
	}
	state, err := json.Marshal(mine)
	if err != nil {
		return end, err
	}
	if open == 0 {
		end.Answer.Body = state
		return end, nil
	}
	fx.Undo = store.UndoSomething
	fx.State, fx.Open, fx.Need = state, open, task.Need(1+rand.Int32N(3), 0, open)
	end.Outcome, end.Decision = task.Suspend, task.Decision{To: task.Suspended, Delay: time.Hour}
	return end, nil
}

// run claims and works until ctx ends, with some workers on every store.
func (tr *troupe) run(ctx context.Context, t testing.TB, workers int) {
	t.Helper()
	background := context.WithoutCancel(ctx)
	var wg sync.WaitGroup
	for _, s := range tr.stores {
		for range workers {
			wg.Go(func() {
				for ctx.Err() == nil {
					batch, err := s.Claim(background, store.ClaimRequest{ID: newID(), Node: tr.node, Limit: 8, Slots: []store.ClaimSlot{
						{Lane: tr.lane, Priority: task.DefaultPriority, Limit: 8},
					}})
					if err != nil && !tr.lenient {
						t.Errorf("claim: %v", err)
						return
					}
					if len(batch.Tasks) == 0 {
						time.Sleep(time.Millisecond)
						continue
					}
					tr.work(background, t, s, batch.Tasks)
				}
			})
		}
	}
	wg.Wait()
}

// work runs claimed functions and settles them one by one, all at the same time.
func (tr *troupe) work(ctx context.Context, t testing.TB, s *postgres.Store, tasks []store.Claimed) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range tasks {
		wg.Go(func() {
			end, err := tr.step(ctx, s, &tasks[i])
			if err != nil {
				if !tr.lenient {
					t.Errorf("resume: %v", err)
				}
				return
			}
			errs, _, err := s.Settle(ctx, []store.Transition{end})
			if err != nil || errs[0] != nil && !(tr.lenient && errors.Is(errs[0], store.ErrLeaseLost)) {
				t.Errorf("settle: %v %v", err, errs)
			}
		})
	}
	wg.Wait()
}

// checkResults has every parent ended with each of its results once.
func (tr *troupe) checkResults(t testing.TB, parents []store.NewTask) {
	t.Helper()
	for _, p := range parents {
		attempts, _, err := tr.s.Attempts(t.Context(), p.ID, 0, 1000, 1<<30)
		require.NoError(t, err)
		require.NotEmpty(t, attempts)
		var all collected
		require.NoError(t, json.Unmarshal(attempts[len(attempts)-1].Answer.Body, &all))
		slices.Sort(all.Got)
		require.Len(t, all.Got, tr.calls)
		for i, c := range all.Got {
			require.EqualValues(t, i+1, c)
		}
	}
	require.EqualValues(t, len(parents)*(tr.calls+1), tr.one(t, "select count(*) from sendoff.task"), "no call was made twice")
	require.Zero(t, tr.one(t, "select count(*) from sendoff.inbox"))
	require.Zero(t, tr.one(t, "select count(*) from sendoff.body"))
	tr.checkConsistent(t)
}

func (tr *troupe) checkConsistent(t testing.TB) {
	t.Helper()
	snap, err := tr.s.Snapshot(t.Context())
	require.NoError(t, err)
	require.NoError(t, storetest.Consistent(snap))
}

func newTroupe(t testing.TB, calls, atOnce int, options postgres.Options) *troupe {
	t.Helper()
	f := newFixture(t, testkit.Postgres(t), options)
	second, err := postgres.Open(t.Context(), f.dsn, options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, second.Close()) })
	return &troupe{fixture: f, stores: []*postgres.Store{f.s, second}, calls: calls, atOnce: atOnce}
}

// untilEnded runs a troupe until all of its tasks have ended.
func (tr *troupe) untilEnded(t testing.TB, limit time.Duration, during func(ctx context.Context)) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), limit)
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() { tr.run(ctx, t, 3) })
	if during != nil {
		during(ctx)
	}
	for ctx.Err() == nil && tr.one(t, "select count(*) from sendoff.task where state < 6") > 0 {
		if tr.lenient {
			_, err := tr.s.Rescue(t.Context(), tr.node, nil, 100)
			require.NoError(t, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	require.NoError(t, ctx.Err(), "functions that nobody woke")
	stop()
	wg.Wait()
}

// TestNoWakeUpIsLost has parents that poll again and again while their calls
// end: a wake-up that got lost would leave one suspended for an hour.
func TestNoWakeUpIsLost(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	t.Parallel()
	tr := newTroupe(t, 60, 4, postgres.Options{})
	parents := tr.parents(t, 20)
	start := time.Now()
	tr.untilEnded(t, 60*time.Second, nil)
	t.Logf("%d calls in %v", 20*tr.calls, time.Since(start))
	tr.checkResults(t, parents)
}

// TestKilledBackendsDoNothingByHalves has backends terminated under functions.
func TestKilledBackendsDoNothingByHalves(t *testing.T) {
	if testing.Short() {
		t.Skip("kills connections for some seconds")
	}
	t.Parallel()
	tr := newTroupe(t, 40, 4, postgres.Options{Logger: slog.New(slog.DiscardHandler)})
	tr.lenient = true
	parents := tr.parents(t, 20)
	kills := 0
	tr.untilEnded(t, 90*time.Second, func(ctx context.Context) {
		killer, err := pgx.Connect(t.Context(), tr.dsn)
		require.NoError(t, err)
		defer func() { _ = killer.Close(t.Context()) }()
		for end := time.Now().Add(3 * time.Second); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(7 * time.Millisecond) {
			tag, err := killer.Exec(ctx, `
select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'sendoff'
 and (state = 'active' or state = 'idle in transaction') limit 1`)
			require.NoError(t, err)
			kills += int(tag.RowsAffected())
		}
	})
	t.Logf("%d kills", kills)
	tr.checkResults(t, parents)
}

// TestStormOfCancels has people do everything they can to functions while these
// run on two nodes.
func TestStormOfCancels(t *testing.T) {
	if testing.Short() {
		t.Skip("cancels for some seconds")
	}
	t.Parallel()
	tr := newTroupe(t, 1000, 4, postgres.Options{})
	tr.lenient = true
	tr.parents(t, 20)
	ctx, stop := context.WithTimeout(t.Context(), 4*time.Second)
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() { tr.run(ctx, t, 3) })
	var done [7]atomic.Int64
	for i := range done {
		wg.Go(func() {
			s := tr.stores[i%2]
			for ctx.Err() == nil {
				rows, _, err := s.List(t.Context(), store.Query{Limit: 50, States: []task.State{task.Ready, task.Running, task.Suspended}})
				if err != nil || len(rows) == 0 {
					continue
				}
				row := rows[rand.IntN(len(rows))]
				id := row.ID
				if row.Kind == task.Function && !row.Parent.IsZero() && rand.IntN(3) == 0 {
					id = row.Parent
				}
				switch i {
				case 0, 1:
					_, err = s.Cancel(t.Context(), id, store.WithCalls)
				case 2:
					_, err = s.Restart(t.Context(), id)
				case 3:
					_, err = s.Signal(t.Context(), id, "n", nil)
				case 4:
					_, err = s.Delete(t.Context(), id)
				case 5:
					_, err = s.RunNow(t.Context(), id)
				case 6:
					_, err = s.Undo(t.Context(), id, 1e9)
				}
				if err == nil {
					done[i].Add(1)
				}
				known := slices.ContainsFunc([]error{store.ErrFinal, store.ErrNotFound, store.ErrRunning, store.ErrNotFinal, store.ErrNothingToUndo, store.ErrCanceling},
					func(known error) bool { return errors.Is(err, known) })
				if err != nil && !known {
					t.Errorf("step %d: %v", i, err)
				}
			}
		})
	}
	for ctx.Err() == nil {
		tr.parents(t, 2)
		time.Sleep(30 * time.Millisecond)
	}
	wg.Wait()
	for i := range done {
		t.Logf("step %d: %d", i, done[i].Load())
		require.NotZero(t, done[i].Load())
	}
	t.Logf("%d deadlocks", tr.one(t, "select deadlocks from pg_stat_database where datname = current_database()"))
	tr.checkConsistent(t)
	require.Zero(t, tr.one(t, "select count(*) from sendoff.task where flags & 64 <> 0 and state in (3, 4, 5)"), "functions wait that were canceled and not told")
	require.Zero(t, tr.one(t, "select count(*) from sendoff.wait w where not exists (select from sendoff.task t where t.id = w.task)"))
	require.Zero(t, tr.one(t, "select count(*) from sendoff.inbox i where not exists (select from sendoff.task t where t.id = i.task and t.state < 6)"))
}

// TestChildrenAreLinear settles the calls of one parent. What is written for
// them grows with the batches, not with the calls that came before.
func TestChildrenAreLinear(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2000, 10_000} {
		f := newFixture(t, testkit.Postgres(t), postgres.Options{})
		exec(t, f.dsn, `
create sequence written;
create function count_written() returns trigger language plpgsql as $$ begin perform nextval('written'); return null; end $$;
create trigger written after insert or update or delete on sendoff.wait for each row execute function count_written();
create trigger written after insert or update or delete on sendoff.inbox for each row execute function count_written()`)
		tr := &troupe{fixture: f, stores: []*postgres.Store{f.s}, calls: n, atOnce: 1}
		parent := tr.parents(t, 1)[0]
		batch := f.claim(t, 0, 1)
		start := time.Now()
		end, err := tr.step(t.Context(), f.s, &batch.Tasks[0])
		require.NoError(t, err)
		call := end.Effects.Calls[0]
		end.Effects.Calls = nil
		for i := range n {
			call.ID, call.Correlation = newID(), uint64(i)
			end.Effects.Calls = append(end.Effects.Calls, call)
		}
		end.Effects.Open, end.Effects.Need = int64(n), int32(n)
		errs, _, err := f.s.Settle(t.Context(), []store.Transition{end})
		require.NoError(t, err)
		require.NoError(t, errs[0])
		polled := time.Since(start)
		settles := 0
		for cursor := int64(0); ; settles++ {
			batch := f.claim(t, cursor, 500)
			if batch.Tasks[0].ID == parent.ID {
				break
			}
			cursor = batch.Tasks[len(batch.Tasks)-1].Position
			ends := make([]store.Transition, len(batch.Tasks))
			for i := range batch.Tasks {
				ends[i], err = tr.step(t.Context(), f.s, &batch.Tasks[i])
				require.NoError(t, err)
			}
			errs, _, err := f.s.Settle(t.Context(), ends)
			require.NoError(t, err)
			for _, err := range errs {
				require.NoError(t, err)
			}
		}
		written := f.one(t, "select last_value from written")
		t.Logf("%5d calls: poll %v, all results %v in %d settles, %d rows of wait and inbox", n, polled, time.Since(start)-polled, settles, written)
		require.LessOrEqual(t, written, int64(n+settles+2))
		r, err := f.s.Resume(t.Context(), parent.ID, 0, 1000, 1<<30)
		require.NoError(t, err)
		require.Len(t, r.Messages, 1000)
		require.True(t, r.More)
	}
}

// TestSettleOfFunctionIsAppliedOnce breaks the connection at the commit of a
// settle with effects.
func TestSettleOfFunctionIsAppliedOnce(t *testing.T) {
	t.Parallel()
	for _, where := range []cut{beforeCommit, afterCommit} {
		p := newProxy(t, testkit.Postgres(t))
		f := newFixture(t, p.url, postgres.Options{Logger: slog.New(slog.DiscardHandler)})
		tr := &troupe{fixture: f, stores: []*postgres.Store{f.s}, calls: 2, atOnce: 1}
		parents := tr.parents(t, 1)
		for i := 0; f.one(t, "select count(*) from sendoff.task where state < 6") > 0; i++ {
			require.Less(t, i, 20)
			for _, c := range f.claim(t, 0, 10).Tasks {
				end, err := tr.step(t.Context(), f.s, &c)
				require.NoError(t, err)
				p.arm("commit", where)
				errs, woken, err := f.s.Settle(t.Context(), []store.Transition{end})
				require.NoError(t, err)
				require.NoError(t, errs[0])
				if end.Decision.To == task.Suspended && len(end.Effects.Calls) > 0 {
					require.NotEmpty(t, woken)
				}
			}
		}
		require.GreaterOrEqual(t, p.count(), 5)
		tr.checkResults(t, parents)
	}
}

// BenchmarkFunctions has b.N functions make one call each and end with its
// result, from 64 workers: poll, settle of the call, resume, end.
func BenchmarkFunctions(b *testing.B) {
	var commits, busy atomic.Int64
	f := newFixture(b, testkit.Postgres(b), postgres.Options{OnCommit: func(_ int, took time.Duration) {
		commits.Add(1)
		busy.Add(int64(took))
	}})
	tr := &troupe{fixture: f, stores: []*postgres.Store{f.s}, calls: 1, atOnce: 1}
	for left := b.N; left > 0; left -= 1000 {
		tr.parents(b, min(left, 1000))
	}
	f.checkpoint(b)
	wal := f.wal(b)
	work := make(chan store.Claimed, 64)
	var ended atomic.Int64
	over := make(chan struct{})
	var cursor int64
	commits.Store(0)
	busy.Store(0)
	b.ResetTimer()
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for c := range work {
				end, err := tr.step(b.Context(), f.s, &c)
				if err != nil {
					b.Error(err)
				}
				if _, _, err := f.s.Settle(b.Context(), []store.Transition{end}); err != nil {
					b.Error(err)
				}
				if c.Root.IsZero() && end.Decision.To.Final() && ended.Add(1) == int64(b.N) {
					close(over)
				}
			}
		})
	}
	for running := true; running; {
		select {
		case <-over:
			running = false
		default:
			batch := f.claim(b, cursor, 64)
			for _, c := range batch.Tasks {
				cursor = c.Position
				work <- c
			}
			if len(batch.Tasks) == 0 {
				cursor = 0
				time.Sleep(200 * time.Microsecond)
			}
		}
	}
	close(work)
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/float64(commits.Load()), "functions/commit")
	b.ReportMetric(float64(busy.Load())/float64(commits.Load())/1e6, "ms/commit")
	f.report(b, wal)
}

// BenchmarkCheckpoints has 64 running functions append 200 bytes at a time.
func BenchmarkCheckpoints(b *testing.B) {
	f := newFixture(b, testkit.Postgres(b), postgres.Options{})
	tr := &troupe{fixture: f}
	tr.parents(b, 64)
	batch := f.claim(b, 0, 64)
	f.checkpoint(b)
	wal := f.wal(b)
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	var wg sync.WaitGroup
	for _, c := range batch.Tasks {
		wg.Go(func() {
			for at := int64(0); left.Add(-1) >= 0; at += 200 {
				errs, err := f.s.Append(b.Context(), []store.Checkpoint{{ID: c.ID, Token: c.Token, Segment: task.Segment{Offset: at, Bytes: payload}}})
				if err == nil {
					err = errs[0]
				}
				if err != nil {
					b.Error(fmt.Errorf("append: %w", err))
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	f.report(b, wal)
}
