package doctor_test

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/doctor"
	"github.com/sendoff-dev/sendoff/store/postgres"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// server is a PostgreSQL server of the test's own, with our tables.
func server(t *testing.T, settings ...string) (dsn string, db *sql.DB) {
	t.Helper()
	dsn = testkit.NewCluster(t, settings...).URL()
	require.NoError(t, postgres.Migrate(t.Context(), dsn, nil))
	return dsn, connected(t, dsn)
}

func run(t *testing.T, db *sql.DB, texts ...string) {
	t.Helper()
	for _, text := range texts {
		_, err := db.ExecContext(t.Context(), text)
		require.NoError(t, err, text)
	}
}

// broken requires that checks were fine and are not, and say what to do.
func broken(t *testing.T, before, after map[string]store.Check, want store.CheckStatus, names ...string) {
	t.Helper()
	for _, name := range names {
		assert.Contains(t, healthy, before[name].Status, "%s before: %s", name, before[name].Detail)
		assert.Equal(t, want, after[name].Status, "%s: %s", name, after[name].Detail)
		assert.NotEmpty(t, after[name].Fix, name)
	}
}

// TestAServerThatIsSetUpBadlyIsFound: settings of a server of the test's own.
func TestAServerThatIsSetUpBadlyIsFound(t *testing.T) {
	dsn, db := server(t)
	before := examined(t, dsn)
	run(t, db, `alter system set fsync = off`, `alter system set full_page_writes = off`, `alter system set autovacuum = off`,
		`alter system set synchronous_commit = off`, `select pg_reload_conf()`)
	require.Eventually(t, func() bool {
		var off string
		require.NoError(t, connected(t, dsn).QueryRowContext(t.Context(), `select current_setting('fsync') || current_setting('synchronous_commit')`).Scan(&off))
		return off == "offoff"
	}, patience, tick)
	after := examined(t, dsn)
	broken(t, before, after, doctor.Fail, "fsync", "full_page_writes", "autovacuum")
	broken(t, before, after, doctor.Warn, "synchronous-commit")

	run(t, db, `alter system set synchronous_standby_names = 'gone'`, `select pg_reload_conf()`)
	require.Eventually(t, func() bool { return examined(t, dsn)["standby"].Status == doctor.Fail }, patience, tick)
	require.Equal(t, doctor.Skip, before["standby"].Status)
}

// TestAServerThatIsFullIsFound: it has hardly a connection left.
func TestAServerThatIsFullIsFound(t *testing.T) {
	dsn, _ := server(t, "max_connections=15", "superuser_reserved_connections=3")
	before := examined(t, dsn)
	for i := range 10 {
		conn, err := connected(t, dsn).Conn(t.Context())
		require.NoError(t, err, i)
		t.Cleanup(func() { _ = conn.Close() })
	}
	broken(t, before, examined(t, dsn), doctor.Warn, "connections")
}

// TestADatabaseOfAnotherEncodingIsFound, which no migration would make.
func TestADatabaseOfAnotherEncodingIsFound(t *testing.T) {
	dsn, db := server(t)
	before := examined(t, dsn)
	run(t, db, `create database other encoding 'SQL_ASCII' locale 'C' template template0`)
	other := strings.Replace(dsn, "/postgres?", "/other?", 1)
	require.NotEqual(t, dsn, other)
	plan, err := postgres.Plan(t.Context(), other)
	require.NoError(t, err)
	script := strings.TrimPrefix(plan.SQL, `\set ON_ERROR_STOP on`)
	bare, err := sql.Open("pgx", other+"&default_query_exec_mode=simple_protocol&client_encoding=UTF8")
	require.NoError(t, err)
	defer bare.Close()
	run(t, bare, script)
	broken(t, before, examined(t, other), doctor.Fail, "server_encoding")
}

// TestWhatTakesLongToComeAboutIsFound: functions of the schema, which the doctor's statements find
// before those of the server, say that it is later, older, or another server.
func TestWhatTakesLongToComeAboutIsFound(t *testing.T) {
	dsn := testkit.Postgres(t)
	require.NoError(t, postgres.Migrate(t.Context(), dsn, nil))
	db := connected(t, dsn)
	open, err := connected(t, dsn).BeginTx(context.WithoutCancel(t.Context()), nil)
	require.NoError(t, err)
	defer func() { _ = open.Rollback() }()
	before := examined(t, dsn)
	run(t, db,
		`create function sendoff.clock_timestamp() returns timestamptz language sql as $$ select pg_catalog.clock_timestamp() + interval '11 minutes' $$`,
		`create function sendoff.age(xid) returns int language sql as $$ select 1500000000 $$`,
		`create function sendoff.current_setting(text) returns text language sql as $$
		 select case $1 when 'server_version_num' then '120022' else pg_catalog.current_setting($1) end $$`)
	after := examined(t, dsn)
	broken(t, before, after, doctor.Warn, "clock", "old-transactions")
	broken(t, before, after, doctor.Fail, "wraparound", "server-version")
}

// TestADiskThatIsNearlyFullIsFound, by what the server wants free of it.
func TestADiskThatIsNearlyFullIsFound(t *testing.T) {
	disk := testkit.SmallDisk(t, 64<<20)
	path := filepath.Join(disk.Dir, "a.db")
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	check := func(least int64) store.Check {
		found, err := doctor.Examine(t.Context(), path, doctor.Options{MinFree: least})
		require.NoError(t, err)
		for _, c := range found.Checks {
			if c.Name == "disk" {
				return c
			}
		}
		return store.Check{}
	}
	require.Equal(t, doctor.OK, check(4<<20).Status)
	disk.Leave(6 << 20)
	require.Equal(t, doctor.Warn, check(4<<20).Status)
	require.Equal(t, doctor.Fail, check(8<<20).Status)
	require.Contains(t, check(8<<20).Fix, "less than 8 MB are free (--min-free)")
	require.Equal(t, doctor.Fail, examined(t, path)["disk"].Status, "64 MB when nothing is said")
	require.Equal(t, "tmpfs", examined(t, path)["filesystem"].Detail)
}

// TestAFileOfFreePagesIsFound: its first page says that more than half of a large file is free.
func TestAFileOfFreePagesIsFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	require.NoError(t, err)
	furnish(t, s)
	require.NoError(t, s.Close())
	before := examined(t, path)
	const pages, free, pageSize = 300_000, 270_000, 4096
	require.NoError(t, os.Truncate(path, pages*pageSize)) // sparse
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	for at, n := range map[int64]uint32{28: pages, 36: free} {
		_, err := f.WriteAt(binary.BigEndian.AppendUint32(nil, n), at)
		require.NoError(t, err)
	}
	after := examined(t, path)
	broken(t, before, after, doctor.Warn, "free-pages")
	require.Contains(t, after["free-pages"].Detail, fmt.Sprintf("%d MB of %d MB", free*pageSize>>20, pages*pageSize>>20))
}

// How long a server may take to read its settings, and how often it is asked.
const patience, tick = 20 * time.Second, 50 * time.Millisecond
