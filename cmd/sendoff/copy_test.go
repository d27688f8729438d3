package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/signing"
	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// TestCopyCarriesAFileToAServerAndBack by the commands that the docs show.
func TestCopyCarriesAFileToAServerAndBack(t *testing.T) {
	dsn, file := testkit.EmptyPostgres(t), filepath.Join(t.TempDir(), "sendoff.db")
	s, err := sqlite.Open(t.Context(), file, sqlite.Options{})
	require.NoError(t, err)
	code, _, errs := sendoffCmd(t, "copy", "--from", file, "--to", dsn)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "stop the servers on both")
	_, err = signing.Open(t.Context(), signing.Config{Store: s, SecretFile: file + ".secret"})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	code, _, errs = sendoffCmd(t, "copy", "--from", file, "--to", dsn)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "run sendoff migrate")

	code, out, _ := sendoffCmd(t, "migrate", "--db", dsn, "--plan")
	require.Equal(t, 0, code)
	require.Contains(t, out, "create table sendoff.task (")
	code, _, _ = sendoffCmd(t, "migrate", "--db", dsn)
	require.Equal(t, 0, code)
	code, out, _ = sendoffCmd(t, "migrate", "--db", dsn, "--plan")
	require.Equal(t, 0, code)
	require.Contains(t, out, "nothing to do")

	code, out, errs = sendoffCmd(t, "copy", "--from", file, "--to", dsn, "--json")
	require.Equal(t, 0, code, errs)
	require.Regexp(t, `"tasks":0,"running":0,"tables":\[\{"table":"action","rows":0,"sum":"0{64}"\}`, out)
	code, out, errs = sendoffCmd(t, "copy", "--from", dsn, "--to", file+".2")
	require.Equal(t, 0, code, errs)
	require.Contains(t, out, "0 tasks of postgres://")
	require.Contains(t, out, "Its signing keys are sealed: copy the secret file")
	_, keys, _ := sendoffCmd(t, "keys", "--db", file, "--json")
	require.Contains(t, keys, `"kid"`)
	for _, copied := range []string{dsn, file + ".2"} {
		_, out, _ := sendoffCmd(t, "keys", "--db", copied, "--json")
		require.Equal(t, keys, out, "they are carried over as they are")
		code, out, errs = sendoffCmd(t, "keys", "webhook", "--db", copied, "--secret-file", file+".secret")
		require.Equal(t, 0, code, errs)
		require.Contains(t, out, "whsec_")
	}
	code, _, errs = sendoffCmd(t, "copy", "--from", dsn, "--to", file)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "a file that is not there")
	code, _, errs = sendoffCmd(t, "copy", "--from", file, "--to", file+".3")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "sendoff backup")
}
