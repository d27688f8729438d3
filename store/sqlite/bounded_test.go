package sqlite_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/sqlite"
	"github.com/sendoff-dev/sendoff/task"
)

// TestTheFileStaysBoundedAtConstantLoad works tasks off and deletes them, round for round: what
// one round leaves free is what the next one takes.
func TestTheFileStaysBoundedAtConstantLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bounded.db")
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	require.NoError(t, err)
	defer s.Close()
	lane, err := s.EnsureLane(t.Context(), store.DefaultNamespace, "default", task.AnyPool, 10)
	require.NoError(t, err)
	node := task.ID(uuid.Must(uuid.NewV7()))
	require.NoError(t, s.Register(t.Context(), store.Node{ID: node}, 1e12))
	size := func() int64 {
		info, err := os.Stat(path)
		require.NoError(t, err)
		wal, err := os.Stat(path + "-wal")
		require.NoError(t, err)
		return info.Size() + wal.Size()
	}
	const warm, rounds, tasks = 5, 30, 1000
	var after int64
	for round := range rounds {
		roundOfTasks(t, s, lane.ID, node, tasks)
		if round == warm {
			after = size()
		}
	}
	require.Positive(t, after)
	require.Less(t, size(), after*3/2, "%d rounds after it had %d bytes", rounds-warm, after)
}

// roundOfTasks has tasks come, end in different ways with a body, and go.
func roundOfTasks(t *testing.T, s *sqlite.Store, lane int32, node task.ID, n int) {
	t.Helper()
	tasks := make([]store.NewTask, n)
	for i := range tasks {
		tasks[i] = draft(lane)
		tasks[i].Payload = make([]byte, 100+i*3) // some beside the row
	}
	_, _, err := s.Insert(t.Context(), tasks, false)
	require.NoError(t, err)
	claim := task.ID(uuid.Must(uuid.NewV7()))
	batch, err := s.Claim(t.Context(), store.ClaimRequest{ID: claim, Node: node, Limit: n, Slots: []store.ClaimSlot{{Lane: lane, Priority: 5, Limit: n}}})
	require.NoError(t, err)
	require.Len(t, batch.Tasks, n)
	ends := make([]store.Transition, n)
	for i, c := range batch.Tasks {
		ends[i] = store.Transition{ID: c.ID, Token: c.Token, Flags: c.Flags, Outcome: task.Success, Decision: task.Decision{To: task.Succeeded}, Answer: task.Answer{Body: make([]byte, i)}}
		if i%3 == 0 {
			ends[i].Outcome, ends[i].Decision = task.Reject, task.Decision{To: task.Failed, Reason: task.Rejected}
		}
	}
	_, _, err = s.Settle(t.Context(), ends)
	require.NoError(t, err)
	_, err = s.Claim(t.Context(), store.ClaimRequest{ID: task.ID(uuid.Must(uuid.NewV7())), Node: node, Done: []task.ID{claim}})
	require.NoError(t, err)
	time.Sleep(2 * time.Millisecond)
	keep := store.Keep{Retention: task.Retention{Succeeded: time.Millisecond, Failed: time.Millisecond, Canceled: time.Millisecond}}
	gone := 0
	for cursor := (task.ID{}); ; {
		r, err := s.Retain(t.Context(), keep, cursor, 256)
		require.NoError(t, err)
		gone += r.Deleted
		if cursor = r.Next; cursor.IsZero() {
			break
		}
	}
	require.Equal(t, n, gone)
}
