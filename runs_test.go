package sendoff_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
)

// TestTheTreeTellsTheRunsOfAFunctionApart restarts a function: the calls that it made
// before are still there, and are nothing that it waits for.
func TestTheTreeTellsTheRunsOfAFunctionApart(t *testing.T) {
	c, ctx := realServer(t, "key"), t.Context()
	verdict := sendoff.NewSignal[bool]("verdict")
	caller := sendoff.Func("caller", func(ctx context.Context, n int) (int, error) {
		if first, err := verdict.Recv(ctx); err != nil || first {
			return 0, err
		}
		n, err := double.Await(ctx, n)
		if err != nil {
			return 0, err
		}
		_, err = verdict.Recv(ctx)
		return n, err
	})
	serveFunctions(t, c, caller, double)
	h, err := caller.Dispatch(ctx, 4)
	require.NoError(t, err)
	tree := func(children int) []sendoff.Task {
		var tasks []sendoff.Task
		require.Eventually(t, func() bool {
			tasks, err = c.Tasks.Tree(ctx, h.ID)
			require.NoError(t, err)
			return len(tasks) == 1+children && tasks[0].State == sendoff.StateSuspended
		}, time.Minute, 10*time.Millisecond)
		return tasks
	}
	require.NoError(t, verdict.Send(ctx, h.ID, false, sendoff.Via(c)))
	require.False(t, tree(1)[1].EarlierRun)

	_, err = c.Tasks.Restart(ctx, h.ID)
	require.NoError(t, err)
	tasks := tree(1)
	require.Equal(t, 2, tasks[0].Run)
	require.True(t, tasks[1].EarlierRun, "it has called nobody in this run")

	require.NoError(t, verdict.Send(ctx, h.ID, false, sendoff.Via(c)))
	tasks = tree(2)
	require.Equal(t, []bool{false, true, false}, []bool{tasks[0].EarlierRun, tasks[1].EarlierRun, tasks[2].EarlierRun})

	require.NoError(t, verdict.Send(ctx, h.ID, true, sendoff.Via(c)))
	_, err = h.Wait(ctx)
	require.NoError(t, err)
	tasks, err = c.Tasks.Tree(ctx, h.ID)
	require.NoError(t, err)
	require.Equal(t, []bool{false, true, false}, []bool{tasks[0].EarlierRun, tasks[1].EarlierRun, tasks[2].EarlierRun}, "also when all has ended")
}
