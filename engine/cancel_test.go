package engine_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/sqlite"
	"github.com/sendoff-dev/sendoff/task"
)

// inTurn sees whether a call is canceled while its caller still goes on.
type inTurn struct {
	*sqlite.Store
	mu    sync.Mutex
	early []task.ID
}

func (s *inTurn) Cancel(ctx context.Context, id task.ID, reach store.Reach) ([]store.Woken, error) {
	time.Sleep(20 * time.Millisecond) // those that are canceled side by side are here together
	rows, err := s.Rows(ctx, []task.ID{id})
	if err == nil && len(rows) == 1 && !rows[0].Parent.IsZero() {
		above, err := s.Rows(ctx, []task.ID{rows[0].Parent})
		if err == nil && len(above) == 1 && !above[0].State.Final() {
			s.mu.Lock()
			s.early = append(s.early, id)
			s.mu.Unlock()
		}
	}
	return s.Store.Cancel(ctx, id, reach)
}

// TestCallersAreCanceledBeforeTheirCalls: a call that ends before its caller does would
// resume the caller, whose code then runs once more and fails.
func TestCallersAreCanceledBeforeTheirCalls(t *testing.T) {
	lower := sendoff.Func("generation", func(ctx context.Context, n int) (int, error) {
		if n == 0 {
			_, err := never.Recv(ctx)
			return 0, err
		}
		below := sendoff.Remote[int, int]("generation", "")
		_, err := below.Gather(ctx, []int{n - 1, n - 1})
		return 0, err
	})
	db, err := sqlite.Open(t.Context(), t.TempDir()+"/f.db", sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	s := &inTurn{Store: db}
	_, client := functionEngineOver(t, s, engine.Config{}, lower)
	top, err := client.Submit(t.Context(), sendoff.NewTask{Function: "generation", Endpoint: "embedded://app", Payload: 4})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		tree, err := client.Tasks.Tree(t.Context(), top.ID)
		require.NoError(t, err)
		waiting := 0
		for _, call := range tree {
			if call.State == sendoff.StateSuspended {
				waiting++
			}
		}
		return waiting == 31
	}, 20*time.Second, 10*time.Millisecond, "the calls of all generations wait")

	_, err = client.Tasks.Cancel(t.Context(), top.ID)
	require.NoError(t, err)
	tree, err := client.Tasks.Tree(t.Context(), top.ID)
	require.NoError(t, err)
	for _, call := range tree {
		require.Equal(t, sendoff.StateCanceled, call.State, "%s: %s", call.ID, call.LastError)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Empty(t, s.early, "canceled before their caller was")
}
