package function

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/task"
)

// load has so many runs at a time want to go, for a while, and returns how many
// were under way at most in each of its seconds.
func load(t *testing.T, l *limiter, clients int, seconds int, run func(inFlight int) (time.Duration, effect)) []int {
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
				tk, ok := l.acquire(ctx, time.Second)
				if !ok {
					time.Sleep(100 * time.Millisecond)
					continue
				}
				_, n, _ := l.stats()
				mu.Lock()
				second := min(int(time.Since(start)/time.Second), seconds)
				most[second] = max(most[second], n)
				mu.Unlock()
				took, e := run(n)
				time.Sleep(took)
				l.release(tk, e, false)
			}
		})
	}
	all.Wait()
	return most
}

func TestTheLimitDoublesUntilItIsTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1, 256, 1000)
		most := load(t, l, 500, 8, func(int) (time.Duration, effect) { return time.Second, grow })
		require.Equal(t, []int{20, 40, 80, 160, 256, 256, 256, 256}, most[:8])
	})
}

// An endpoint that can take 50 at a time is held near that.
func TestTheLimitFindsWhatAnEndpointCanTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const capacity = 50
		l := newLimiter(1, 256, 1000)
		var all, bad atomic.Int64
		most := load(t, l, 200, 120, func(n int) (time.Duration, effect) {
			all.Add(1)
			if n > capacity {
				bad.Add(1)
				return 10 * time.Millisecond, shrink
			}
			return 500*time.Millisecond + rand.N(100*time.Millisecond), grow
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
		load(t, l, 30, 60, func(int) (time.Duration, effect) { return 100 * time.Millisecond, shrink })
		limit, inFlight, waiting := l.stats()
		require.Equal(t, []int{1, 0, 0}, []int{limit, inFlight, waiting})
		most := load(t, l, 30, 30, func(int) (time.Duration, effect) { return 100 * time.Millisecond, grow })
		require.Greater(t, most[29], 10) // and recovers
	})
}

// One burst of failures is one piece of news.
func TestABurstHalvesOnce(t *testing.T) {
	l := newLimiter(1, 256, 0)
	tickets := make([]ticket, 20)
	for i := range tickets {
		var ok bool
		tickets[i], ok = l.acquire(t.Context(), 0)
		require.True(t, ok)
	}
	for _, tk := range tickets {
		l.release(tk, shrink, false)
	}
	limit, _, _ := l.stats()
	require.Equal(t, 10, limit)
}

// A limit that is not used does not grow: nothing was learned of it.
func TestAnIdleLimitStays(t *testing.T) {
	l := newLimiter(1, 256, 0)
	for range 1000 {
		tk, _ := l.acquire(t.Context(), 0)
		l.release(tk, grow, false)
	}
	limit, _, _ := l.stats()
	require.Equal(t, startLimit, limit)
}

func TestWaitingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1, 1, 2)
		held, ok := l.acquire(t.Context(), 0)
		require.True(t, ok)
		var got []string
		var mu sync.Mutex
		for i, patience := range []time.Duration{time.Second, time.Minute} {
			go func() {
				_, ok := l.acquire(t.Context(), patience)
				mu.Lock()
				got = append(got, fmt.Sprint(i, ok))
				mu.Unlock()
			}()
			synctest.Wait()
		}
		_, ok = l.acquire(t.Context(), time.Hour)
		require.False(t, ok) // a third one does not even wait
		time.Sleep(2 * time.Second)
		l.release(held, hold, false)
		synctest.Wait()
		require.Equal(t, []string{"0 false", "1 true"}, got)
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		_, ok = l.acquire(canceled, time.Hour)
		require.False(t, ok)
		_, inFlight, waiting := l.stats()
		require.Equal(t, []int{1, 0}, []int{inFlight, waiting})
	})
}

