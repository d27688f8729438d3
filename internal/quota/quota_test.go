package quota_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/quota"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func TestALimitHoldsOverAllNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, stop := newTown(t, 3, quota.Limits{Concurrency: 7})
		defer stop()
		for range 5 {
			w.put(t, 0, 300)
			time.Sleep(time.Second)
		}
		time.Sleep(30 * time.Second)
		most, over, ended, started := w.counts()
		require.Equal(t, []int{7, 0, 1500}, []int{most, over, ended})
		for i, n := range started {
			require.Greater(t, n, 100, "node %d got no share of the work", i)
		}
		slots, _ := w.shares(t)
		require.LessOrEqual(t, sum(slots), int32(7))
	})
}

func TestAShareFollowsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, stop := newTown(t, 3, quota.Limits{Concurrency: 10})
		defer stop()
		for i := range 3 { // all that waits is for one node, and then for the next
			w.put(t, i+1, 600)
			time.Sleep(2 * time.Second)
			slots, _ := w.shares(t)
			require.Equal(t, int32(10), slots[i], "%v", slots)
			time.Sleep(8 * time.Second)
		}
		most, over, ended, _ := w.counts()
		require.Equal(t, []int{10, 0, 1800}, []int{most, over, ended})
		w.put(t, 1, 2000)
		w.put(t, 2, 2000)
		time.Sleep(3 * time.Second)
		slots, _ := w.shares(t)
		require.Equal(t, []int32{5, 5, 0}, slots, "who waits gets the same")
	})
}

func TestOneSlotIsHadByEachInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, stop := newTown(t, 3, quota.Limits{Concurrency: 1})
		defer stop()
		for i := range 3 {
			w.put(t, i+1, 400)
		}
		time.Sleep(62 * time.Second)
		most, over, _, started := w.counts()
		require.Equal(t, []int{1, 0}, []int{most, over})
		for i, n := range started {
			require.Greater(t, n, 100, "node %d starves: %v", i, started)
		}
	})
}

func TestALimitThatIsChangedHoldsWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, stop := newTown(t, 3, quota.Limits{})
		defer stop()
		w.put(t, 0, 5000)
		time.Sleep(time.Second)
		most, _, _, _ := w.counts()
		require.Equal(t, 300, most, "there is no limit")
		for _, limit := range []int32{6, 2, 9, 1, 30} {
			w.set(quota.Limits{Concurrency: limit})
			time.Sleep(2 * time.Second) // within one, and what was under way has ended
			w.mu.Lock()
			w.most, w.over = w.running, 0
			w.mu.Unlock()
			time.Sleep(5 * time.Second)
			most, over, _, _ := w.counts()
			require.Equal(t, []int{int(limit), 0}, []int{most, over})
		}
		w.put(t, 0, 5000)
		w.set(quota.Limits{})
		time.Sleep(2 * time.Second)
		most, _, _, _ = w.counts()
		require.Equal(t, 300, most)
		all, err := w.Shares(t.Context())
		require.NoError(t, err)
		require.Empty(t, all, "who has no limit has no shares")
	})
}

func TestTheShareOfALostNodeGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, stop := newTown(t, 3, quota.Limits{Concurrency: 9})
		defer stop()
		w.put(t, 0, 3000)
		time.Sleep(5 * time.Second)
		slots, _ := w.shares(t)
		require.Equal(t, []int32{3, 3, 3}, slots)
		bury := w.kill(w.nodes[0])
		time.Sleep(5 * time.Second)
		slots, _ = w.shares(t)
		require.Equal(t, []int32{3, 3, 3}, slots, "nobody knows that it is gone")
		bury(t) // as its last claim has been taken back
		time.Sleep(3 * time.Second)
		slots, _ = w.shares(t)
		require.Equal(t, int32(9), slots[1]+slots[2])
		_, over, _, _ := w.counts()
		require.Zero(t, over)
	})
}

func TestWhoLosesItsLeaseStartsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, stop := newTown(t, 1, quota.Limits{Concurrency: 3, Rate: task.Rate{N: 10, Per: time.Second}})
		defer stop()
		time.Sleep(time.Second)
		n := w.nodes[0]
		require.Equal(t, map[int32]store.Amount{w.lanes[0].QueueID: {Slots: 3, Burst: 1}}, n.keeper.Shares())
		w.lose(n)(t)
		w.put(t, 0, 10)
		time.Sleep(3 * time.Second)
		_, _, _, started := w.counts()
		require.Equal(t, []int{0}, started)
		w.join(t, n)
		time.Sleep(5 * time.Second)
		_, over, ended, _ := w.counts()
		require.Equal(t, []int{0, 10}, []int{over, ended})
	})
}

func TestWhatDoesNotChangeIsNotWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, stop := newTown(t, 3, quota.Limits{Concurrency: 6})
		defer stop()
		w.put(t, 0, 600)
		time.Sleep(15 * time.Second)
		before := w.asked.Load()
		time.Sleep(time.Hour)
		require.LessOrEqual(t, w.asked.Load()-before, int64(3), "an idle queue is written about all the time")
		_, _, ended, _ := w.counts()
		require.Equal(t, 600, ended)
	})
}

// within checks that no time has more starts than it may.
func within(t *testing.T, starts []time.Time, perSecond float64, burst int) {
	t.Helper()
	for i := range starts {
		for j := i; j < len(starts); j++ {
			seconds := starts[j].Sub(starts[i]).Seconds()
			if n := j - i + 1; float64(n) > perSecond*seconds+float64(burst)+1e-6 {
				t.Fatalf("%d starts in %v: more than %v a second and %d at once", n, starts[j].Sub(starts[i]), perSecond, burst)
			}
		}
	}
}

