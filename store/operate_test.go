package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func TestWhatCanBeDoneWithATask(t *testing.T) {
	type can struct{ cancel, retry, runNow, del, tell, restart, undo error }
	function := can{retry: store.ErrNotFinal, undo: store.ErrNothingToUndo}
	running := can{retry: store.ErrNotFinal, runNow: store.ErrRunning, del: store.ErrRunning, undo: store.ErrNothingToUndo}
	ended := can{cancel: store.ErrFinal, runNow: store.ErrFinal, tell: store.ErrFinal, undo: store.ErrFinal}
	canceled := ended
	canceled.cancel = nil
	for state, want := range map[task.State]can{
		task.Ready: function, task.Scheduled: function, task.Suspended: function, task.Blocked: function,
		task.Running: running, task.Succeeded: ended, task.Failed: ended, task.Canceled: canceled,
	} {
		row := &store.Row{Kind: task.Function, State: state}
		got := can{row.CanCancel(), row.CanRetry(), row.CanRunNow(), row.CanDelete(), row.CanTell(), row.CanRestart(), row.CanUndo()}
		require.Equal(t, want, got, state)
	}
	other := &store.Row{Kind: task.HTTP, State: task.Succeeded}
	require.Equal(t, store.ErrNotFunction, other.CanTell())
	require.Equal(t, store.ErrNotFunction, other.CanRestart())
	require.NoError(t, (&store.Row{Flags: store.FlagUndo}).CanUndo())
	require.Equal(t, store.ErrCanceling, (&store.Row{Flags: store.FlagUndo | store.FlagCanceling}).CanUndo())
}

func TestANewRunBeginsWithNothingOfTheOldOne(t *testing.T) {
	const lasting = store.FlagBody | store.FlagKeys
	row := store.Row{
		ID: task.ID{1}, Run: 3, Failures: 2, Crashes: 1, FirstStarted: 5, LastStarted: 6, FinishedAt: 7, ExpiresAt: 8, Token: 9,
		Flags: lasting | store.FlagParent | store.FlagUndo | store.FlagCanceling, LastError: "no",
	}
	want := row
	want.Run, want.Failures, want.Crashes, want.FirstStarted, want.FinishedAt, want.ExpiresAt, want.Flags = 4, 0, 0, 0, 0, 0, lasting
	require.Equal(t, want, row.Retried())

	want.Flags, want.FinishedAt = lasting|store.FlagParent, 7
	require.Equal(t, want, row.Restarted(), "the parent of one that goes on is told")
	row.Flags &^= store.FlagCanceling
	want.ExpiresAt = 8
	require.Equal(t, want, row.Restarted(), "its time runs on when it was not being canceled")
}

func TestWhatUndoesExpires(t *testing.T) {
	for _, tt := range []struct{ before, want int64 }{{0, 50}, {40, 40}, {60, 50}} {
		row := store.Row{ExpiresAt: tt.before, Flags: store.FlagUndo}.Undone(50)
		require.Equal(t, tt.want, row.ExpiresAt)
		require.Equal(t, store.FlagUndo|store.FlagCanceling, row.Flags)
	}
}

func TestHowAnAttemptEndsThatWasStopped(t *testing.T) {
	row := &store.Row{ID: task.ID{1}, Token: 4, Failures: 2, Crashes: 1, State: task.Running}
	canceled := store.CanceledTransition(row, task.Replaced)
	require.Equal(t, task.Decision{To: task.Canceled, Reason: task.Replaced, Failures: 2, Crashes: 1}, canceled.Decision)
	require.Equal(t, int32(3), canceled.Number())
	restarted := store.RestartedTransition(row)
	require.Equal(t, task.Decision{To: task.Ready, Reason: task.Restarted, Failures: 2, Crashes: 1}, restarted.Decision)
	for _, tr := range []store.Transition{canceled, restarted} {
		require.True(t, tr.Recorded())
		require.Equal(t, row.ID, tr.ID)
		require.Equal(t, row.Token, tr.Token)
		require.NotEmpty(t, tr.Error)
	}
}
