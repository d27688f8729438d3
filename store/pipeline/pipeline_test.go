package pipeline_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sendoff-dev/sendoff/store/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func one(int) int { return 1 }

func TestAnIdlePipelineStartsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipeline.New(10, one, func([]int) {})
		started := time.Now()
		require.NoError(t, p.Do(t.Context(), 1))
		require.Zero(t, time.Since(started))
		p.Close()
	})
}

func TestRidersCanBeHandledElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipeline.New(10, one, func([]int) { t.Error("a batch was begun") })
		over := make(chan struct{})
		var callers sync.WaitGroup
		for i := range 3 {
			callers.Go(func() { require.NoError(t, p.Ride(t.Context(), i, over)) })
		}
		synctest.Wait()
		items, handled := p.Riders()
		require.ElementsMatch(t, []int{0, 1, 2}, items)
		none, nobody := p.Riders()
		require.Empty(t, none)
		nobody()
		close(over) // it may be told to go by itself meanwhile
		synctest.Wait()
		handled()
		callers.Wait()
		p.Close()
	})
}

func TestCallersThatArriveDuringABatchShareTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		p := pipeline.New(8, one, func(batch []int) {
			sizes = append(sizes, len(batch))
			time.Sleep(time.Second)
		})
		var callers sync.WaitGroup
		callers.Go(func() { require.NoError(t, p.Do(t.Context(), 0)) })
		synctest.Wait()
		for range 20 {
			callers.Go(func() { require.NoError(t, p.Do(t.Context(), 1)) })
		}
		callers.Wait()
		p.Close()
		require.Equal(t, []int{1, 8, 8, 4}, sizes)
	})
}

func TestAnItemHeavierThanTheLimitGoesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var batches [][]int
		p := pipeline.New(10, func(w int) int { return w }, func(batch []int) {
			batches = append(batches, batch)
			time.Sleep(time.Second)
		})
		var callers sync.WaitGroup
		for _, w := range []int{1, 100, 3, 4, 5} {
			callers.Go(func() { _ = p.Do(t.Context(), w) })
			synctest.Wait()
		}
		callers.Wait()
		p.Close()
		require.Equal(t, [][]int{{1}, {100}, {3, 4}, {5}}, batches)
	})
}

func TestACallerThatGivesUpIsHandledAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var handled atomic.Int64
		p := pipeline.New(10, one, func(batch []int) {
			time.Sleep(time.Second)
			handled.Add(int64(len(batch)))
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		require.ErrorIs(t, p.Do(ctx, 1), context.DeadlineExceeded)
		p.Close()
		require.EqualValues(t, 1, handled.Load())
	})
}

func TestCloseHandlesWhatWaitsAndRefusesTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var handled atomic.Int64
		p := pipeline.New(2, one, func(batch []int) {
			time.Sleep(time.Second)
			handled.Add(int64(len(batch)))
		})
		for range 5 {
			go func() { _ = p.Do(context.Background(), 1) }()
		}
		synctest.Wait()
		p.Close()
		require.EqualValues(t, 5, handled.Load())
		require.ErrorIs(t, p.Do(t.Context(), 1), pipeline.ErrClosed)
	})
}

func TestWhatRidesGoesAlongAndBeginsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var batches [][]int
		p := pipeline.New(10, one, func(batch []int) {
			batches = append(batches, batch)
			time.Sleep(time.Second)
		})
		var callers sync.WaitGroup
		never := make(chan struct{})
		callers.Go(func() { require.NoError(t, p.Do(t.Context(), 1)) })
		synctest.Wait()
		callers.Go(func() { require.NoError(t, p.Ride(t.Context(), 2, never)) })
		time.Sleep(time.Minute) // the batch that ran when it came has ended: it begins none after that either
		require.Equal(t, [][]int{{1}}, batches)
		callers.Go(func() { require.NoError(t, p.Do(t.Context(), 3)) })
		callers.Wait()
		require.Equal(t, [][]int{{1}, {2, 3}}, batches)

		alight := make(chan struct{})
		callers.Go(func() { require.NoError(t, p.Ride(t.Context(), 4, alight)) })
		synctest.Wait()
		close(alight)
		callers.Wait()
		require.Equal(t, [][]int{{1}, {2, 3}, {4}}, batches)

		callers.Go(func() { require.NoError(t, p.Ride(t.Context(), 5, never)) })
		synctest.Wait()
		p.Close()
		callers.Wait()
		require.Equal(t, []int{5}, batches[3], "a closed pipeline leaves nobody behind")
	})
}
