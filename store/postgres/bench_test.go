package postgres_test

import (
	"crypto/rand"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/postgres"
	"github.com/sendoff-dev/sendoff/task"
)

// BenchmarkClaimSettle works through b.N tasks with a payload of 200 bytes,
// claimed and settled 500 at a time.
func BenchmarkClaimSettle(b *testing.B) {
	f := newFixture(b, testkit.Postgres(b), postgres.Options{})
	f.checkpoint(b) // before the pages are new: images of whole pages are another matter
	f.fill(b, b.N)
	wal := f.wal(b)
	b.ResetTimer()
	f.workOff(b, b.N, 3, 500, nil)
	b.StopTimer()
	f.report(b, wal)
}

// BenchmarkInsert stores b.N tasks, 1000 in a call, from two callers.
func BenchmarkInsert(b *testing.B) {
	f := newFixture(b, testkit.Postgres(b), postgres.Options{})
	f.checkpoint(b)
	wal := f.wal(b)
	b.ResetTimer()
	f.fill(b, b.N)
	b.StopTimer()
	f.report(b, wal)
}

// BenchmarkSubmit stores b.N tasks one by one, from 64 callers.
func BenchmarkSubmit(b *testing.B) {
	for name, keyed := range map[string]bool{"plain": false, "keyed": true} {
		b.Run(name, func(b *testing.B) {
			f := newFixture(b, testkit.Postgres(b), postgres.Options{})
			f.checkpoint(b)
			wal := f.wal(b)
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			var wg sync.WaitGroup
			for range 64 {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						t := f.tasks(1)
						if keyed {
							t[0].Keys = []store.Key{{Kind: store.IdempotencyKey, Namespace: 1, Hash: store.HashOf(t[0].ID[:]), TTL: 1e9}}
						}
						if _, _, err := f.s.Insert(b.Context(), t, false); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			f.report(b, wal)
		})
	}
}

// fixture is a store with one lane and one node that stays alive.
type fixture struct {
	s    *postgres.Store
	dsn  string
	lane int32
	node task.ID
}

func newFixture(t testing.TB, dsn string, options postgres.Options) *fixture {
	t.Helper()
	s, err := postgres.Open(t.Context(), dsn, options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	f := &fixture{s: s, dsn: dsn, node: newID()}
	lane, err := s.EnsureLane(t.Context(), store.DefaultNamespace, "q", task.AnyPool, 10)
	require.NoError(t, err)
	f.lane = lane.ID
	require.NoError(t, s.Register(t.Context(), store.Node{ID: f.node, Name: "n"}, time.Hour.Microseconds()))
	return f
}

func newID() task.ID {
	id := task.FloorID(time.Now())
	_, _ = rand.Read(id[6:])
	id[6], id[8] = id[6]&0x0f|0x70, id[8]&0x3f|0x80
	return id
}

var (
	payload = make([]byte, 200)
	spec    = (&task.Spec{Kind: task.HTTP, URL: "http://localhost:8000/hook", Name: "hello", ContentType: "application/json"}).Encode()
)

func (f *fixture) tasks(n int) []store.NewTask {
	out := make([]store.NewTask, n)
	for i := range out {
		out[i] = store.NewTask{
			ID: newID(), Lane: f.lane, Priority: task.DefaultPriority, Kind: task.HTTP, MaxAttempts: 25, Spec: spec, Payload: payload,
		}
	}
	return out
}

// fill stores n tasks.
func (f *fixture) fill(t testing.TB, n int) {
	t.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				rest := left.Add(-1000) + 1000
				if rest <= 0 {
					return
				}
				if _, _, err := f.s.Insert(t.Context(), f.tasks(int(min(rest, 1000))), false); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// workOff claims and settles n tasks with some workers; each sees how long a
// round took.
func (f *fixture) workOff(t testing.TB, n, workers, batch int, each func(time.Duration)) {
	t.Helper()
	var done atomic.Int64
	var cursor atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			var finished []task.ID
			for done.Load() < int64(n) {
				start := time.Now()
				req := store.ClaimRequest{
					ID: newID(), Node: f.node, Limit: batch, Done: finished,
					Slots: []store.ClaimSlot{{Lane: f.lane, Priority: task.DefaultPriority, Cursor: cursor.Load(), Limit: batch}},
				}
				got, err := f.s.Claim(t.Context(), req)
				if err != nil {
					t.Error(err)
					return
				}
				finished = nil
				if len(got.Tasks) == 0 {
					cursor.Store(0)
					continue
				}
				last := got.Tasks[len(got.Tasks)-1].Position
				for c := cursor.Load(); c < last && !cursor.CompareAndSwap(c, last); c = cursor.Load() {
				}
				if !f.settle(t, got.Tasks) {
					return
				}
				finished = []task.ID{req.ID}
				done.Add(int64(len(got.Tasks)))
				if each != nil {
					each(time.Since(start))
				}
			}
		})
	}
	wg.Wait()
}

func (f *fixture) settle(t testing.TB, tasks []store.Claimed) bool {
	t.Helper()
	ends := make([]store.Transition, len(tasks))
	for i, c := range tasks {
		ends[i] = store.Transition{ID: c.ID, Token: c.Token, Outcome: task.Success, Decision: task.Decision{To: task.Succeeded}, Code: 200}
	}
	errs, _, err := f.s.Settle(t.Context(), ends)
	for _, e := range errs {
		if err == nil {
			err = e
		}
	}
	if err != nil {
		t.Error(err)
	}
	return err == nil
}

func (f *fixture) one(t testing.TB, sql string, args ...any) (n int64) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), f.dsn)
	require.NoError(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	require.NoError(t, conn.QueryRow(t.Context(), sql, args...).Scan(&n))
	return n
}

func (f *fixture) wal(t testing.TB) int64 {
	return f.one(t, "select (pg_current_wal_lsn() - '0/0'::pg_lsn)::int8")
}

func (f *fixture) checkpoint(t testing.TB) { exec(t, f.dsn, "checkpoint") }

func (f *fixture) report(b *testing.B, wal int64) {
	b.Helper()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
	b.ReportMetric(float64(f.wal(b)-wal)/float64(b.N), "WAL-B/task")
}
