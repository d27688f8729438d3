package postgres_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/postgres"
	"github.com/sendoff-dev/sendoff/task"
)

// beat renews the lease, and has to before it would have run out.
func (f *fixture) beat(t *testing.T) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
	defer cancel()
	_, err := f.s.Heartbeat(ctx, f.node, time.Hour.Microseconds(), false)
	return err
}

// TestNothingStandsBetweenANodeAndItsHeartbeat: a lock on the tasks makes more
// calls of every sort wait than there are connections, and the lease is renewed
// all the same. Behind a pooler whose connections are all taken, the direct URL
// is the way.
func TestNothingStandsBetweenANodeAndItsHeartbeat(t *testing.T) {
	t.Parallel()
	for name, pooled := range map[string]bool{"direct": false, "behind a pooler": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			direct := testkit.Postgres(t)
			f := newFixture(t, direct, postgres.Options{})
			if pooled {
				f = newFixture(t, testkit.PgBouncer(t, direct), postgres.Options{ListenDSN: direct})
			}
			f.fill(t, 10)
			held := store.Held{ID: f.claim(t, 0, 1).Tasks[0].ID, Token: 1}

			conn, err := pgx.Connect(t.Context(), direct)
			require.NoError(t, err)
			_, err = conn.Exec(t.Context(), "begin; lock table sendoff.task in access exclusive mode")
			require.NoError(t, err)
			var waiting sync.WaitGroup
			for range 20 {
				waiting.Go(func() { _, _, _ = f.s.Insert(t.Context(), f.tasks(1), false) })
				waiting.Go(func() { _, _, _ = f.s.Insert(t.Context(), f.tasks(600), false) })
				waiting.Go(func() { _, _ = f.s.Cancel(t.Context(), newID(), store.Alone) })
				waiting.Go(func() { _, _ = f.s.Rows(t.Context(), []task.ID{held.ID}) })
				waiting.Go(func() { _, _ = f.s.Lost(t.Context(), []store.Held{held}) })
				waiting.Go(func() { _, _ = f.s.Rescue(t.Context(), f.node, nil, 10) })
				waiting.Go(func() {
					_, _ = f.s.Claim(t.Context(), store.ClaimRequest{ID: newID(), Node: f.node, Limit: 1,
						Slots: []store.ClaimSlot{{Lane: f.lane, Priority: task.DefaultPriority, Limit: 1}}})
				})
			}
			require.Eventually(t, func() bool {
				var n int
				require.NoError(t, conn.QueryRow(t.Context(),
					"select count(*) from pg_locks where relation = 'sendoff.task'::regclass and not granted").Scan(&n))
				return n >= 8
			}, 20*time.Second, 10*time.Millisecond, "every connection of a pool waits")
			for range 3 {
				require.NoError(t, f.beat(t), "the lease is renewed while the tasks are locked")
			}
			require.NoError(t, conn.Close(t.Context()))
			waiting.Wait()
		})
	}
}

// TestADeadConnectionCostsNoLease has the connections hang that were open, as
// after the loss of a machine or of its address, when nobody says goodbye: the
// renewal that is sent over one of them gets no answer, and the next goes beside
// it.
func TestADeadConnectionCostsNoLease(t *testing.T) {
	t.Parallel()
	p := newProxy(t, testkit.Postgres(t))
	f := newFixture(t, p.url, postgres.Options{})
	require.NoError(t, f.beat(t))
	p.silence()
	ctx, cancel := context.WithCancel(t.Context())
	var hanging sync.WaitGroup
	hanging.Go(func() { _, _ = f.s.Heartbeat(ctx, f.node, time.Hour.Microseconds(), false) })
	require.Eventually(t, p.swallowed, 10*time.Second, time.Millisecond)
	require.NoError(t, f.beat(t), "over a new connection")
	p.hangUp()
	cancel()
	hanging.Wait()
}

// TestAListenerNoticesThatItsOtherEndIsGone although nobody said goodbye: it
// looks at its connection when nothing is heard, and makes a new one.
func TestAListenerNoticesThatItsOtherEndIsGone(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for what a listener waits")
	}
	t.Parallel()
	direct := testkit.Postgres(t)
	p := newProxy(t, direct)
	f := newFixture(t, p.url, postgres.Options{Logger: slog.New(slog.DiscardHandler)})
	other := newFixture(t, direct, postgres.Options{})
	ctx, stop := context.WithCancel(t.Context())
	heard := make(chan store.Hint, 10_000)
	var listening sync.WaitGroup
	listening.Go(func() { _ = f.s.Listen(ctx, func(h store.Hint) { heard <- h }) })
	hears := func() bool {
		require.NoError(t, other.s.Notify(t.Context(), store.Hint{Changed: store.ChangedCatalog}))
		return len(heard) > 0
	}
	require.Eventually(t, hears, 20*time.Second, 20*time.Millisecond)
	p.silence()
	for len(heard) > 0 {
		<-heard
	}
	require.Eventually(t, hears, 40*time.Second, 100*time.Millisecond, "hints are heard over a new connection")
	p.hangUp()
	stop()
	listening.Wait()
}
