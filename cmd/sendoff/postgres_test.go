package main

import (
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/host"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/internal/testkit"
)

func TestAPostgreSQLDatabaseIsMigratedFirst(t *testing.T) {
	dsn := testkit.EmptyPostgres(t)
	keys := filepath.Join(t.TempDir(), "keys")
	code, _, errs := sendoffCmd(t, "serve", "--listen", "127.0.0.1:0", "--db", dsn, "--keys-file", keys)
	require.Equal(t, term.ExitError, code)
	require.Contains(t, errs, "sendoff migrate")

	code, out, errs := sendoffCmd(t, "migrate", "--db", dsn, "--json")
	require.Zero(t, code, errs)
	require.Regexp(t, `^\{"migrated":true,"version":[1-9]`, out)
	code, out, errs = sendoffCmd(t, "migrate", "--db", dsn)
	require.Zero(t, code, errs)
	require.Contains(t, out, "nothing to do")
	if u, err := url.Parse(dsn); err == nil && u.User != nil {
		if secret, ok := u.User.Password(); ok && secret != "" {
			require.NotContains(t, out, secret)
		}
	}

	s := host.Defaults()
	s.Listen.Addr, s.DB.DSN, s.DB.Migrate, s.Outbound.KeysFile = "127.0.0.1:0", dsn, true, keys
	v, err := host.Open(t.Context(), &s, "test", s.Log.Logger(os.Stderr))
	require.NoError(t, err)
	v.Close()
}

func TestTheDemoRunsOverPostgreSQL(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	code, out, errs := sendoffCmd(t, "demo", "--once", "--db", testkit.Postgres(t))
	require.Zero(t, code, errs)
	require.Contains(t, out, "succeeded, 3 attempts")
}

func TestFunctionsRunOverPostgreSQL(t *testing.T) {
	code, out, errs := sendoffCmd(t, "run", "--db", testkit.Postgres(t), "--keys-file", filepath.Join(t.TempDir(), "keys"), "--", "pipeline")
	require.Zero(t, code, errs)
	require.Contains(t, out, "22 calls, 22 succeeded")
}
