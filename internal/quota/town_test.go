package quota_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
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
	n     uint32

	mu      sync.Mutex
	ids     int
	limits  quota.Limits
	takes   time.Duration
	running int
	most    int
	over    int // starts beyond the limit
	starts  []time.Time
	ended   int
}

type node struct {
	keeper *quota.Keeper
	loop   *claim.Loop
	room   *claim.Room
	cancel context.CancelFunc
	over   sync.WaitGroup

	// With the town's lock held:
	id      task.ID
	dead    bool
	starts  int
	running int // attempts that count: not those of a lease that is lost
	life    int // rises with each lease
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
			n.loop.Drain(context.Background(), nil)
		}
	}
}

// start brings a node up that serves the lane for all and the i-th of its own.
func (w *town) start(t *testing.T, i int) *node {
	n := &node{room: claim.NewRoom()}
	w.join(t, n)
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	lanes := []store.Lane{w.lanes[0], w.lanes[i+1]}
	n.keeper = quota.New(quota.Config{
		Store: w.floor, Room: room{n.room}, Node: func() (task.ID, bool) { return w.ident(n) },
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
			for _, other := range w.alive() {
				if other != n {
					other.keeper.Look()
				}
			}
		},
	})
	n.loop = claim.New(claim.Config{
		Within: n.room, Room: claim.Slots(100), Store: w.floor, Node: func() (task.ID, bool) { return w.ident(n) },
		Lanes: func() []store.Lane { return lanes },
		Execute: func(_ context.Context, _ *store.Claimed, begin func()) func() {
			if begin != nil {
				begin()
			}
			w.execute(n)
			return nil
		},
	})
	w.mu.Lock()
	w.nodes = append(w.nodes, n)
	w.mu.Unlock()
	n.over.Go(func() { _ = n.keeper.Run(ctx) })
	n.over.Go(func() { _ = n.loop.Run(ctx) })
	return n
}

// join gives a node a lease under a new id.
func (w *town) join(t *testing.T, n *node) {
	w.mu.Lock()
	w.ids++
	id := task.ID{1, byte(w.ids >> 8), byte(w.ids)}
	w.mu.Unlock()
	require.NoError(t, w.Register(t.Context(), store.Node{ID: id}, forever))
	w.mu.Lock()
	n.id = id
	w.mu.Unlock()
}

func (w *town) ident(n *node) (id task.ID, trusted bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return n.id, !n.dead && n.id != task.ID{}
}

func (w *town) alive() (nodes []*node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.nodes {
		if !n.dead {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

func (n *node) stop() {
	n.cancel()
	n.over.Wait()
}

// kill ends a node, whose row goes when bury is called.
func (w *town) kill(n *node) (bury func(t *testing.T)) {
	w.mu.Lock()
	n.dead = true
	id := n.id
	w.mu.Unlock()
	n.stop()
	w.forgetRunning(n)
	return func(t *testing.T) { require.NoError(t, w.Leave(t.Context(), id)) }
}

// lose takes a node its lease. It has none until it joins again.
func (w *town) lose(n *node) (bury func(t *testing.T)) {
	w.mu.Lock()
	id := n.id
	n.id = task.ID{}
	w.mu.Unlock()
	n.keeper.Lost()
	w.forgetRunning(n)
	return func(t *testing.T) { require.NoError(t, w.Leave(t.Context(), id)) }
}

// forgetRunning counts the attempts of a lost lease no more.
func (w *town) forgetRunning(n *node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running -= n.running
	n.running = 0
	n.life++
}

func (w *town) execute(n *node) {
	w.mu.Lock()
	takes, life := w.takes, n.life
	w.running++
	n.running++
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
	w.ended++
	if n.life == life {
		w.running--
		n.running--
	}
}

// put stores tasks in a lane, and wakes the nodes.
func (w *town) put(t *testing.T, lane, count int) {
	var tasks []store.NewTask
	for range count {
		w.n++
		tasks = append(tasks, store.NewTask{ID: task.ID{2, byte(w.n >> 16), byte(w.n >> 8), byte(w.n)}, Lane: w.lanes[lane].ID, Priority: 5, Kind: task.HTTP, MaxAttempts: 1})
	}
	_, woken, err := w.Insert(t.Context(), tasks, false)
	require.NoError(t, err)
	for _, n := range w.alive() {
		n.loop.Wake(woken)
	}
}

func (w *town) set(limits quota.Limits) {
	w.mu.Lock()
	w.limits = limits
	w.mu.Unlock()
	for _, n := range w.alive() {
		n.keeper.Note()
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
