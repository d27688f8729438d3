package postgres_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/postgres"
	"github.com/sendoff-dev/sendoff/task"
)

// TestAFullDiskRefusesAndNothingElse has the tasks on a disk of their own, and
// fills it up.
func TestAFullDiskRefusesAndNothingElse(t *testing.T) {
	if testing.Short() {
		t.Skip("fills a disk")
	}
	dsn := testkit.Postgres(t)
	disk, back := onSmallDisk(t, dsn)
	defer back()
	s, err := postgres.Open(t.Context(), dsn, postgres.Options{MaxConns: 4})
	require.NoError(t, err)
	defer s.Close()
	lane, err := s.EnsureLane(t.Context(), store.DefaultNamespace, "default", task.AnyPool, 10)
	require.NoError(t, err)
	insert := func() error {
		_, _, err := s.Insert(t.Context(), []store.NewTask{{
			ID: task.ID(uuid.Must(uuid.NewV7())), Lane: lane.ID, Kind: task.HTTP, MaxAttempts: 3, Spec: make([]byte, 5000),
		}}, false)
		return err
	}
	stored := 0
	for range 2 {
		disk.Fill()
		err := error(nil)
		for err == nil { // what the last page has room for is still taken
			if err = insert(); err == nil {
				stored++
			}
		}
		require.ErrorIs(t, err, store.ErrFull)
		require.NoError(t, s.Ping(t.Context()))
		disk.Free()
		require.NoError(t, insert(), "there is room again")
		stored++
	}
	rows, _, err := s.List(t.Context(), store.Query{Limit: 100_000})
	require.NoError(t, err)
	require.Len(t, rows, stored)
}

// onSmallDisk moves the tasks of a database to a small disk, until back is called.
// It skips the test where the server is another machine's.
func onSmallDisk(t *testing.T, dsn string) (disk *testkit.Disk, back func()) {
	t.Helper()
	disk = testkit.SmallDisk(t, 8<<20)
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	var data string
	require.NoError(t, conn.QueryRow(t.Context(), "show data_directory").Scan(&data))
	is, err := os.Stat(data)
	if err != nil {
		t.Skipf("%s needs a PostgreSQL on this machine: %v", t.Name(), err)
	}
	dir, owner := filepath.Join(disk.Dir, "space"), is.Sys().(*syscall.Stat_t)
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.Chown(dir, int(owner.Uid), int(owner.Gid)))
	require.NoError(t, os.Chmod(filepath.Dir(disk.Dir), 0o755))
	exec(t, dsn, "create tablespace sendoff_small location '"+dir+"'")
	exec(t, dsn, "alter table sendoff.task set tablespace sendoff_small")
	return disk, func() {
		exec(t, dsn, "alter table sendoff.task set tablespace pg_default")
		exec(t, dsn, "drop tablespace sendoff_small")
	}
}
