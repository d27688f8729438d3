package docs_test

import (
	"context"
	"database/sql"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store/postgres"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// The examples that change data are run, not only compiled.

func TestAChargeIsMadeOnceAndAnOvertakenAttemptIsRefused(t *testing.T) {
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "app.db"))
	require.NoError(t, err)
	defer db.Close()
	_, err = db.ExecContext(t.Context(), `create table done (task_id text primary key); create table account (id integer primary key, balance integer);
		create table fence (task_id text primary key, token integer); insert into account values (7, 100)`)
	require.NoError(t, err)
	for range 3 {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/charge", nil)
		r.Header.Set("Idempotency-Key", "order-42")
		answer := httptest.NewRecorder()
		once(db)(answer, r)
		require.Equal(t, 200, answer.Code)
	}
	var balance int
	require.NoError(t, db.QueryRowContext(t.Context(), `select balance from account`).Scan(&balance))
	require.Equal(t, 90, balance)

	for _, step := range []struct {
		token string
		want  bool
	}{{"3", true}, {"2", false}, {"3", false}, {"4", true}} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		r.Header.Set("Sendoff-Task-Id", "order-42")
		r.Header.Set("Sendoff-Token", step.token)
		got, err := fence(t.Context(), db, r)
		require.NoError(t, err)
		require.Equal(t, step.want, got, step.token)
	}
}

func TestATaskIsSubmittedInTheTurnOfTheWriter(t *testing.T) {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "app.db"), sqlite.Options{})
	require.NoError(t, err)
	defer db.Close()
	err = db.Tx(t.Context(), func(turn *sqlite.Turn) error {
		_, err := turn.ExecContext(t.Context(), `create table customer (email text)`)
		return err
	})
	require.NoError(t, err)
	e, err := engine.New(db, engine.Config{})
	require.NoError(t, err)
	got := make(chan string, 1)
	engine.Handle(e, "welcome", func(_ context.Context, w Welcome) error {
		got <- w.Email
		return nil
	})
	ctx, stop := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- e.Run(ctx) }()
	require.NoError(t, submitTurn(t.Context(), e, db))
	select {
	case email := <-got:
		require.Equal(t, "ada@example.com", email)
	case <-time.After(10 * time.Second):
		t.Fatal("the task was not run")
	}
	stop()
	require.NoError(t, <-over)
}

// startedEngine runs an engine over a new SQLite file until the test ends.
func startedEngine(t *testing.T) *engine.Engine {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "app.db"), sqlite.Options{})
	require.NoError(t, err)
	e, err := engine.New(db, engine.Config{})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- e.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-over)
		require.NoError(t, db.Close())
	})
	return e
}

func TestATaskIsSubmittedInTheCallersTransaction(t *testing.T) {
	if testing.Short() {
		t.Skip("needs PostgreSQL")
	}
	dsn := testkit.Postgres(t)
	pool, err := pgxpool.New(t.Context(), dsn)
	require.NoError(t, err)
	defer pool.Close()
	_, err = pool.Exec(t.Context(), `create table orders (id int primary key)`)
	require.NoError(t, err)
	db, err := postgres.Open(t.Context(), dsn, postgres.Options{})
	require.NoError(t, err)
	defer db.Close()
	e, err := engine.New(db, engine.Config{AllowLoopback: true})
	require.NoError(t, err)
	require.NoError(t, submitTx(t.Context(), e, db, pool))
	require.Error(t, submitTx(t.Context(), e, db, pool), "the order is there already")
	var tasks int
	require.NoError(t, pool.QueryRow(t.Context(), `select count(*) from sendoff.task`).Scan(&tasks))
	require.Equal(t, 1, tasks, "the second task was rolled back with its order")
}
