package sqlite

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTheLookAtTheStartIsBounded: a file too large to be looked over in time is
// opened all the same.
func TestTheLookAtTheStartIsBounded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "large.db")
	require.NoError(t, makePrivate(file))
	db, err := sql.Open("sqlite", dsn(file, ""))
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec(`create table t (a primary key, b); with recursive n(i) as (select 1 union all select i + 1 from n limit 50000)
		insert into t select i, randomblob(200) from n; pragma wal_checkpoint(truncate)`)
	require.NoError(t, err)
	require.NoError(t, lookOver(t.Context(), db, time.Minute))
	require.NoError(t, lookOver(t.Context(), db, time.Millisecond), "out of time")
	require.NoError(t, os.Truncate(file, 4096*10))
	require.Error(t, lookOver(t.Context(), db, time.Minute), "the look finds damage when it has the time")
}
