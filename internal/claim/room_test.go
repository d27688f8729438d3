package claim

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/storetest"
	"github.com/sendoff-dev/sendoff/task"
)

// house is a node with two loops, which share a room and the queues q and other.
type house struct {
	*floor
	room  *Room
	loops []*Loop
	lanes map[string]store.Lane // by queue and pool
	n     byte

	mu      sync.Mutex
	running map[int32]int // by queue
	most    map[int32]int
	ended   map[int32]int
	starts  func(queue int32, running int)            // with the lock held; nil = nothing
	begins  func(c *store.Claimed, begin func()) bool // of a queue with a rate: whether it does
	size    atomic.Int64                              // room of each loop
}

func newHouse(t *testing.T) (h *house, stop func()) {
	f := &floor{Oracle: storetest.NewOracle(func() int64 { return time.Now().UnixMicro() })}
	h = &house{floor: f, room: NewRoom(), lanes: map[string]store.Lane{}, running: map[int32]int{}, most: map[int32]int{}, ended: map[int32]int{}}
	h.size.Store(10)
	node := task.ID{1}
	require.NoError(t, f.Register(t.Context(), store.Node{ID: node}, 1e15))
	ctx, cancel := context.WithCancel(t.Context())
	var loops sync.WaitGroup
	for _, pool := range []string{"local:a", "local:b"} {
		var lanes []store.Lane
		for _, queue := range []string{"q", "other"} {
			lane, err := f.EnsureLane(t.Context(), 1, queue, pool, 10)
			require.NoError(t, err)
			h.lanes[queue+" "+pool] = lane
			lanes = append(lanes, lane)
		}
		l := New(Config{
			Name: pool, Within: h.room, Room: func() int { return int(h.size.Load()) }, Poll: time.Hour, Store: f,
			Lanes:   func() []store.Lane { return lanes },
			Node:    func() (task.ID, bool) { return node, true },
			Execute: h.execute,
		})
		h.loops = append(h.loops, l)
	}
	for _, l := range h.loops {
		loops.Go(func() { _ = l.Run(ctx) })
	}
	return h, func() {
		cancel()
		loops.Wait()
		for _, l := range h.loops {
			l.Drain(context.Background(), nil)
		}
	}
}

func (h *house) execute(_ context.Context, c *store.Claimed, begin func()) func() {
	queue := h.queueOf(c.Lane)
	if begin != nil && !h.begins(c, begin) {
		return nil
	}
	h.mu.Lock()
	h.running[queue]++
	h.most[queue] = max(h.most[queue], h.running[queue])
	if h.starts != nil {
		h.starts(queue, h.running[queue])
	}
	h.mu.Unlock()
	time.Sleep(time.Second)
	h.mu.Lock()
	h.running[queue]--
	h.ended[queue]++
	h.mu.Unlock()
	return nil
}

func (h *house) queueOf(lane int32) int32 {
	for _, l := range h.lanes {
		if l.ID == lane {
			return l.QueueID
		}
	}
	return 0
}

// put stores tasks of both pools in a queue, half of them in each.
func (h *house) put(queue string, n int, priorities ...int16) (id int32) {
	var tasks []store.NewTask
	for i := range n {
		pool := []string{"local:a", "local:b"}[i%2]
		lane := h.lanes[queue+" "+pool]
		h.n++
		tasks = append(tasks, store.NewTask{ID: task.ID{2, h.n}, Lane: lane.ID, Priority: priorities[i%len(priorities)], Kind: task.HTTP, MaxAttempts: 1})
		id = lane.QueueID
	}
	woken := h.insert(tasks...)
	for _, l := range h.loops {
		l.Wake(woken)
	}
	return id
}

func (h *house) counts(queue int32) (most, ended int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.most[queue], h.ended[queue]
}

