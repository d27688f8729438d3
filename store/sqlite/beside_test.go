package sqlite_test

import (
	"context"
	"database/sql"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/sqlite"
	"github.com/sendoff-dev/sendoff/task"
)

// What is changed beside a store is seen by it, and both go on writing.
func TestAFileInUseIsAdministeredBesideTheServer(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "sendoff.db")
	server, err := sqlite.Open(ctx, path, sqlite.Options{})
	require.NoError(t, err)
	require.NoError(t, server.Register(ctx, store.Node{ID: task.ID{1}, Name: "n"}, 1<<60))
	link := filepath.Join(t.TempDir(), "link.db")
	require.NoError(t, os.Symlink(path, link))
	beside, err := sqlite.OpenBeside(ctx, link)
	require.NoError(t, err)
	var both sync.WaitGroup
	errs := make(chan error, 200)
	for i := range 100 {
		both.Go(func() { errs <- beside.PutAudit(ctx, []store.AuditRow{{Action: "beside"}}) })
		both.Go(func() {
			_, err := server.EnsureLane(ctx, 1, "q"+string(rune('a'+i%20)), task.AnyPool, 100)
			errs <- err
		})
	}
	both.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	require.NoError(t, beside.PutAPIKey(ctx, store.APIKey{ID: "k", Namespace: 1, Hash: []byte("h")}))
	keys, err := server.APIKeys(ctx)
	require.NoError(t, err)
	require.Len(t, keys, 1)
	require.NoError(t, beside.Close())
	rows, err := server.ListAudit(ctx, store.AuditQuery{Limit: 1000})
	require.NoError(t, err)
	require.Len(t, rows, 100)
	require.NoError(t, server.PutAudit(ctx, []store.AuditRow{{Action: "after"}}), "its log is still there")
	nodes, err := server.Nodes(ctx)
	require.NoError(t, err)
	require.Len(t, nodes, 1, "whoever has the file is left alone")
	require.NoError(t, server.Close())
}

func TestAFileWithoutTheTablesIsNotAdministered(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	_, err := sqlite.OpenBeside(ctx, filepath.Join(dir, "nothing.db"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	other := filepath.Join(dir, "other.db")
	db, err := sql.Open("sqlite", other)
	require.NoError(t, err)
	_, err = db.ExecContext(ctx, "create table t (a)")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	_, err = sqlite.OpenBeside(ctx, other)
	require.ErrorIs(t, err, sqlite.ErrNoTables)
}
