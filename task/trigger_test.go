package task_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/task"
)

func TestWhenATaskThatDependsOnOthersRuns(t *testing.T) {
	for _, tt := range []struct {
		when                       task.When
		total, ok, failed, skipped int32
		want                       task.Verdict
	}{
		{task.AllOK, 0, 0, 0, 0, task.MayRun},
		{task.AllOK, 2, 0, 0, 0, task.StillWaits},
		{task.AllOK, 2, 1, 0, 0, task.StillWaits},
		{task.AllOK, 2, 2, 0, 0, task.MayRun},
		{task.AllOK, 3, 1, 1, 0, task.CannotRun},
		{task.AllOK, 3, 1, 0, 1, task.StillWaits},
		{task.AllOK, 3, 2, 0, 1, task.NotNeeded},
		{task.AllOK, 3, 1, 1, 1, task.CannotRun},
		{task.Always, 0, 0, 0, 0, task.MayRun},
		{task.Always, 2, 0, 1, 0, task.StillWaits},
		{task.Always, 2, 0, 1, 1, task.MayRun},
		{task.Always, 2, 2, 0, 0, task.MayRun},
		{task.AnyFailed, 0, 0, 0, 0, task.NotNeeded},
		{task.AnyFailed, 2, 1, 0, 0, task.StillWaits},
		{task.AnyFailed, 2, 0, 0, 1, task.StillWaits},
		{task.AnyFailed, 2, 0, 1, 0, task.MayRun},
		{task.AnyFailed, 2, 2, 0, 0, task.NotNeeded},
		{task.AnyFailed, 2, 1, 0, 1, task.NotNeeded},
		{task.AnyFailed, 2, 1, 1, 0, task.MayRun},
	} {
		name := fmt.Sprintf("%s: %d of %d ok, %d failed, %d skipped", tt.when, tt.ok, tt.total, tt.failed, tt.skipped)
		require.Equal(t, tt.want, task.Trigger(tt.when, tt.total, tt.ok, tt.failed, tt.skipped), name)
	}
}

// Whatever ends in which order: once all have ended, it is decided, and what was
// decided before never becomes something else that the task has done already.
func TestEveryTriggerDecides(t *testing.T) {
	for _, when := range []task.When{task.AllOK, task.Always, task.AnyFailed} {
		for n := range int32(4) {
			for failed := range n + 1 {
				for skipped := range n - failed + 1 {
					ok := n - failed - skipped
					require.NotEqual(t, task.StillWaits, task.Trigger(when, n, ok, failed, skipped), "%s: %d %d %d", when, ok, failed, skipped)
					if task.Trigger(when, n+1, ok, failed, skipped) == task.MayRun {
						for _, more := range [][3]int32{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}} {
							require.Equal(t, task.MayRun, task.Trigger(when, n+1, ok+more[0], failed+more[1], skipped+more[2]), "%s: it runs already", when)
						}
					}
				}
			}
		}
	}
}

func TestHowAnEndCountsForWhoDependsOnIt(t *testing.T) {
	for _, s := range task.States {
		want := task.NotEnded
		if s.Final() {
			want = task.EndedBadly
		}
		if s == task.Succeeded {
			want = task.EndedWell
		}
		require.Equal(t, want, task.EndOf(s, task.NoReason), s)
	}
	require.Equal(t, task.EndedUnrun, task.EndOf(task.Canceled, task.Skipped))
	require.Equal(t, task.EndedBadly, task.EndOf(task.Canceled, task.DependencyFailed))
	require.Equal(t, task.EndedBadly, task.EndOf(task.Canceled, task.Requested))
}