func TestALimitOfAQueueHoldsOverAllLoops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, stop := newHouse(t)
		defer stop()
		h.size.Store(20)
		q := h.lanes["q local:a"].QueueID
		h.room.Limit(map[int32]int{q: 3})
		h.put("q", 21, 5, 2, 9)
		other := h.put("other", 20, 5)
		time.Sleep(7*time.Second - time.Millisecond)
		most, ended := h.counts(q)
		require.Equal(t, 3, most)
		require.Equal(t, 18, ended, "places stand empty while tasks wait")
		require.Equal(t, 3, h.room.Running(q))
		time.Sleep(time.Second)
		_, ended = h.counts(q)
		require.Equal(t, 21, ended)
		require.Zero(t, h.room.Total())
		most, ended = h.counts(other)
		require.Equal(t, 20, ended)
		require.Equal(t, 20, most, "a queue without a limit was held back")
	})
}

func TestALimitThatIsRaisedIsUsedAtOnceAndALoweredOneAsAttemptsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, stop := newHouse(t)
		defer stop()
		synctest.Wait()
		q := h.lanes["q local:a"].QueueID
		h.room.Limit(map[int32]int{q: 0})
		h.put("q", 40, 5)
		time.Sleep(time.Minute)
		most, _ := h.counts(q)
		require.Zero(t, most)
		h.room.Limit(map[int32]int{q: 6})
		synctest.Wait()
		require.Equal(t, 6, h.room.Running(q))
		h.room.Limit(map[int32]int{q: 2})
		time.Sleep(1500 * time.Millisecond)
		require.Equal(t, 2, h.room.Running(q))
		h.room.Limit(nil)
		synctest.Wait()
		require.Equal(t, 20, h.room.Running(q), "the limit is gone: only the room of the loops bounds it")
	})
}

func TestRoomThatAppearsIsUsedAtOnceWhenItIsRung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, stop := newHouse(t)
		defer stop()
		h.size.Store(1)
		q := h.put("q", 20, 5)
		synctest.Wait()
		require.Equal(t, 2, h.room.Running(q))
		h.size.Store(4)
		for _, l := range h.loops {
			l.Ring()
		}
		synctest.Wait()
		require.Equal(t, 8, h.room.Running(q))
		h.size.Store(2)
		time.Sleep(1500 * time.Millisecond)
		require.Equal(t, 4, h.room.Running(q), "room that went away is not taken again")
	})
}

func TestAClaimThatFailsGivesItsPlacesBack(t *testing.T) {
	r := NewRoom()
	r.Limit(map[int32]int{7: 3})
	l := New(Config{
		Within: r, Store: storetest.NewOracle(func() int64 { return 0 }), Lanes: func() []store.Lane { return nil },
		Node: func() (task.ID, bool) { return task.ID{}, false }, Execute: func(context.Context, *store.Claimed, func()) func() { return nil },
	})
	l.lines.addLane(store.Lane{ID: 1, QueueID: 7}, 1)
	slots, reserved := r.reserve(l, []store.ClaimSlot{{Lane: 1, Limit: 10}, {Lane: 1, Priority: 1, Limit: 10}})
	require.Equal(t, []store.ClaimSlot{{Lane: 1, Limit: 3}}, slots)
	require.Equal(t, 3, r.Running(7))
	none, _ := r.reserve(l, []store.ClaimSlot{{Lane: 1, Limit: 1}})
	require.Empty(t, none)
	r.enter(reserved, nil)
	require.Zero(t, r.Running(7))
	require.Len(t, l.signal, 1, "who found no place is not rung")
}