func TestARateHoldsOverAllNodes(t *testing.T) {
	for _, c := range []struct {
		rate  task.Rate
		burst int32
		least int // starts in the 60 s
	}{
		{task.Rate{N: 100, Per: time.Second}, 20, 5800},
		{task.Rate{N: 10, Per: time.Second}, 1, 540},
		{task.Rate{N: 30, Per: time.Minute}, 5, 30},
	} {
		t.Run(c.rate.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, stop := newTown(t, 3, quota.Limits{Rate: c.rate, Burst: c.burst})
				defer stop()
				time.Sleep(10 * time.Second)
				w.put(t, 0, 3000)
				w.put(t, 2, 3000)
				time.Sleep(30 * time.Second)
				w.start(t, 0)
				time.Sleep(30 * time.Second)
				perSecond := float64(c.rate.N) / c.rate.Per.Seconds()
				w.mu.Lock()
				starts := w.starts
				w.mu.Unlock()
				within(t, starts, perSecond, int(c.burst))
				require.GreaterOrEqual(t, len(starts), c.least)
			})
		})
	}
}

func TestARateHoldsAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rate := task.Rate{N: 10, Per: time.Second}
		w, stop := newTown(t, 2, quota.Limits{Rate: rate, Burst: 5})
		defer stop()
		w.put(t, 0, 2000)
		time.Sleep(10 * time.Second)
		buryOne, buryTwo := w.kill(w.nodes[0]), w.kill(w.nodes[1])
		time.Sleep(time.Hour)
		buryOne(t)
		buryTwo(t)
		w.start(t, 0)
		w.start(t, 1)
		time.Sleep(20 * time.Second)
		w.mu.Lock()
		starts := w.starts
		w.mu.Unlock()
		within(t, starts, 10, 5)
		require.Greater(t, len(starts), 250)
	})
}

func TestARateThatIsOneNodesAloneIsAllOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, stop := newTown(t, 3, quota.Limits{Rate: task.Rate{N: 20, Per: time.Second}, Burst: 4})
		defer stop()
		for i := range 3 {
			w.mu.Lock()
			before := len(w.starts)
			w.mu.Unlock()
			w.put(t, i+1, 400)
			time.Sleep(12 * time.Second)
			w.mu.Lock()
			n := len(w.starts) - before
			w.mu.Unlock()
			require.Greater(t, n, 190, "node %d has part of the rate only", i)
			time.Sleep(30 * time.Second)
		}
		within(t, w.starts, 20, 4)
	})
}

// TestLimitsHoldWhateverHappens: nodes come, are killed, lose their leases and join
// again, and what waits is now for all and now for one of them.
func TestLimitsHoldWhateverHappens(t *testing.T) {
	for seed := range uint64(4) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			limits := quota.Limits{Concurrency: 1 + r.Int32N(9), Rate: task.Rate{N: 20, Per: time.Second}, Burst: 1 + r.Int32N(9)}
			w, stop := newTown(t, 5, limits)
			defer stop()
			w.mu.Lock()
			w.takes = time.Duration(50+r.IntN(1000)) * time.Millisecond
			w.mu.Unlock()
			var buried []func(*testing.T)
			var away []*node
			for range 60 {
				alive := w.alive()
				switch n := alive[r.IntN(len(alive))]; r.IntN(7) {
				case 0:
					w.put(t, r.IntN(6), 50)
				case 1:
					w.put(t, 0, 20)
				case 2:
					if len(alive) > 1 && !slices.Contains(away, n) {
						buried = append(buried, w.kill(n))
					}
				case 3:
					w.start(t, r.IntN(5))
				case 4:
					if !slices.Contains(away, n) {
						buried, away = append(buried, w.lose(n)), append(away, n)
					}
				case 5:
					for _, n := range away {
						w.join(t, n)
					}
					away = nil
				case 6:
					for _, bury := range buried {
						bury(t)
					}
					buried = nil
				}
				time.Sleep(time.Duration(r.IntN(3000)) * time.Millisecond)
			}
			for _, n := range away {
				w.join(t, n)
			}
			for _, bury := range buried {
				bury(t)
			}
			w.put(t, 0, 10)
			time.Sleep(20 * time.Minute)
			most, over, _, _ := w.counts()
			require.Zero(t, over, "seed %d: %d of %+v at a time", seed, most, limits)
			waiting, err := w.Occupied(t.Context(), []int32{w.lanes[0].ID})
			require.NoError(t, err)
			require.Empty(t, waiting, "seed %d: tasks wait, and nobody has a share", seed)
			for _, n := range w.alive() {
				for try := 0; try < 100 && n.room.Total() > 0; try++ {
					time.Sleep(7 * time.Millisecond) // a look holds places while it claims
				}
				require.Zero(t, n.room.Total(), "a place did not come back")
			}
			require.Less(t, w.asked.Load(), int64(2000), "shares go back and forth")
			slots, burst := w.shares(t)
			require.LessOrEqual(t, sum(slots), limits.Concurrency)
			require.LessOrEqual(t, sum(burst), limits.Burst)
			w.mu.Lock()
			defer w.mu.Unlock()
			within(t, w.starts, 20, int(limits.Burst))
		})
	}
}
