package postgres_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/postgres"
)

func TestATransactionTellsWithItsCommit(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testkit.Postgres(t), postgres.Options{})
	ctx, stop := context.WithCancel(t.Context())
	heard := make(chan store.Hint, 10_000)
	var wg sync.WaitGroup
	wg.Go(func() { _ = f.s.Listen(ctx, func(h store.Hint) { heard <- h }) })
	defer wg.Wait()
	defer stop()
	mark := func(position int64) []store.Woken { return []store.Woken{{Lane: 1, Position: position}} }
	// What was sent before a mark is heard before it.
	until := func(position int64) (lanes map[int32]bool) {
		lanes = map[int32]bool{}
		for {
			select {
			case h := <-heard:
				if len(h.Woken) == 1 && h.Woken[0].Position == position {
					return lanes
				}
				for _, w := range h.Woken {
					if w.Lane != 1 { // an earlier mark
						lanes[w.Lane] = true
					}
				}
			case <-time.After(10 * time.Second):
				t.Fatal("the mark was not heard")
			}
		}
	}
	require.Eventually(t, func() bool {
		require.NoError(t, f.s.Notify(ctx, store.Hint{Woken: mark(1)}))
		return len(heard) > 0
	}, 10*time.Second, 20*time.Millisecond, "it listens")

	many := make([]store.Woken, 1000) // more than one notification can carry
	for i := range many {
		many[i] = store.Woken{Lane: int32(i) + 10, Position: 1e15}
	}
	conn, err := pgx.Connect(ctx, f.dsn)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for i, tt := range []struct {
		end   func(pgx.Tx) error
		quiet bool
		want  int
	}{
		{end: func(tx pgx.Tx) error { return tx.Rollback(ctx) }},
		{end: func(tx pgx.Tx) error { return tx.Commit(ctx) }, quiet: true},
		{end: func(tx pgx.Tx) error { return tx.Commit(ctx) }, want: len(many)},
	} {
		tx, err := conn.Begin(ctx)
		require.NoError(t, err)
		in := f.s.In(tx)
		if tt.quiet {
			in = in.Quietly()
		}
		require.NoError(t, in.Tell(ctx, many, nil))
		require.NoError(t, f.s.Notify(ctx, store.Hint{Woken: mark(int64(10 + i))}))
		require.Empty(t, until(int64(10+i)), "before it has ended")
		require.NoError(t, tt.end(tx))
		require.NoError(t, f.s.Notify(ctx, store.Hint{Woken: mark(int64(20 + i))}))
		require.Len(t, until(int64(20+i)), tt.want)
	}
}
