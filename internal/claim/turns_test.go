package claim

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/storetest"
	"github.com/sendoff-dev/sendoff/task"
)

// town is a loop that claims from the lines of groups.
type town struct {
	*floor
	*Loop
	lanes   map[int32]store.Lane
	weights map[string]int32

	mu      sync.Mutex
	n       uint32
	started []string // groups, as their tasks started
}

func newTown(t *testing.T, slots int, within *Room, weights map[string]int32) *town {
	f := &floor{Oracle: storetest.NewOracle(func() int64 { return time.Now().UnixMicro() })}
	h := &town{floor: f, lanes: map[int32]store.Lane{}, weights: weights}
	node := task.ID{1}
	require.NoError(t, f.Register(t.Context(), store.Node{ID: node}, 1e15))
	h.Loop = New(Config{
		Name: "test", Room: Slots(slots), Within: within, Store: f, Node: func() (task.ID, bool) { return node, true },
		Lanes: func() (all []store.Lane) {
			h.mu.Lock()
			defer h.mu.Unlock()
			for _, l := range h.lanes {
				all = append(all, l)
			}
			return all
		},
		Weight: func(l store.Lane) int32 { return h.weights[l.Group] },
		Execute: func(_ context.Context, c *store.Claimed, _ func()) func() {
			h.mu.Lock()
			l := h.lanes[c.Lane]
			h.started = append(h.started, l.Queue+"/"+l.Group)
			h.mu.Unlock()
			time.Sleep(time.Second)
			return nil
		},
	})
	return h
}

// put has n tasks of a group wait, of each priority.
func (h *town) put(t *testing.T, queue, group string, n int, priorities ...int16) {
	if len(priorities) == 0 {
		priorities = []int16{5}
	}
	h.mu.Lock()
	h.floor.mu.Lock()
	lane, err := h.EnsureLane(t.Context(), 1, queue, store.GroupPool(task.AnyPool, group), 10)
	h.floor.mu.Unlock()
	require.NoError(t, err)
	h.lanes[lane.ID] = lane
	var list []store.NewTask
	for range n {
		for _, p := range priorities {
			h.n++
			id := task.ID{2}
			binary.BigEndian.PutUint32(id[4:], h.n)
			list = append(list, store.NewTask{ID: id, Lane: lane.ID, Priority: p, Kind: task.HTTP, MaxAttempts: 1})
		}
	}
	h.mu.Unlock()
	h.Wake(h.insert(list...))
}

// run has so many tasks start, and tells of which groups they were.
func (h *town) run(t *testing.T, starts int) []string {
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() { defer close(over); _ = h.Run(ctx) }()
	had := func() int {
		h.mu.Lock()
		defer h.mu.Unlock()
		return len(h.started)
	}
	from := had()
	for i := 0; had() < from+starts && i < 10*starts; i++ {
		time.Sleep(time.Second)
	}
	cancel()
	<-over
	h.Drain(context.Background(), nil)
	h.mu.Lock()
	defer h.mu.Unlock()
	require.GreaterOrEqual(t, len(h.started), from+starts, "something is ready, and does not start")
	return h.started[from : from+starts]
}

func counts(started []string) map[string]int {
	n := map[string]int{}
	for _, of := range started {
		n[of]++
	}
	return n
}

func TestSmallGroupsDoNotWaitForABigOne(t *testing.T) {
	for _, slots := range []int{1, 10, 100} {
		synctest.Test(t, func(t *testing.T) {
			h := newTown(t, slots, nil, nil)
			h.put(t, "q", "big", 320)
			for i := range 49 {
				h.put(t, "q", fmt.Sprint("small", i), 2)
			}
			started := counts(h.run(t, 200+slots))
			delete(started, "q/big")
			require.Len(t, started, 49, "all have had their turns beside it")
			for group, n := range started {
				require.Equal(t, 2, n, group)
			}
		})
	}
}

func TestGroupsStartTasksByTheirWeights(t *testing.T) {
	for _, slots := range []int{7, 200} {
		synctest.Test(t, func(t *testing.T) {
			h := newTown(t, slots, nil, map[string]int32{"four": 4, "two": 2})
			for _, group := range []string{"one", "two", "four", ""} {
				h.put(t, "q", group, 420)
			}
			n := counts(h.run(t, 800))
			aside := 10 + float64(slots)/2 // the last claim is counted in part, and what it got begins in any order
			for group, want := range map[string]float64{"q/four": 400, "q/two": 200, "q/one": 100, "q/": 100} {
				require.InDelta(t, want, n[group], aside, "%s of %v with room for %d", group, n, slots)
			}
		})
	}
}

func TestWhatAGroupDidAloneIsNotHeldAgainstIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTown(t, 10, nil, nil)
		h.put(t, "q", "early", 500)
		h.run(t, 300)
		h.put(t, "q", "late", 150)
		require.InDelta(t, 100, counts(h.run(t, 200))["q/early"], 12)
	})
}

func TestTurnsThatWereNotTakenAreNotSavedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTown(t, 10, nil, nil)
		h.put(t, "q", "rare", 1)
		h.put(t, "q", "busy", 500)
		h.run(t, 300)
		h.put(t, "q", "rare", 150)
		require.InDelta(t, 100, counts(h.run(t, 200))["q/rare"], 12)
	})
}

func TestTheGroupsOfAQueueShareWithOtherQueuesAsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTown(t, 8, nil, nil)
		h.put(t, "plain", "", 300)
		for i := range 50 {
			h.put(t, "fair", fmt.Sprint(i), 10)
		}
		require.InDelta(t, 200, counts(h.run(t, 400))["plain/"], 20)
	})
}

func TestPrioritiesComeBeforeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTown(t, 4, nil, map[string]int32{"heavy": 100})
		h.put(t, "q", "heavy", 200, 9)
		h.put(t, "q", "light", 200, 0)
		require.LessOrEqual(t, counts(h.run(t, 100))["q/heavy"], 12, "but for the twentieth of the lowest one, and a first claim")
	})
}

func TestGroupsTakeTurnsWithinALimitOfTheirQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room := NewRoom()
		h := newTown(t, 100, room, nil)
		for i := range 10 {
			h.put(t, "q", fmt.Sprint(i), 40)
		}
		room.Limit(map[int32]int{h.lanes[1].QueueID: 5})
		for group, n := range counts(h.run(t, 200)) {
			require.InDelta(t, 20, n, 8, group)
		}
	})
}

func TestAClaimAsksNoMoreLinesOfAQueueThanItCanPayFor(t *testing.T) {
	ls := newLines()
	for lane := int32(1); lane <= 1000; lane++ {
		ls.addLane(store.Lane{ID: lane, QueueID: 1, Pool: task.AnyPool, Group: fmt.Sprint(lane)}, 1)
		ls.lower(store.Woken{Lane: lane, Priority: 5, Position: 1})
	}
	asked := map[int32]bool{}
	for range 1000/mostAsked + 1 {
		slots := ls.request(160, false)
		require.LessOrEqual(t, len(slots), mostAsked)
		for _, s := range slots {
			require.False(t, asked[s.Lane], "those that had nothing are not asked again")
			asked[s.Lane] = true
		}
		ls.claimed(slots, &store.ClaimBatch{}, 160)
	}
	require.Len(t, asked, 1000)
	require.False(t, ls.anyWaiting())

	ls.allWaiting()
	for _, l := range slices.Clone(ls.awake) {
		ls.rest(l)
	}
	ls.allWaiting()
	require.LessOrEqual(t, len(ls.awake), 10_000/nowAndThen, "what has always been empty is looked at now and then")
}
