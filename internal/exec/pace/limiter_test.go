package pace

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func newLimiter(least, most, line int) *Limiter {
	return NewLimiter(Limits{Least: least, Most: most, Start: startLimit, Line: line})
}

// startLimit is where the limits of these tests begin.
const startLimit = 20

func counts(l *Limiter) (limit, inFlight, waiting int) {
	var s Stats
	l.describe(&s)
	return s.Limit, s.InFlight, s.Waiting
}

// release ends an attempt whose connection broke.
func release(l *Limiter, t Ticket, e Effect) (alone bool) {
	alone, _ = l.Release(t, End{Effect: e, Broke: true})
	return alone
}

// load has so many runs at a time want to go, for a while, and returns how many
// were under way at most in each of its seconds.
func load(t *testing.T, l *Limiter, clients int, seconds int, run func(inFlight int) (time.Duration, Effect)) []int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(seconds)*time.Second)
	defer cancel()
	start := time.Now()
	most := make([]int, seconds+1)
	var mu sync.Mutex
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for ctx.Err() == nil {
				tk, ok := l.Acquire(ctx, time.Second)
				if !ok {
					time.Sleep(100 * time.Millisecond)
					continue
				}
				_, n, _ := counts(l)
				mu.Lock()
				second := min(int(time.Since(start)/time.Second), seconds)
				most[second] = max(most[second], n)
				mu.Unlock()
				took, e := run(n)
				time.Sleep(took)
				l.Release(tk, End{Effect: e})
			}
		})
	}
	all.Wait()
	return most
}

func TestTheLimitDoublesUntilItIsTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1, 256, 1000)
		most := load(t, l, 500, 8, func(int) (time.Duration, Effect) { return time.Second, Grow })
		require.Equal(t, []int{20, 40, 80, 160, 256, 256, 256, 256}, most[:8])
	})
}

// An endpoint that can take 50 at a time is held near that.
func TestTheLimitFindsWhatAnEndpointCanTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const capacity = 50
		l := newLimiter(1, 256, 1000)
		var all, bad atomic.Int64
		most := load(t, l, 200, 120, func(n int) (time.Duration, Effect) {
			all.Add(1)
			if n > capacity {
				bad.Add(1)
				return 10 * time.Millisecond, Shrink
			}
			return 500*time.Millisecond + rand.N(100*time.Millisecond), Grow
		})
		sum := 0
		for _, n := range most[20:120] {
			require.LessOrEqual(t, n, capacity+1)
			sum += n
		}
		require.Greater(t, sum/100, capacity*6/10)
		require.Less(t, float64(bad.Load())/float64(all.Load()), 0.02)
	})
}

func TestTheLimitNeverFallsBelowOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1, 256, 10)
		load(t, l, 30, 60, func(int) (time.Duration, Effect) { return 100 * time.Millisecond, Shrink })
		limit, inFlight, waiting := counts(l)
		require.Equal(t, []int{1, 0, 0}, []int{limit, inFlight, waiting})
		most := load(t, l, 30, 30, func(int) (time.Duration, Effect) { return 100 * time.Millisecond, Grow })
		require.Greater(t, most[29], 10) // and recovers
	})
}

// One burst of failures is one piece of news.
func TestABurstHalvesOnce(t *testing.T) {
	l := newLimiter(1, 256, 0)
	tickets := make([]Ticket, 20)
	for i := range tickets {
		var ok bool
		tickets[i], ok = l.Acquire(t.Context(), 0)
		require.True(t, ok)
	}
	for _, tk := range tickets {
		l.Release(tk, End{Effect: Shrink})
	}
	limit, _, _ := counts(l)
	require.Equal(t, 10, limit)
}

// A limit that is not used does not Grow: nothing was learned of it.
func TestAnIdleLimitStays(t *testing.T) {
	l := newLimiter(1, 256, 0)
	for range 1000 {
		tk, _ := l.Acquire(t.Context(), 0)
		l.Release(tk, End{Effect: Grow})
	}
	limit, _, _ := counts(l)
	require.Equal(t, startLimit, limit)
}

func TestWaitingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1, 1, 2)
		held, ok := l.Acquire(t.Context(), 0)
		require.True(t, ok)
		var got []string
		var mu sync.Mutex
		for i, patience := range []time.Duration{time.Second, time.Minute} {
			go func() {
				_, ok := l.Acquire(t.Context(), patience)
				mu.Lock()
				got = append(got, fmt.Sprint(i, ok))
				mu.Unlock()
			}()
			synctest.Wait()
		}
		_, ok = l.Acquire(t.Context(), time.Hour)
		require.False(t, ok) // a third one does not even wait
		time.Sleep(2 * time.Second)
		l.Release(held, End{Effect: Hold})
		synctest.Wait()
		require.Equal(t, []string{"0 false", "1 true"}, got)
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		_, ok = l.Acquire(canceled, time.Hour)
		require.False(t, ok)
		_, inFlight, waiting := counts(l)
		require.Equal(t, []int{1, 0}, []int{inFlight, waiting})
	})
}

