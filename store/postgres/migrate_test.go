package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store/postgres"
)

// TestMigratesUnderAnyDefaults of the role or the database.
func TestMigratesUnderAnyDefaults(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	t.Parallel()
	dsn := testkit.EmptyPostgres(t)
	exec(t, dsn, "create schema decoy; create table decoy.task (id int); create table decoy.migration (id int)")
	for _, s := range known(t, dsn) {
		setDefaults(t, dsn, s)
		for range 2 { // the second has nothing to do
			require.NoError(t, postgres.Migrate(t.Context(), dsn, nil), s)
		}
		exec(t, dsn, "drop schema sendoff cascade")
	}
}

// TestASchemaMadeByTheAdministrator: a role that may make no schema migrates into
// the one it was given, and is told what to ask for where there is none.
func TestASchemaMadeByTheAdministrator(t *testing.T) {
	t.Parallel()
	dsn := testkit.EmptyPostgres(t)
	role := fmt.Sprintf("app_%d", rand.Uint32())
	exec(t, dsn, "create role "+role+" login")
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		conn, err := pgx.Connect(ctx, dsn)
		require.NoError(t, err)
		defer func() { _ = conn.Close(ctx) }()
		_, err = conn.Exec(ctx, "drop owned by "+role+" cascade; drop role "+role, pgx.QueryExecModeSimpleProtocol)
		require.NoError(t, err)
	})
	app := strings.Replace(dsn, "postgres://postgres@", "postgres://"+role+"@", 1)
	require.NotEqual(t, dsn, app)

	err := postgres.Migrate(t.Context(), app, nil)
	require.ErrorContains(t, err, "create schema sendoff authorization")
	exec(t, dsn, "create schema sendoff")
	err = postgres.Migrate(t.Context(), app, nil)
	require.ErrorContains(t, err, "grant usage, create on schema sendoff")
	exec(t, dsn, "grant usage, create on schema sendoff to "+role)
	require.NoError(t, postgres.Migrate(t.Context(), app, nil))
	f := newFixture(t, app, postgres.Options{})
	everything(t, f)
	hears(t, f)
}

// TestADatabaseOfAnotherEncodingIsRefused, because it cannot keep every name and
// every error.
func TestADatabaseOfAnotherEncodingIsRefused(t *testing.T) {
	t.Parallel()
	base := testkit.EmptyPostgres(t)
	name := fmt.Sprintf("latin_%d", rand.Uint32())
	exec(t, base, "create database "+name+" encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0")
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		conn, err := pgx.Connect(ctx, base)
		require.NoError(t, err)
		defer func() { _ = conn.Close(ctx) }()
		_, err = conn.Exec(ctx, "drop database "+name)
		require.NoError(t, err)
	})
	u := base[:strings.LastIndex(base, "/")+1] + name + "?" + strings.SplitN(base, "?", 2)[1]
	require.ErrorContains(t, postgres.Migrate(t.Context(), u, nil), "encoding 'UTF8'")
}
