package postgres_test

import (
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/postgres"
)

// TestThePlanOfAMigrationIsTheMigration: psql with the plan makes the tables that Migrate makes,
// from nothing and from an older version.
func TestThePlanOfAMigrationIsTheMigration(t *testing.T) {
	t.Parallel()
	migrated := testkit.EmptyPostgres(t)
	plan, err := postgres.Plan(t.Context(), migrated)
	require.NoError(t, err)
	require.Zero(t, plan.Have)
	require.Contains(t, plan.SQL, "create schema sendoff;")
	again, err := postgres.Plan(t.Context(), migrated)
	require.NoError(t, err)
	require.Equal(t, plan, again, "a plan changes nothing")
	require.NoError(t, postgres.Migrate(t.Context(), migrated, nil))
	nothing, err := postgres.Plan(t.Context(), migrated)
	require.NoError(t, err)
	require.Equal(t, postgres.Planned{Have: plan.Want, Want: plan.Want}, nothing)
	want := tables(t, migrated)
	require.Greater(t, strings.Count(want, "\n"), 100)

	fresh := testkit.EmptyPostgres(t)
	psql(t, fresh, plan.SQL)
	require.Equal(t, want, tables(t, fresh))
	newFixture(t, fresh, postgres.Options{}) // opens it

	older := testkit.EmptyPostgres(t)
	migrateTo(t, older, 9)
	plan, err = postgres.Plan(t.Context(), older)
	require.NoError(t, err)
	require.EqualValues(t, 9, plan.Have)
	require.NotContains(t, plan.SQL, "create schema")
	require.NotContains(t, plan.SQL, "00009_")
	psql(t, older, plan.SQL)
	require.Equal(t, want, tables(t, older))

	exec(t, older, "insert into sendoff.migration (version_id, is_applied) values (4711, true)")
	_, err = postgres.Plan(t.Context(), older)
	require.ErrorIs(t, err, postgres.ErrSchema)
}

// migrateTo brings a database to an older version.
func migrateTo(t *testing.T, dsn string, version int64) {
	t.Helper()
	exec(t, dsn, "create schema sendoff")
	config, err := pgx.ParseConfig(dsn)
	require.NoError(t, err)
	db := stdlib.OpenDB(*config)
	defer db.Close()
	p, err := goose.NewProvider(goose.DialectPostgres, db, postgres.Migrations(), goose.WithTableName("sendoff.migration"), goose.WithDisableGlobalRegistry(true))
	require.NoError(t, err)
	_, err = p.UpTo(t.Context(), version)
	require.NoError(t, err)
}

func psql(t *testing.T, dsn, script string) {
	t.Helper()
	bin := "psql"
	if dir := os.Getenv("PGBIN"); dir != "" {
		bin = filepath.Join(dir, "psql")
	}
	cmd := osexec.Command(bin, "--no-psqlrc", "--quiet", dsn)
	cmd.Stdin = strings.NewReader(script)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.NotContains(t, string(out), "ERROR")
}

// tables are the columns, indexes, constraints, functions and triggers of a database, and the versions noted.
func tables(t *testing.T, dsn string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	var all string
	require.NoError(t, conn.QueryRow(t.Context(), `
select string_agg(line, E'\n' order by line collate "C") from (
 select format('%s.%s %s %s %s', table_name, column_name, data_type, is_nullable, column_default) from information_schema.columns where table_schema = 'sendoff'
 union all select indexdef from pg_indexes where schemaname = 'sendoff'
 union all select format('%s %s', conname, pg_get_constraintdef(oid)) from pg_constraint where connamespace = 'sendoff'::regnamespace
 union all select pg_get_functiondef(oid) from pg_proc where pronamespace = 'sendoff'::regnamespace
 union all select pg_get_triggerdef(oid) from pg_trigger where tgrelid in (select oid from pg_class where relnamespace = 'sendoff'::regnamespace)
 union all select format('%s %s', relname, reloptions) from pg_class where relnamespace = 'sendoff'::regnamespace
 union all select format('version %s', version_id) from sendoff.migration) as x(line)`).Scan(&all))
	return all
}

// TestSchedulesOfNoNamespaceAreOfTheDefaultOne: what was kept under 0 is found again, unless
// its name is taken.
func TestSchedulesOfNoNamespaceAreOfTheDefaultOne(t *testing.T) {
	t.Parallel()
	dsn := testkit.EmptyPostgres(t)
	migrateTo(t, dsn, 12)
	exec(t, dsn, `
insert into sendoff.schedule (ns, name, rev, paused, spec, edited, next_at, last_due, last_fired, last_outcome, created_at, updated_at)
select s.ns, s.name, s.ns + 1, false, '{}', false, 0, 0, 0, 0, 1, 1 from (values (0, 'a'), (0, 'b'), (1, 'b'), (2, 'a')) as s(ns, name);
insert into sendoff.fire (ns, schedule, due, task, fired_at, outcome, reason)
select f.ns, f.name, f.due, '00000000-0000-0000-0000-000000000000', f.ns + 1, 1, '' from (values (0, 'a', 1), (0, 'b', 1), (1, 'b', 1), (2, 'a', 1)) as f(ns, name, due)`)
	require.NoError(t, postgres.Migrate(t.Context(), dsn, nil))
	f := newFixture(t, dsn, postgres.Options{})
	for name, rev := range map[string]int64{"a": 1, "b": 2} {
		s, err := f.s.Schedule(t.Context(), 1, name)
		require.NoError(t, err)
		require.Equal(t, rev, s.Rev)
		fires, err := f.s.Fires(t.Context(), 1, name, store.Fire{}, 10)
		require.NoError(t, err)
		require.Len(t, fires, 1)
		require.Equal(t, rev, fires[0].FiredAt)
	}
	none, err := f.s.ListSchedules(t.Context(), 0, "", 10)
	require.NoError(t, err)
	require.Empty(t, none)
}
