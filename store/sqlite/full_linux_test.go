package sqlite_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/sqlite"
	"github.com/sendoff-dev/sendoff/task"
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

// TestWhatIsLeftIsForWhatWasAccepted: submissions are refused while there is room for everything else.
func TestWhatIsLeftIsForWhatWasAccepted(t *testing.T) {
	disk := testkit.SmallDisk(t, 64<<20)
	s, err := sqlite.Open(t.Context(), filepath.Join(disk.Dir, "sendoff.db"), sqlite.Options{MinFree: 16 << 20})
	require.NoError(t, err)
	defer s.Close()
	lane, err := s.EnsureLane(t.Context(), store.DefaultNamespace, "default", task.AnyPool, 10)
	require.NoError(t, err)
	node := joined(t, s)
	for range 3 {
		fill(t, s, lane.ID, 200)
		disk.Leave(14 << 20)
		require.Eventually(t, func() bool { return errors.Is(insert(s, lane.ID), store.ErrFull) }, 10*time.Second, time.Millisecond)
		require.ErrorContains(t, insert(s, lane.ID), "of the 16777216 that are left for what was accepted")
		for _, c := range claimed(t, s, node, lane.ID, 100) {
			end := succeeded(&c)
			end.Answer.Body = make([]byte, 4000)
			_, _, err := s.Settle(t.Context(), []store.Transition{end})
			require.NoError(t, err, "what was accepted goes on")
		}
		disk.Free()
		require.Eventually(t, func() bool { return insert(s, lane.ID) == nil }, 10*time.Second, time.Millisecond, "by itself")
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