func TestEndpointsAreForgotten(t *testing.T) {
	s := newEndpoints(1, 10, 10)
	now := time.Now()
	busy := s.get("busy", "busy", now)
	_, ok := busy.limiter.acquire(t.Context(), 0)
	require.True(t, ok)
	for i := range 3 * maxEndpoints {
		s.get(fmt.Sprint(i), fmt.Sprint(i), now)
		if i == maxEndpoints {
			now = now.Add(time.Hour)
		}
	}
	require.LessOrEqual(t, len(s.byKey), maxEndpoints)
	require.LessOrEqual(t, len(s.byHost), maxEndpoints)
	require.Same(t, busy, s.get("busy", "busy", now))
	require.Same(t, s.get("busy/a", "busy", now).limiter, busy.limiter)
}

func TestMemoryIsBounded(t *testing.T) {
	m := newMemory(3)
	for i := range 10 {
		m.answered(task.ID{byte(i)}, "e", 1)
	}
	require.Len(t, m.byTask, 3)
	require.False(t, m.holds(task.ID{6}, "e", 1))
	require.True(t, m.holds(task.ID{7}, "e", 1))
	require.False(t, m.holds(task.ID{7}, "f", 1))
	require.False(t, m.holds(task.ID{7}, "e", 2))
	m.broke(task.ID{7})
	require.Equal(t, 1, m.breaks(task.ID{7}))
	m.forget(task.ID{7})
	m.forget(task.ID{7})
	require.False(t, m.holds(task.ID{7}, "e", 1))
	require.Equal(t, 2, m.recent.Len())
}

func FuzzState(f *testing.F) {
	s := state{variant: typedState, typeURL: "a/b", bytes: []byte("x"), most: 3, seen: 9, ours: true}
	f.Add(s.encode())
	f.Add([]byte("\x01\x08\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeState(b)
		if err != nil || b == nil {
			return
		}
		again, err := decodeState(s.encode())
		require.NoError(t, err)
		require.Equal(t, s.size(), again.size())
	})
}

// What runs apart has the host to itself: it waits for the runs under way, and
// nothing begins beside it before its time is over.
func TestARunApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1, 10, 10)
		held, _ := l.acquire(t.Context(), 0)
		begun := make(chan ticket, 2)
		go func() {
			tk, ok := l.acquireApart(t.Context(), time.Second, 10*time.Second)
			require.True(t, ok)
			begun <- tk
		}()
		synctest.Wait()
		_, ok := l.acquireApart(t.Context(), time.Second, time.Second)
		require.False(t, ok, "two runs apart at a time")
		beside := make(chan time.Time, 1)
		go func() {
			tk, ok := l.acquire(t.Context(), time.Hour)
			require.True(t, ok)
			beside <- time.Now()
			l.release(tk, hold, false)
		}()
		synctest.Wait()
		require.Empty(t, begun)
		l.release(held, hold, false)
		apart, from := <-begun, time.Now()
		require.Equal(t, 10*time.Second, (<-beside).Sub(from), "others go on when its time is over")
		synctest.Wait()
		require.True(t, l.release(apart, hold, true), "it broke when nothing else was under way")
	})
}

func TestARunApartGivesUpWhenOthersTakeLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1, 10, 10)
		held, _ := l.acquire(t.Context(), 0)
		_, ok := l.acquireApart(t.Context(), time.Second, time.Minute)
		require.False(t, ok)
		other, ok := l.acquire(t.Context(), 0)
		require.True(t, ok, "the host is open again")
		l.release(other, hold, false)
		require.True(t, l.release(held, shrink, true))
		limit, inFlight, _ := l.stats()
		require.Equal(t, []int{10, 0}, []int{limit, inFlight}, "one run alone was not too many")
	})
}

func TestRunsThatBreakTogetherAreNotAlone(t *testing.T) {
	l := newLimiter(1, 10, 10)
	first, _ := l.acquire(t.Context(), 0)
	second, _ := l.acquire(t.Context(), 0)
	require.False(t, l.release(first, shrink, true))
	require.False(t, l.release(second, shrink, true), "the last to be noticed is not the only one that broke")
	third, _ := l.acquire(t.Context(), 0)
	require.True(t, l.release(third, shrink, true))
}
