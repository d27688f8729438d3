package move_test

import (
	"context"
	"database/sql"
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/move"
	"github.com/sendoff-dev/sendoff/store/postgres"
	"github.com/sendoff-dev/sendoff/store/sqlite"
	"github.com/sendoff-dev/sendoff/store/storetest"
	"github.com/sendoff-dev/sendoff/task"
)

// floors open databases of either kind.
var floors = map[string]struct {
	fresh func(t *testing.T) string // nothing is there
	open  func(t *testing.T, dsn string, clock func() int64) store.Store
}{
	"sqlite": {
		func(t *testing.T) string { return filepath.Join(t.TempDir(), "a.db") },
		func(t *testing.T, dsn string, clock func() int64) store.Store {
			s, err := sqlite.Open(t.Context(), dsn, sqlite.Options{Clock: clock})
			require.NoError(t, err)
			return s
		},
	},
	"postgres": {
		func(t *testing.T) string { return testkit.Postgres(t) },
		func(t *testing.T, dsn string, clock func() int64) store.Store {
			s, err := postgres.Open(t.Context(), dsn, postgres.Options{Clock: clock})
			require.NoError(t, err)
			return s
		},
	},
}

func TestEverythingIsCarriedOverAndBack(t *testing.T) {
	light, heavy := floors["sqlite"], floors["postgres"]
	file, server := light.fresh(t), heavy.fresh(t)
	clock, snap := filled(t, light.open, file)
	now := func() int64 { return clock }

	db, err := sql.Open("sqlite", file)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), `create table _litestream_seq (id integer primary key, seq integer)`)
	require.NoError(t, err)
	require.NoError(t, db.Close())

	heard := 0
	done, err := move.Copy(t.Context(), file, server, func(move.Table) { heard++ })
	require.NoError(t, err)
	require.Equal(t, len(snap.Tasks), int(done.Tasks))
	require.Len(t, done.Tables, heard)
	rows := map[string]int64{}
	for _, table := range done.Tables {
		rows[table.Name] = table.Rows
	}
	for _, table := range []string{"task", "queue", "lane", "ready", "timer", "claim", "attempt", "body", "key", "dead", "wait", "inbox", "journal", "dep", "need", "gate", "line", "schedule", "fire", "action", "audit", "api_key", "namespace"} {
		assert.Positive(t, rows[table], "%s: %v", table, rows)
	}
	s := heavy.open(t, server, now)
	same(t, snap, s)
	runsOn(t, s, snap)
	snap, err = s.Snapshot(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.Close())

	_, err = move.Copy(t.Context(), file, server, nil)
	require.ErrorIs(t, err, store.ErrInUse, "a node has a lease there")
	release(t, server)
	_, err = move.Copy(t.Context(), file, server, nil)
	require.ErrorIs(t, err, move.ErrNotEmpty)

	back := light.fresh(t)
	_, err = move.Copy(t.Context(), server, back, nil)
	require.NoError(t, err)
	s = light.open(t, back, now)
	same(t, snap, s)
	_, err = move.Copy(t.Context(), back, server, nil)
	require.ErrorIs(t, err, store.ErrInUse, "a server has it open")
	require.NoError(t, s.Close())
	_, err = move.Copy(t.Context(), server, back, nil)
	require.ErrorIs(t, err, sqlite.ErrExists)
	_, err = move.Copy(t.Context(), file, back, nil)
	require.ErrorIs(t, err, move.ErrSameFloor)
	_, err = move.Copy(t.Context(), file+".none", server, nil)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// filled is a database with a bit of everything that no server has open.
func filled(t *testing.T, open func(*testing.T, string, func() int64) store.Store, dsn string) (int64, store.Snapshot) {
	t.Helper()
	var s store.Store
	clock := storetest.Fill(t, func(clock func() int64) store.Store {
		s = open(t, dsn, clock)
		return s
	})
	ctx, _ := store.WithAudit(context.Background(), store.AuditRow{Action: "test", Target: "x"})
	queues, err := s.Queues(ctx)
	require.NoError(t, err)
	_, err = s.SetPaused(ctx, queues[0].ID, true) // on record
	require.NoError(t, err)
	snap, err := s.Snapshot(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.Close())
	release(t, dsn)
	return clock, snap
}

// release ends the leases of nodes, which tests leave behind.
func release(t *testing.T, dsn string) {
	t.Helper()
	if filepath.IsAbs(dsn) {
		return
	}
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), `update sendoff.node set lease_until = 1`)
	require.NoError(t, err)
}

// same compares what a store holds with what another held that it was copied from.
func same(t *testing.T, want store.Snapshot, s store.Store) {
	t.Helper()
	got, err := s.Snapshot(t.Context())
	require.NoError(t, err)
	for i := range got.Tasks {
		row := &got.Tasks[i]
		if row.State == task.Succeeded {
			for j := range got.Attempts[row.ID] {
				if a := &got.Attempts[row.ID][j]; a.Token == row.Token {
					a.Token -= store.TokensLater
				}
			}
		}
		row.Token -= store.TokensLater
	}
	require.Empty(t, cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(store.Snapshot{}, "Nodes")))
}

// runsOn has a node take back what was being carried out, and shows that no attempt of before settles anything.
func runsOn(t *testing.T, s store.Store, before store.Snapshot) {
	t.Helper()
	node := store.Node{ID: task.ID(uuid.Must(uuid.NewV7())), Name: "n", Version: 1}
	require.NoError(t, s.Register(t.Context(), node, time.Minute.Microseconds()))
	var running []store.Row
	for _, row := range before.Tasks {
		if row.State == task.Running {
			running = append(running, row)
			errs, _, err := s.Settle(t.Context(), []store.Transition{{ID: row.ID, Token: row.Token, Outcome: task.Success, Decision: task.Decision{To: task.Succeeded}}})
			require.NoError(t, err)
			require.ErrorIs(t, errs[0], store.ErrLeaseLost, "an attempt of before")
		}
	}
	require.NotEmpty(t, running)
	for {
		r, err := s.Rescue(t.Context(), node.ID, nil, 100)
		require.NoError(t, err)
		if r.Claims == 0 {
			break
		}
	}
	snap, err := s.Snapshot(t.Context())
	require.NoError(t, err)
	require.Empty(t, snap.Claims)
	for _, row := range snap.Tasks {
		require.Greater(t, row.Token, int64(store.TokensLater)-1)
	}
}
