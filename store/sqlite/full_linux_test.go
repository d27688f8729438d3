package sqlite_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// TestAFullDiskRefusesAndNothingElse: what was acknowledged stays, reads go on,
// and writes do by themselves when there is room again.
func TestAFullDiskRefusesAndNothingElse(t *testing.T) {
	disk := testkit.SmallDisk(t, 8<<20)
	s, lane := opened(t, filepath.Join(disk.Dir, "sendoff.db"), 10)
	stored := 10
	for range 3 {
		disk.Fill()
		err := error(nil)
		for err == nil { // what the log has room for is still taken
			if err = insert(s, lane); err == nil {
				stored++
			}
		}
		require.ErrorIs(t, err, store.ErrFull)
		require.ErrorIs(t, insert(s, lane), store.ErrFull, "again")
		require.NoError(t, s.Ping(context.Background()))
		require.Equal(t, stored, count(t, s))
		disk.Free()
		require.NoError(t, insert(s, lane), "there is room again")
		stored++
		require.Equal(t, stored, count(t, s))
		require.NoError(t, s.Failure())
	}
}

func TestAFullDiskAtTheStartIsNamed(t *testing.T) {
	disk := testkit.SmallDisk(t, 8<<20)
	disk.Fill()
	_, err := sqlite.Open(context.Background(), filepath.Join(disk.Dir, "sendoff.db"), sqlite.Options{})
	require.ErrorIs(t, err, store.ErrFull)
	disk.Free()
	opened(t, filepath.Join(disk.Dir, "sendoff.db"), 1)
}

func count(t *testing.T, s *sqlite.Store) int {
	t.Helper()
	rows, _, err := s.List(context.Background(), store.Query{Limit: 1_000_000})
	require.NoError(t, err)
	return len(rows)
}
