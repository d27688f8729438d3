package engine_test

import (
	"context"
	"errors"
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

// TestACrashLosesNoCancelOfCalls: the node that writes the end of a function is gone
// before it has canceled the calls that nobody waits for any more. The next one does it.
func TestACrashLosesNoCancelOfCalls(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		file := t.TempDir() + "/f.db"
		crashBeforeCancel(t, func() store.Store {
			db, err := sqlite.Open(t.Context(), file, sqlite.Options{})
			require.NoError(t, err)
			return db
		})
	})
	t.Run("postgres", func(t *testing.T) {
		dsn := testkit.Postgres(t)
		crashBeforeCancel(t, func() store.Store {
			db, err := postgres.Open(t.Context(), dsn, postgres.Options{})
			require.NoError(t, err)
			return db
		})
	})
}

func crashBeforeCancel(t *testing.T, open func() store.Store) {
	member := sendoff.Func("member", func(ctx context.Context, fails bool) (int, error) {
		if fails {
			return 0, sendoff.Permanent(errors.New("out of stock"))
		}
		return 1, sendoff.Sleep(ctx, time.Hour)
	})
	group := sendoff.Func("group", func(ctx context.Context, _ int) ([]int, error) {
		return member.Gather(ctx, []bool{false, true})
	})
	// Without the role schedule, a node leaves to others what is left to do.
	client, crash := life(t, open(), engine.Config{Roles: []engine.Role{engine.Accept, engine.Execute}}, member, group)
	id := submitFunction(t, client, "group", 0)
	untilState(t, client, id, "failed")
	require.Equal(t, []string{"suspended"}, openCalls(t, client, id), "the first node has nobody who cancels")
	crash()

	client, stop := life(t, open(), engine.Config{}, member, group)
	defer stop()
	require.Eventually(t, func() bool { return len(openCalls(t, client, id)) == 0 }, 20*time.Second, 20*time.Millisecond)
}

// openCalls are the states of the calls of a function that have not ended.
func openCalls(t *testing.T, client *sendoff.Client, id string) (states []string) {
	tree, err := client.Tasks.Tree(t.Context(), id)
	require.NoError(t, err)
	for _, call := range tree {
		if !call.Final() {
			states = append(states, string(call.State))
		}
	}
	return states
}

// life runs an engine over a store until it is ended.
func life(t *testing.T, db store.Store, cfg engine.Config, funcs ...sendoff.AnyFunction) (client *sendoff.Client, end func()) {
	e, err := engine.New(db, cfg)
	require.NoError(t, err)
	endpoint, err := sendoff.NewEndpoint(sendoff.EndpointConfig{Engine: e}, funcs...)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	return endpoint.Client(), func() {
		cancel()
		require.NoError(t, <-done)
		endpoint.Close()
		require.NoError(t, db.Close())
	}
}
