package postgres_test

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/postgres"
)

var discard = postgres.Options{Logger: slog.New(slog.DiscardHandler)}

// TestStatementsHaveNamesOnDirectConnections, and nowhere else, nor where the URL forbids it.
func TestStatementsHaveNamesOnDirectConnections(t *testing.T) {
	t.Parallel()
	direct := testkit.Postgres(t)
	for name, c := range map[string]struct {
		dsn   string
		named bool
	}{
		"direct":   {direct, true},
		"pooled":   {testkit.PgBouncer(t, direct), false},
		"told not": {direct + "&default_query_exec_mode=exec", false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, c.dsn, postgres.Options{ListenDSN: c.dsn})
			for range 4 {
				everything(t, f)
			}
			require.Equal(t, c.named, f.s.Named(t.Context()) > 5)
		})
	}
}

// TestNamesMayGetLost: the server knows others than the connection thinks, as when it is
// another server each time.
func TestNamesMayGetLost(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{"forgotten": "deallocate all", "taken": "prepare sendoff_0 as select 1; prepare sendoff_1 as select 1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, testkit.Postgres(t), discard)
			if name == "forgotten" {
				for range 4 {
					everything(t, f)
				}
				require.Positive(t, f.s.Named(t.Context()))
			}
			require.NoError(t, f.s.OnIdle(t.Context(), sql))
			for range 4 {
				everything(t, f)
			}
			require.Zero(t, f.s.Named(t.Context()), "names are not tried again")
		})
	}
}

// TestAColumnMayChangeItsType while statements that read it have names.
func TestAColumnMayChangeItsType(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testkit.Postgres(t), discard)
	list := func() {
		t.Helper()
		for range 3 {
			_, err := f.s.ListAudit(t.Context(), store.AuditQuery{Limit: 10})
			require.NoError(t, err)
			everything(t, f)
		}
		require.Positive(t, f.s.Named(t.Context()))
	}
	list()
	exec(t, f.dsn, "alter table sendoff.audit alter column name type varchar")
	list()
	exec(t, f.dsn, "alter table sendoff.task add column another int8 default 7; analyze sendoff.task; create index on sendoff.task (another)")
	list()
}
