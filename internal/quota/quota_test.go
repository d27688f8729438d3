package quota_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/claim"
	"github.com/sendoff-dev/sendoff/internal/quota"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/storetest"
	"github.com/sendoff-dev/sendoff/task"
)

// floor is the oracle, with commits that take time.
type floor struct {
	*storetest.Shared
	asked atomic.Int64
}

func (f *floor) Claim(ctx context.Context, r store.ClaimRequest) (store.ClaimBatch, error) {
	time.Sleep(time.Millisecond)
	return f.Shared.Claim(ctx, r)
}

func (f *floor) Share(ctx context.Context, node task.ID, asks []store.Ask) ([]store.Granted, error) {
	time.Sleep(time.Millisecond)
	f.asked.Add(1)
	return f.Shared.Share(ctx, node, asks)
}

// room is a claim.Room as a Keeper sees it.
type room struct{ *claim.Room }

func (r room) Pace(queue int32, every time.Duration, burst int, credit float64) float64 {
	return r.Room.Pace(queue, claim.Pace{Every: every, Burst: burst}, credit)
}

func (r room) Lately() map[int32]quota.Pressure {
	out := map[int32]quota.Pressure{}
	for queue, l := range r.Room.Lately() {
		out[queue] = quota.Pressure{Peak: l.Peak, Started: l.Started, Slots: l.Pressed&claim.BySlots != 0, Rate: l.Pressed&claim.ByRate != 0}
	}
	return out
}

// town is some nodes over one store, and an auditor who counts what runs. The queue
// has a lane for all nodes and one for each.
type town struct {
	*floor
	lanes []store.Lane // the first is for all
	nodes []*node
	n     uint16

	mu      sync.Mutex
	limits  quota.Limits
	takes   time.Duration
	running int
	most    int
	over    int // starts beyond the limit
	starts  []time.Time
	ended   int
}

type node struct {
	id     task.ID
	keeper *quota.Keeper
	loop   *claim.Loop
	room   *claim.Room
	stop   context.CancelFunc
	over   sync.WaitGroup
	dead   bool
	starts int
}

const forever = int64(1e15)

func newTown(t *testing.T, nodes int, limits quota.Limits) (*town, func()) {
	f := &floor{Shared: storetest.NewShared(func() int64 { return time.Now().UnixMicro() })}
	w := &town{floor: f, limits: limits, takes: 100 * time.Millisecond}
	for i := range nodes + 1 {
		pool := task.AnyPool
		if i > 0 {
			pool = task.LocalPool(string(rune('a' + i - 1)))
		}
		lane, err := f.EnsureLane(t.Context(), 1, "q", pool, 10)
		require.NoError(t, err)
		w.lanes = append(w.lanes, lane)
	}
	for i := range nodes {
		w.start(t, i)
	}
	return w, func() {
		for _, n := range w.nodes {
			n.stop()
			n.over.Wait()
			n.loop.Drain(context.Background(), nil)
		}
	}
}

// start brings a node up that serves the lane for all and the i-th of its own.
func (w *town) start(t *testing.T, i int) *node {
	n := &node{id: task.ID{1, byte(len(w.nodes) + 1)}, room: claim.NewRoom()}
	require.NoError(t, w.Register(t.Context(), store.Node{ID: n.id}, forever))
	ctx, stop := context.WithCancel(context.Background())
	n.stop = stop
	lanes := []store.Lane{w.lanes[0], w.lanes[i+1]}
	n.keeper = quota.New(quota.Config{
		Store: w.floor, Room: room{n.room}, Node: func() (task.ID, bool) { return n.id, true },
		Lanes: func() []store.Lane { return lanes },
		Limits: func() map[int32]quota.Limits {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.limits.Concurrency == 0 && w.limits.Rate.N == 0 {
				return nil
			}
			return map[int32]quota.Limits{w.lanes[0].QueueID: w.limits}
		},
		Tell: func() {
			for _, other := range w.nodes {
				if other != n && !other.dead {
					other.keeper.Look()
				}
			}
		},
	})
	n.loop = claim.New(claim.Config{
		Within: n.room, Room: claim.Slots(100), Store: w.floor, Node: func() (task.ID, bool) { return n.id, !n.dead },
		Lanes:   func() []store.Lane { return lanes },
		Execute: func(context.Context, *store.Claimed) func() { w.execute(n); return nil },
	})
	w.nodes = append(w.nodes, n)
	n.over.Go(func() { _ = n.keeper.Run(ctx) })
	n.over.Go(func() { _ = n.loop.Run(ctx) })
	return n
}

func (w *town) execute(n *node) {
	w.mu.Lock()
	takes := w.takes
	w.running++
	w.most = max(w.most, w.running)
	if limit := int(w.limits.Concurrency); limit > 0 && w.running > limit {
		w.over++
	}
	w.starts = append(w.starts, time.Now())
	n.starts++
	w.mu.Unlock()
	time.Sleep(takes)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running--
	w.ended++
}

// put stores tasks in a lane, and wakes the nodes.
func (w *town) put(t *testing.T, lane, count int) {
	var tasks []store.NewTask
	for range count {
		w.n++
		tasks = append(tasks, store.NewTask{ID: task.ID{2, byte(w.n >> 8), byte(w.n)}, Lane: w.lanes[lane].ID, Priority: 5, Kind: task.HTTP, MaxAttempts: 1})
	}
	_, woken, err := w.Insert(t.Context(), tasks, false)
	require.NoError(t, err)
	for _, n := range w.nodes {
		if !n.dead {
			n.loop.Wake(woken)
		}
	}
}

func (w *town) set(limits quota.Limits) {
	w.mu.Lock()
	w.limits = limits
	w.mu.Unlock()
	for _, n := range w.nodes {
		if !n.dead {
			n.keeper.Note()
		}
	}
}

func (w *town) counts() (most, over, ended int, started []int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.nodes {
		started = append(started, n.starts)
	}
	return w.most, w.over, w.ended, started
}

// shares is what the nodes have, by their number.
func (w *town) shares(t *testing.T) (slots, burst []int32) {
	all, err := w.Shares(t.Context())
	require.NoError(t, err)
	slots, burst = make([]int32, len(w.nodes)), make([]int32, len(w.nodes))
	for _, s := range all {
		for i, n := range w.nodes {
			if n.id == s.Node {
				slots[i], burst[i] = s.Has.Slots, s.Has.Burst
			}
		}
	}
	return slots, burst
}

func sum(n []int32) (total int32) {
	for _, one := range n {
		total += one
	}
	return total
}

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
		lost := w.nodes[0]
		lost.dead = true
		lost.stop()
		lost.over.Wait()
		time.Sleep(5 * time.Second)
		slots, _ = w.shares(t)
		require.Equal(t, []int32{3, 3, 3}, slots, "nobody knows that it is gone")
		require.NoError(t, w.Leave(t.Context(), lost.id)) // as its last claim has been taken back
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
		require.NoError(t, w.Leave(t.Context(), n.id))
		n.keeper.Lost()
		w.put(t, 0, 10)
		time.Sleep(3 * time.Second)
		_, _, _, started := w.counts()
		require.Equal(t, []int{0}, started)
		require.NoError(t, w.Register(t.Context(), store.Node{ID: n.id}, forever))
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
		var ids []task.ID
		for _, n := range w.nodes {
			n.dead = true
			n.stop()
			n.over.Wait()
			ids = append(ids, n.id)
		}
		time.Sleep(time.Hour)
		for _, id := range ids {
			require.NoError(t, w.Leave(t.Context(), id))
		}
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
