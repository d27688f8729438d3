package operate

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// counting is a read that takes a while and says how often it was made.
func counting(takes time.Duration) *shared[int] {
	n := 0
	return &shared[int]{read: func(ctx context.Context) (int, error) {
		n++
		now := n
		select {
		case <-time.After(takes):
			return now, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}}
}

func TestEveryoneWhoAsksDuringAReadSharesTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := counting(20 * time.Millisecond)
		var callers sync.WaitGroup
		callers.Go(func() {
			n, err := s.get(t.Context(), 0)
			require.NoError(t, err)
			require.Equal(t, 1, n)
		})
		synctest.Wait()
		time.Sleep(time.Millisecond)
		for range 100 {
			callers.Go(func() {
				n, err := s.get(t.Context(), 0)
				require.NoError(t, err)
				require.Equal(t, 2, n, "what a read finds that began earlier may be out of date, and one for each is too many")
			})
		}
		callers.Wait()
	})
}

func TestACheapReadIsMadeAnewUnlessOldIsGoodEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := counting(20 * time.Millisecond)
		for i, maxAge := range []time.Duration{0, 0, time.Second} {
			n, err := s.get(t.Context(), maxAge)
			require.NoError(t, err)
			require.Equal(t, min(i+1, 2), n)
			time.Sleep(time.Millisecond)
		}
	})
}

func TestADearReadTakesATwentiethOfTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := counting(time.Second)
		for began := time.Now(); time.Since(began) < 200*time.Second; time.Sleep(100 * time.Millisecond) {
			_, err := s.get(t.Context(), 0)
			require.NoError(t, err)
		}
		n, err := s.get(t.Context(), 0)
		require.NoError(t, err)
		require.InDelta(t, 10, n, 1, "reads of a second each in 200 seconds")
	})
}

func TestAReadThatTakesTooLongIsGivenUpAndNotRepeatedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := counting(time.Hour)
		began := time.Now()
		for range 10 {
			_, err := s.get(t.Context(), 0)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, "too much waits to be counted within 10s")
		}
		require.Equal(t, readBudget, time.Since(began))
	})
}

func TestWhoGivesUpLeavesTheReadToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := counting(5 * time.Second)
		brief, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.get(brief, 0)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Zero(t, s.latest(), "nothing is known yet")
		time.Sleep(5 * time.Second)
		require.Equal(t, 1, s.latest())
	})
}

func TestAFailedReadIsRepeatedAtOnceAndForgetsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		s := &shared[int]{read: func(context.Context) (int, error) {
			n++
			if n == 2 {
				return 0, errors.New("no connection")
			}
			return n, nil
		}}
		for want := 1; want <= 3; want++ {
			got, err := s.get(t.Context(), 0)
			if want == 2 {
				require.EqualError(t, err, "no connection")
				require.Equal(t, 1, s.latest())
			} else {
				require.NoError(t, err)
				require.Equal(t, want, got)
			}
			time.Sleep(time.Millisecond)
		}
	})
}
