//go:build unix

package sqlite_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// TestWhatAKilledCopyHasLeftGoesWithTheNext, but not what somebody is at.
func TestWhatAKilledCopyHasLeftGoesWithTheNext(t *testing.T) {
	dir := t.TempDir()
	file, dest := filepath.Join(dir, "a.db"), filepath.Join(dir, "copies [1]", "b.db")
	opened(t, file, 10)
	require.NoError(t, os.Mkdir(filepath.Dir(dest), 0o700))
	killed, journal := filepath.Join(filepath.Dir(dest), ".b.db.123.partial"), filepath.Join(filepath.Dir(dest), ".b.db.123.partial-journal")
	other, busy := filepath.Join(filepath.Dir(dest), ".c.db.123.partial"), filepath.Join(filepath.Dir(dest), ".b.db.456.partial")
	for _, name := range []string{killed, journal, other, busy} {
		require.NoError(t, os.WriteFile(name, []byte("half"), 0o600))
	}
	at, err := os.Open(busy)
	require.NoError(t, err)
	defer at.Close()
	require.NoError(t, syscall.Flock(int(at.Fd()), syscall.LOCK_EX))
	_, err = sqlite.Backup(t.Context(), file, dest, false)
	require.NoError(t, err)
	entries, err := os.ReadDir(filepath.Dir(dest))
	require.NoError(t, err)
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	require.Equal(t, []string{".b.db.456.partial", ".c.db.123.partial", "b.db"}, left)
}