// What runs apart has the host to itself: it waits for the runs under way, and
// nothing begins beside it before its time is over.
func TestARunApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1, 10, 10)
		held, _ := l.Acquire(t.Context(), 0)
		begun := make(chan Ticket, 2)
		go func() {
			tk, ok := l.AcquireApart(t.Context(), time.Second, 10*time.Second)
			require.True(t, ok)
			begun <- tk
		}()
		synctest.Wait()
		_, ok := l.AcquireApart(t.Context(), time.Second, time.Second)
		require.False(t, ok, "two runs apart at a time")
		beside := make(chan time.Time, 1)
		go func() {
			tk, ok := l.Acquire(t.Context(), time.Hour)
			require.True(t, ok)
			beside <- time.Now()
			l.Release(tk, End{Effect: Hold})
		}()
		synctest.Wait()
		require.Empty(t, begun)
		l.Release(held, End{Effect: Hold})
		apart, from := <-begun, time.Now()
		require.Equal(t, 10*time.Second, (<-beside).Sub(from), "others go on when its time is over")
		synctest.Wait()
		require.True(t, release(l, apart, Hold), "it broke when nothing else was under way")
	})
}

func TestARunApartGivesUpWhenOthersTakeLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1, 10, 10)
		held, _ := l.Acquire(t.Context(), 0)
		_, ok := l.AcquireApart(t.Context(), time.Second, time.Minute)
		require.False(t, ok)
		other, ok := l.Acquire(t.Context(), 0)
		require.True(t, ok, "the host is open again")
		l.Release(other, End{Effect: Hold})
		require.True(t, release(l, held, Shrink))
		limit, inFlight, _ := counts(l)
		require.Equal(t, []int{10, 0}, []int{limit, inFlight}, "one run alone was not too many")
	})
}

func TestRunsThatBreakTogetherAreNotAlone(t *testing.T) {
	l := newLimiter(1, 10, 10)
	first, _ := l.Acquire(t.Context(), 0)
	second, _ := l.Acquire(t.Context(), 0)
	require.False(t, release(l, first, Shrink))
	require.False(t, release(l, second, Shrink), "the last to be noticed is not the only one that broke")
	third, _ := l.Acquire(t.Context(), 0)
	require.True(t, release(l, third, Shrink))
}

// After two minutes without trouble, a host that can take more gets it soon.
func TestALimitRecoversFastWhenNothingWasTooMuchForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1, 256, 1000)
		bad := load(t, l, 300, 10, func(int) (time.Duration, Effect) { return time.Second, Shrink })
		require.Equal(t, 1, bad[9])
		var s Stats
		l.describe(&s)
		require.Equal(t, []any{Slow, 20}, []any{s.State, int(l.slowed.before)})
		good := load(t, l, 300, 150, func(int) (time.Duration, Effect) { return 5 * time.Second, Grow })
		require.Less(t, slices.Max(good[100:110]), 50)
		require.Equal(t, 256, slices.Max(good[140:]))
		s = Stats{}
		l.describe(&s)
		require.Zero(t, s.State)
	})
}

// Who is not likely to get room soon is told so at once: others can use the slot.
func TestOnlyThoseWaitWhoGetRoomSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for took, line := range map[time.Duration]int{time.Millisecond: 100, 100 * time.Millisecond: 25, time.Second: 2, time.Minute: 0} {
			l := NewLimiter(Limits{Most: 10, Line: 100, Foresee: true})
			for range 100 {
				tk, _ := l.Acquire(t.Context(), time.Second)
				time.Sleep(took)
				l.Release(tk, End{Effect: Grow})
			}
			var held []Ticket
			for range 10 {
				tk, ok := l.Acquire(t.Context(), time.Second)
				require.True(t, ok)
				held = append(held, tk)
			}
			for range 200 {
				go func() {
					if tk, ok := l.Acquire(t.Context(), 250*time.Millisecond); ok {
						l.Release(tk, End{})
					}
				}()
			}
			synctest.Wait()
			_, _, waiting := counts(l)
			require.InDelta(t, line, waiting, 1, "a push takes %s", took)
			for _, tk := range held {
				l.Release(tk, End{})
			}
			synctest.Wait()
		}
	})
}

func TestSlotsAreSharedByHosts(t *testing.T) {
	for _, tt := range []struct {
		slots, hosts int
		want         []int
	}{
		{256, 1, []int{192}}, {256, 2, []int{192, 48}}, {256, 4, []int{192, 48, 12, 3}}, {4, 2, []int{3, 1}}, {1, 1, []int{1}},
	} {
		s := NewSlots(tt.slots)
		var got []int
		for range tt.hosts {
			l, n := NewLimiter(Limits{Most: tt.slots, Slots: s}), 0
			for ; n < tt.slots; n++ {
				if _, ok := l.Acquire(t.Context(), 0); !ok {
					break
				}
			}
			got = append(got, n)
		}
		require.Equal(t, tt.want, got, "of %d", tt.slots)
	}
}

// Hosts that always want more than they get come to have the same.
func TestHostsGetTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSlots(70)
		var all sync.WaitGroup
		var sums [2]int
		for i := range sums {
			l := NewLimiter(Limits{Most: 70, Line: 100, Slots: s})
			all.Go(func() {
				for _, n := range load(t, l, 100, 20, func(int) (time.Duration, Effect) { return 300*time.Millisecond + rand.N(100*time.Millisecond), Grow })[5:] {
					sums[i] += n
				}
			})
			time.Sleep(time.Second)
		}
		all.Wait()
		require.InEpsilon(t, sums[0], sums[1], 0.15)
		require.InDelta(t, 30, sums[0]/15, 3)
	})
}
