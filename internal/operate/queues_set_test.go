package operate

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func TestSettingsAreSetChangedAndTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ctx := t.Context()
		change := func(timeout time.Duration) func(*task.QueueSettings) error {
			return func(s *task.QueueSettings) error { s.Timeout = timeout; return nil }
		}
		_, err := r.queues.Update(ctx, "q", change(time.Minute))
		require.ErrorIs(t, err, store.ErrNotFound)
		q, err := r.queues.Set(ctx, "q", task.QueueSettings{Target: "http://host"})
		require.NoError(t, err)
		require.Equal(t, 1, r.changed, "the other nodes are told")
		require.Equal(t, task.Retention{Succeeded: time.Hour, Failed: 2 * time.Hour, Canceled: 3 * time.Hour}, q.Effective.Retention)

		tries := 0
		q, err = r.queues.Update(ctx, "q", func(s *task.QueueSettings) error {
			if tries++; tries == 1 { // another node is faster
				all, err := r.Queues(ctx)
				require.NoError(t, err)
				other := task.QueueSettings{Concurrency: 7}
				require.NoError(t, r.SetSettings(ctx, all[0].ID, all[0].Settings, other.Encode()))
			}
			return change(time.Minute)(s)
		})
		require.NoError(t, err)
		require.Equal(t, 2, tries)
		require.Equal(t, task.QueueSettings{Concurrency: 7, Timeout: time.Minute}, q.Settings, "neither change is lost")

		for _, bad := range []task.QueueSettings{{Timeout: 1}, {Target: "http://private/"}} {
			_, err = r.queues.Set(ctx, "new", bad)
			require.ErrorAs(t, err, &task.Invalid{})
			_, err = r.queues.Get(ctx, "new")
			require.ErrorIs(t, err, store.ErrNotFound, "no queue was made")
		}
		require.Equal(t, 2, r.changed)
	})
}