// Attempts that are put off do not count: those that are made are as many as the rate
// allows, and no more, however long it takes until they begin.
func TestAnAttemptThatIsNotMadeIsNoStart(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			h, stop := newHouse(t)
			defer stop()
			h.size.Store(50)
			rnd, when := rand.New(rand.NewPCG(seed, 0)), rand.New(rand.NewPCG(seed, 1)) // each for one goroutine at a time
			q := h.lanes["q local:a"].QueueID
			var began []time.Time
			off := 0
			h.begins = func(_ *store.Claimed, begin func()) bool {
				h.mu.Lock()
				hold, made := time.Duration(rnd.IntN(4)/3*rnd.IntN(2000))*time.Millisecond, rnd.IntN(3) == 0
				h.mu.Unlock()
				time.Sleep(hold)
				h.mu.Lock()
				defer h.mu.Unlock()
				if !made {
					off++
					return false
				}
				begin()
				begin()
				began = append(began, time.Now())
				return true
			}
			h.room.Pace(q, Pace{Every: 100 * time.Millisecond, Burst: 5}, 5)
			since := time.Now()
			for range 20 {
				h.put("q", when.IntN(20), 5)
				time.Sleep(time.Duration(when.IntN(1500)) * time.Millisecond)
			}
			time.Sleep(2 * time.Minute)
			h.mu.Lock()
			defer h.mu.Unlock()
			require.Equal(t, int(h.n), off+len(began))
			require.Greater(t, off, len(began))
			for i := range began {
				for j := i; j < len(began); j++ {
					require.LessOrEqual(t, j-i+1, int(began[j].Sub(began[i])/(100*time.Millisecond))+5, "seed %d: from %s to %s", seed, began[i].Sub(since), began[j].Sub(since))
				}
			}
			running, starts := h.room.Uses(q)
			require.Equal(t, []int{0, 0}, []int{running, starts})
		})
	}
}

// What is put off at once is gone at once, and the next start is as soon as without it.
func TestWhatIsPutOffAtOnceTakesNoTimeFromARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, stop := newHouse(t)
		defer stop()
		q := h.lanes["q local:a"].QueueID
		began := 0
		h.begins = func(c *store.Claimed, begin func()) bool {
			if c.Priority == 2 {
				return false
			}
			h.mu.Lock()
			began++
			h.mu.Unlock()
			begin()
			return true
		}
		h.room.Pace(q, Pace{Every: time.Second, Burst: 1}, 1)
		h.put("q", 100, 2)
		h.put("q", 2, 5)
		time.Sleep(10 * time.Millisecond)
		h.mu.Lock()
		require.Equal(t, 1, began)
		h.mu.Unlock()
		time.Sleep(time.Second)
		h.mu.Lock()
		require.Equal(t, 2, began)
		h.mu.Unlock()
	})
}

// Limits come and go while tasks do: no attempt starts beyond the one that holds, and
// every task ends.
func TestNoAttemptStartsBeyondALimit(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			h, stop := newHouse(t)
			defer stop()
			rnd := rand.New(rand.NewPCG(seed, 0))
			q := h.lanes["q local:a"].QueueID
			limit, put := 1<<30, 0
			h.starts = func(queue int32, running int) {
				if queue == q && running > limit {
					t.Errorf("seed %d: %d attempts run, and %d may", seed, running, limit)
				}
			}
			for range 60 {
				synctest.Wait()
				switch rnd.IntN(4) {
				case 0:
					if n := rnd.IntN(6); put+n < 250 {
						put += n
						h.put("q", n, int16(rnd.IntN(10)), int16(rnd.IntN(10)))
					}
				case 1:
					h.mu.Lock()
					limit = rnd.IntN(5)
					h.mu.Unlock()
					h.room.Limit(map[int32]int{q: limit})
				case 2:
					h.mu.Lock()
					limit = 1 << 30
					h.mu.Unlock()
					h.room.Limit(nil)
				}
				time.Sleep(time.Duration(rnd.IntN(700)) * time.Millisecond)
			}
			synctest.Wait()
			h.mu.Lock()
			limit = 1 << 30
			h.mu.Unlock()
			h.room.Limit(nil)
			time.Sleep(time.Minute)
			_, ended := h.counts(q)
			require.Equal(t, put, ended)
			require.Zero(t, h.room.Total())
		})
	}
}
