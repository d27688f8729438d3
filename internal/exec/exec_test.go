package exec_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/exec"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func TestTheCauseOfACancelSaysHowTheAttemptEnds(t *testing.T) {
	_, ok := exec.Stopped(t.Context())
	require.False(t, ok, "not cancelled")
	for cause, want := range map[error]task.Class{
		exec.ErrStopping:  task.Interrupt,
		exec.ErrLeaseLost: task.Cancel,
		exec.ErrCanceled:  task.Cancel,
		fmt.Errorf("console: %w", exec.ErrCanceled): task.Cancel,
		errors.New("whatever"):                      task.Interrupt,
		nil:                                         task.Interrupt,
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		o, ok := exec.Stopped(ctx)
		require.True(t, ok)
		require.Equal(t, want, o.Class, "%v", cause)
		require.NotEmpty(t, o.Error)
	}
}

func TestWhoEndedAnAttemptSaysWhoseItsEndIsToWrite(t *testing.T) {
	for _, tt := range []struct {
		cause  error
		class  task.Class
		want   task.Class
		theirs bool
	}{
		{exec.ErrCanceled, task.Cancel, task.Cancel, true},
		{fmt.Errorf("console: %w", exec.ErrCanceled), task.Cancel, task.Cancel, true},
		{exec.ErrCanceled, task.Success, task.Success, false}, // it had ended before
		{exec.ErrLeaseLost, task.Cancel, task.Interrupt, false},
		{exec.ErrLeaseLost, task.Failure, task.Failure, false},
		{exec.ErrStopping, task.Interrupt, task.Interrupt, false},
		{nil, task.Cancel, task.Cancel, false},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		if tt.cause != nil {
			cancel(tt.cause)
		}
		o, ours := exec.Ending(ctx, task.Outcome{Class: tt.class, Error: "e"})
		require.Equal(t, task.Outcome{Class: tt.want, Error: "e"}, o, "%v of %v", tt.class, tt.cause)
		require.Equal(t, !tt.theirs, ours, "%v of %v", tt.class, tt.cause)
		cancel(nil)
	}
}

func TestATaskOfAnUnknownKindSaysSo(t *testing.T) {
	o := exec.ByKind{}.Execute(t.Context(), &store.Claimed{Kind: 99}, &task.Spec{})
	require.Equal(t, task.Failure, o.Class)
	require.Contains(t, o.Error, "kind(99)")
}
