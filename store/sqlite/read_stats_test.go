package sqlite

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestACountOfTheQueuesIsOnePassOverEachList: a pass for each lane, or a sort of
// what waits, would take minutes where much waits.
func TestACountOfTheQueuesIsOnePassOverEachList(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "sendoff.db"), Options{})
	require.NoError(t, err)
	defer s.Close()
	for _, query := range []string{countReady, countTimers, countDead} {
		rows, err := s.read.Query("explain query plan " + query)
		require.NoError(t, err)
		plan := planOf(t, rows)
		require.Len(t, plan, 1, query)
		require.Regexp(t, "^SCAN ", plan[0], query)
	}
}

func planOf(t *testing.T, rows *sql.Rows) (plan []string) {
	for rows.Next() {
		var id, parent, unused int
		var detail string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
		plan = append(plan, detail)
	}
	require.NoError(t, rows.Close())
	return plan
}

// TestBytesAreCountedAlongTheLanes: not over all tasks.
func TestBytesAreCountedAlongTheLanes(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "sendoff.db"), Options{})
	require.NoError(t, err)
	defer s.Close()
	rows, err := s.read.Query("explain query plan "+payloadBytesSQL, "[1]")
	require.NoError(t, err)
	plan := strings.Join(planOf(t, rows), "\n")
	require.Contains(t, plan, "SEARCH t USING INDEX task_lane (lane=?)")
	require.Contains(t, plan, "SEARCH b USING INDEX sqlite_autoindex_body_1 (task=? AND part=?)")
}
