package engine_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/postgres"
	"github.com/sendoff-dev/sendoff/store/sqlite"
	"github.com/sendoff-dev/sendoff/task"
)

// TestWhatTheOldestNodeDoesNotKnowIsRefused: any node may have to settle any task.
func TestWhatTheOldestNodeDoesNotKnowIsRefused(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) (store.Store, error){
		"sqlite": func(t *testing.T) (store.Store, error) {
			return sqlite.Open(t.Context(), t.TempDir()+"/n.db", sqlite.Options{})
		},
		"postgres": func(t *testing.T) (store.Store, error) {
			return postgres.Open(t.Context(), testkit.Postgres(t), postgres.Options{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			db, err := open(t)
			require.NoError(t, err)
			e, err := engine.New(db, engine.Config{Name: "new", Grace: time.Second})
			require.NoError(t, err)
			e.HandleFunc("h", func(context.Context, *engine.Call) error { return nil })
			runUntilTheEnd(t, e, db)
			submit := func() error {
				_, err := e.Submit(t.Context(), engine.Task{Handler: "h"})
				return err
			}
			require.NoError(t, submit())
			old := task.ID{9}
			require.NoError(t, db.Register(t.Context(), store.Node{ID: old, Name: "old", Version: 0}, time.Hour.Microseconds()))
			require.Eventually(t, func() bool { return submit() != nil }, 20*time.Second, 20*time.Millisecond, "an older node is alive, and tasks that it does not know are accepted")
			require.ErrorIs(t, submit(), store.ErrOldNode)
			answer := httptest.NewRecorder()
			create := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/tasks", strings.NewReader(`{"handler":"h"}`))
			create.Header.Set("Content-Type", "application/json")
			e.Handler(engine.HandlerConfig{}).ServeHTTP(answer, create)
			require.Equal(t, http.StatusConflict, answer.Code, answer.Body.String())
			require.Contains(t, answer.Body.String(), "upgrade all nodes")
			require.NoError(t, db.Leave(t.Context(), old))
			require.Eventually(t, func() bool { return submit() == nil }, 20*time.Second, 20*time.Millisecond, "the older node is gone, and tasks are refused for it")

			nodes, err := db.Nodes(t.Context())
			require.NoError(t, err)
			require.Len(t, nodes, 1)
			require.Equal(t, []string{task.AnyPool, task.FunctionPool, task.LocalPool("h")}, strings.Split(nodes[0].Pools, "\n"))
		})
	}
}

func runUntilTheEnd(t *testing.T, e *engine.Engine, db store.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-over)
		require.NoError(t, db.Close())
	})
	for e.Ready(ctx) != nil {
		time.Sleep(5 * time.Millisecond)
	}
}
