package operate

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func TestAQueueIsPausedMeasuredPurgedAndForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ctx := t.Context()
		failed := r.insert(t, "q", task.Spec{})
		c := r.claim(t, failed)
		r.settle(t, &c, task.Failure, task.Failed, "")
		running := r.insert(t, "q", task.Spec{})
		c = r.claim(t, running)
		r.insert(t, "q", task.Spec{}, func(n *store.NewTask) { n.Delay = time.Hour.Microseconds() })
		r.insert(t, "q", task.Spec{})
		r.insert(t, "p", task.Spec{})
		time.Sleep(time.Minute)

		list, err := r.queues.List(ctx)
		require.NoError(t, err)
		require.Equal(t, []string{"p", "q"}, []string{list[0].Name, list[1].Name})
		stats, err := r.queues.Stats(ctx, "q")
		require.NoError(t, err)
		require.Equal(t, QueueStats{Queue: "q", Ready: 1, Scheduled: 1, Running: 1, Failed: 1, OldestReady: stats.OldestReady}, stats)
		require.InDelta(t, time.Minute, stats.OldestReady, float64(time.Millisecond))
		require.Len(t, r.queues.StatsWithin(time.Second, time.Minute), 2)

		q, err := r.queues.SetPaused(ctx, "q", true)
		require.NoError(t, err)
		require.True(t, q.Paused)
		require.Zero(t, r.woken)
		q, err = r.queues.SetPaused(ctx, "q", false)
		require.NoError(t, err)
		require.False(t, q.Paused)
		require.Equal(t, 1, r.woken, "what waits in it is to be run")
		require.Equal(t, 2, r.changed, "the other nodes are told")

		require.ErrorIs(t, r.queues.Delete(ctx, "q"), store.ErrQueueNotEmpty)
		n, err := r.queues.Purge(ctx, "q")
		require.NoError(t, err)
		require.Equal(t, 2, n, "the running one goes on")
		r.settle(t, &c, task.Success, task.Succeeded, "")
		require.NoError(t, r.queues.Delete(ctx, "q"))
		_, err = r.queues.Get(ctx, "q")
		require.ErrorIs(t, err, store.ErrNotFound)
		got, err := r.tasks.Get(ctx, failed)
		require.NoError(t, err)
		require.Equal(t, "q", got.Queue, "what has ended keeps its name")
		_, err = r.tasks.Retry(ctx, failed)
		require.NoError(t, err)
		_, err = r.queues.Get(ctx, "q")
		require.NoError(t, err, "it is in use again")
	})
}

func TestWhatIsNoQueueIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ctx := t.Context()
		for verb, do := range map[string]func() error{
			"get":    func() error { _, err := r.queues.Get(ctx, "nope"); return err },
			"pause":  func() error { _, err := r.queues.SetPaused(ctx, "nope", true); return err },
			"purge":  func() error { _, err := r.queues.Purge(ctx, "nope"); return err },
			"stats":  func() error { _, err := r.queues.Stats(ctx, "nope"); return err },
			"delete": func() error { return r.queues.Delete(ctx, "nope") },
		} {
			err := do()
			require.ErrorIs(t, err, store.ErrNotFound, verb)
			require.ErrorContains(t, err, `queue "nope"`, verb)
		}
		require.ErrorIs(t, r.queues.Delete(ctx, task.DefaultQueue), ErrKeepsName)
	})
}
