package engine_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/postgres"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// gatedFamily is functions whose calls have gates, and what was seen of the calls.
func gatedFamily(seen *record) []sendoff.AnyFunction {
	run := seen.run(5 * time.Millisecond)
	work := sendoff.Func("work", func(ctx context.Context, name string) (string, error) { return name, run(ctx, name) })
	holds := sendoff.Func("holds", func(ctx context.Context, _ string) (string, error) {
		<-ctx.Done()
		return "", ctx.Err()
	})
	return []sendoff.AnyFunction{
		work, holds,
		sendoff.Func("limited", func(ctx context.Context, names []string) ([]string, error) {
			return work.Gather(ctx, names, sendoff.LimitedBy(sendoff.Limit{Key: "few", Concurrency: 3}))
		}),
		sendoff.Func("ordered", func(ctx context.Context, names []string) ([]string, error) {
			return work.Gather(ctx, names, sendoff.InOrder("line"))
		}),
		sendoff.Func("single", func(ctx context.Context, _ []string) ([]string, error) {
			first := holds.Start(ctx, "first", sendoff.Duplicates(sendoff.DuplicateDiscard, "one"))
			_, err := work.Await(ctx, "second", sendoff.Duplicates(sendoff.DuplicateDiscard, "one"))
			if err == nil {
				return []string{"both were made"}, nil
			}
			first.Cancel()
			return []string{err.Error()}, nil
		}),
		sendoff.Func("wrong", func(ctx context.Context, _ []string) ([]string, error) {
			_, err := work.Await(ctx, "never", sendoff.LimitedBy(sendoff.Limit{Key: "few", Rate: "often"}))
			return []string{err.Error()}, nil
		}),
		sendoff.Func("leaves", func(ctx context.Context, names []string) ([]string, error) {
			return holds.Gather(ctx, names, sendoff.LimitedBy(sendoff.Limit{Key: "left", Concurrency: 1}))
		}),
	}
}

// TestCallsOfFunctionsKeepToTheirGates as submitted tasks do.
func TestCallsOfFunctionsKeepToTheirGates(t *testing.T) {
	overBoth(t, func(t *testing.T, db store.Store) {
		seen := &record{}
		e, client := functionEngineOver(t, db, engine.Config{}, gatedFamily(seen)...)
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		defer cancel()
		call := func(name string, names []string) (result []string) {
			t.Helper()
			id := submitFunction(t, client, name, names)
			out, err := client.Wait(ctx, id)
			require.NoError(t, err)
			require.Equal(t, sendoff.StateSucceeded, out.State, out.LastError)
			require.NoError(t, json.Unmarshal(out.Result, &result))
			return result
		}
		names := make([]string, 60)
		for i := range names {
			names[i] = string(rune('0'+i/10)) + string(rune('0'+i%10))
		}
		require.Equal(t, names, call("limited", names))
		ran, _, most := seen.seen()
		require.Len(t, ran, len(names))
		require.Equal(t, 3, most, "as many as the limit lets in, and no more")

		*seen = record{}
		require.Equal(t, names[:20], call("ordered", names[:20]))
		ran, _, most = seen.seen()
		require.Equal(t, names[:20], ran, "one after the other, as they were called")
		require.Equal(t, 1, most)

		require.Contains(t, call("single", nil)[0], "duplicate")
		require.Contains(t, call("wrong", nil)[0], "limits[0].rate")

		id := submitFunction(t, client, "leaves", names[:5])
		require.Eventually(t, func() bool {
			l, err := client.Limits.Get(ctx, "left")
			return err == nil && l.Used == 1 && l.Waiting == 4
		}, 20*time.Second, 10*time.Millisecond)
		_, err := e.Tasks().Cancel(ctx, id)
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			_, err := client.Limits.Get(ctx, "left")
			return err != nil // nobody is there any more
		}, 20*time.Second, 10*time.Millisecond)
	})
}

// overBoth judges both databases.
func overBoth(t *testing.T, judge func(t *testing.T, db store.Store)) {
	t.Run("SQLite", func(t *testing.T) {
		db, err := sqlite.Open(t.Context(), t.TempDir()+"/f.db", sqlite.Options{})
		require.NoError(t, err)
		t.Cleanup(func() { _ = db.Close() })
		judge(t, db)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		db, err := postgres.Open(context.Background(), testkit.Postgres(t), postgres.Options{})
		require.NoError(t, err)
		t.Cleanup(func() { _ = db.Close() })
		judge(t, db)
	})
}
