package claim

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/storetest"
	"github.com/sendoff-dev/sendoff/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// floor is the oracle with a lock, as a store that several goroutines use.
type floor struct {
	*storetest.Oracle
	mu     sync.Mutex
	claims int
}

func (f *floor) Claim(ctx context.Context, req store.ClaimRequest) (store.ClaimBatch, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.claims++
	return f.Oracle.Claim(ctx, req)
}

func (f *floor) Probe(ctx context.Context, lane int32, prio int16, from, to int64) (int64, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.Oracle.Probe(ctx, lane, prio, from, to)
}

func (f *floor) insert(tasks ...store.NewTask) []store.Woken {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, woken, _ := f.Insert(context.Background(), tasks, false)
	return woken
}

type rig struct {
	*floor
	*Loop
	lane store.Lane
	node task.ID
	ran  chan task.ID
	n    byte

	trusted atomic.Bool
	commit  atomic.Int64 // how long an attempt that has ended takes to be written
}

// newRig runs a loop with some slots in a bubble; each attempt takes a while.
func newRig(t *testing.T, slots int, takes time.Duration) (r *rig, stop func()) {
	return newPollingRig(t, slots, takes, 0)
}

func newPollingRig(t *testing.T, slots int, takes, poll time.Duration) (r *rig, stop func()) {
	f := &floor{Oracle: storetest.NewOracle(func() int64 { return time.Now().UnixMicro() })}
	r = &rig{floor: f, node: task.ID{1}, ran: make(chan task.ID, 1000)}
	lane, err := f.EnsureLane(t.Context(), 1, "q", task.LocalPool("h"), 10)
	require.NoError(t, err)
	require.NoError(t, f.Register(t.Context(), store.Node{ID: r.node}, 1e15))
	r.lane = lane
	r.trusted.Store(true)
	r.Loop = New(Config{
		Name: "test", Room: Slots(slots), Poll: poll, Store: f, Lanes: func() []store.Lane { return []store.Lane{r.lane} },
		Node: func() (task.ID, bool) { return r.node, r.trusted.Load() },
		Execute: func(ctx context.Context, c *store.Claimed, _ func()) (settle func()) {
			r.ran <- c.ID
			select {
			case <-ctx.Done():
			case <-time.After(takes):
			}
			return func() { time.Sleep(time.Duration(r.commit.Load())) }
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() { defer close(over); _ = r.Run(ctx) }()
	return r, func() { cancel(); <-over; r.Drain(context.Background(), nil) }
}

// next returns the task that starts next. All nets have been cast long before it
// gives up.
func (r *rig) next(t *testing.T) task.ID {
	t.Helper()
	select {
	case id := <-r.ran:
		return id
	case <-time.After(3 * time.Hour):
		t.Fatal("a task is ready, there is room, and it never starts")
		return task.ID{}
	}
}

func (r *rig) draft(prio int16) store.NewTask {
	r.n++
	return store.NewTask{ID: task.ID{2, r.n}, Lane: r.lane.ID, Priority: prio, Kind: task.HTTP, MaxAttempts: 1}
}

func TestAWokenTaskStartsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRig(t, 10, time.Second)
		defer stop()
		synctest.Wait()
		at := time.Now()
		r.Wake(r.insert(r.draft(5)))
		r.next(t)
		require.Zero(t, time.Since(at))
	})
}

func TestATaskNobodyWasToldOfIsFoundByThePoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRig(t, 10, time.Second)
		defer stop()
		synctest.Wait()
		at := time.Now()
		r.insert(r.draft(5))
		r.next(t)
		require.LessOrEqual(t, time.Since(at), 1500*time.Millisecond)
	})
}

func TestATaskThatTheCursorHasJustPassedIsFoundByThePollWhateverPositionsAre(t *testing.T) {
	for _, step := range []int64{10, int64(time.Hour)} {
		synctest.Test(t, func(t *testing.T) {
			r, stop := newRig(t, 10, time.Millisecond)
			defer stop()
			for i := int64(1); i <= 10; i++ {
				n := r.draft(5)
				r.insertAt(n, 2*i*step)
				r.Wake([]store.Woken{{Lane: n.Lane, Priority: 5, Position: 2 * i * step}})
				r.next(t)
				time.Sleep(1400 * time.Millisecond)
				if i%2 == 0 {
					r.insertAt(r.draft(5), (2*i-1)*step) // committed late
					at := time.Now()
					r.next(t)
					require.LessOrEqual(t, time.Since(at), 1500*time.Millisecond)
				}
			}
		})
	}
}

func TestATaskFarBelowTheCursorIsFoundByTheProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRig(t, 10, time.Second)
		defer stop()
		late := r.draft(5)
		time.Sleep(time.Hour)
		r.Wake(r.insert(r.draft(5))) // the cursor is at now
		r.next(t)
		time.Sleep(time.Hour)
		r.insertAt(late, 1_000_000)
		at := time.Now()
		r.next(t)
		require.LessOrEqual(t, time.Since(at), 2*probeRest)
	})
}

// insertAt stores a task with a position of its own.
func (r *rig) insertAt(n store.NewTask, pos int64) {
	r.floor.mu.Lock()
	defer r.floor.mu.Unlock()
	r.Place(n, pos)
}

func TestNoMoreTasksRunThanThereAreSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRig(t, 3, time.Second)
		defer stop()
		for range 10 {
			r.Wake(r.insert(r.draft(5)))
		}
		for range 3 {
			r.next(t)
		}
		synctest.Wait()
		require.Equal(t, 3, r.InFlight())
		require.Empty(t, r.ran)
		at := time.Now()
		for range 7 {
			r.next(t)
		}
		require.Equal(t, 3*time.Second, time.Since(at))
	})
}

// The nets of the loop, poll and probe, would find what a cursor has passed over,
// seconds later.
func TestACursorPassesOverNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const takes = 100 * time.Millisecond
		r, stop := newPollingRig(t, 3, takes, time.Hour)
		defer stop()
		synctest.Wait()
		var line []store.NewTask
		for range 10 {
			line = append(line, r.draft(5))
		}
		at := time.Now()
		woken := r.insert(line...) // at positions that follow one another closely
		r.Wake(woken)
		for i := range line {
			r.next(t)
			require.Equal(t, time.Duration(i/3)*takes, time.Since(at), "task %d did not start when there was room: the cursor had passed it", i+1)
		}
	})
}

func TestAWakeFindsWhatLiesBelowTheCursor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newPollingRig(t, 3, time.Millisecond, time.Hour)
		defer stop()
		time.Sleep(time.Minute)
		r.Wake(r.insert(r.draft(5))) // the cursor is at now
		r.next(t)
		synctest.Wait()
		for _, below := range []time.Duration{time.Microsecond, 100 * time.Millisecond, 30 * time.Second} {
			late, pos := r.draft(5), time.Now().Add(-below).UnixMicro()
			r.insertAt(late, pos)
			at := time.Now()
			r.Wake([]store.Woken{{Lane: late.Lane, Priority: 5, Position: pos}})
			require.Equal(t, late.ID, r.next(t))
			require.Zero(t, time.Since(at), "a task %v below the cursor was told of, and found by chance", below)
			time.Sleep(time.Second) // it has ended
		}
	})
}

func TestALostLeaseEndsAttemptsAndForgetsClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newPollingRig(t, 3, time.Hour, time.Hour)
		defer stop()
		r.Wake(r.insert(r.draft(5), r.draft(5)))
		r.next(t)
		r.next(t)
		synctest.Wait()
		require.Len(t, r.Claims(), 1)
		r.Drop(errors.New("the lease was lost"))
		synctest.Wait()
		require.Zero(t, r.InFlight(), "attempts go on although others may run their tasks")
		require.Empty(t, r.Claims(), "claims count as held although the node that held them is dead")
		r.Wake(r.insert(r.draft(5)))
		r.next(t)
	})
}

func TestNothingIsClaimedOnALeaseThatMayHaveEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRig(t, 3, time.Second)
		defer stop()
		r.trusted.Store(false)
		r.Wake(r.insert(r.draft(5)))
		time.Sleep(time.Minute)
		require.Empty(t, r.ran)
		r.trusted.Store(true)
		r.next(t)
	})
}

func TestClaimsAreClosedWhenTheirTasksAreSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRig(t, 3, time.Second)
		defer stop()
		r.Wake(r.insert(r.draft(5), r.draft(5)))
		time.Sleep(5 * time.Second)
		r.floor.mu.Lock()
		defer r.floor.mu.Unlock()
		s, err := r.Snapshot(t.Context())
		require.NoError(t, err)
		require.Empty(t, s.Claims)
	})
}

func TestASuspectRunsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRig(t, 10, 3*time.Second)
		defer stop()
		r.Wake(r.insert(r.draft(5), r.draft(5)))
		r.next(t)
		r.next(t)
		suspect := r.draft(5)
		suspect.Kind = task.Local
		r.insertSuspect(suspect)
		for id, at := (task.ID{}), time.Now(); id != suspect.ID; {
			require.Less(t, time.Since(at), time.Hour, "the suspect never starts")
			select {
			case id = <-r.ran:
			case <-time.After(300 * time.Millisecond):
				r.Wake(r.insert(r.draft(5)))
			}
		}
		synctest.Wait()
		require.Equal(t, 1, r.InFlight(), "something runs beside the suspect")
		r.next(t)
	})
}

func (r *rig) insertSuspect(n store.NewTask) {
	r.floor.mu.Lock()
	defer r.floor.mu.Unlock()
	r.Suspect(n)
}

func TestIdleLoopsAskLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRig(t, 10, time.Millisecond)
		defer stop()
		r.Wake(r.insert(r.draft(5)))
		r.next(t)
		time.Sleep(time.Minute)
		r.floor.mu.Lock()
		before := r.claims
		r.floor.mu.Unlock()
		time.Sleep(time.Minute)
		r.floor.mu.Lock()
		defer r.floor.mu.Unlock()
		require.LessOrEqual(t, r.claims-before, 75)
	})
}

func TestLinesShareBetweenLanesAndKeepPriorities(t *testing.T) {
	ls := newLines()
	for lane := int32(1); lane <= 3; lane++ {
		for _, prio := range []int16{0, 9} {
			ls.lower(store.Woken{Lane: lane, Priority: prio, Position: 1})
		}
	}
	slots := ls.request(90, false)
	require.Equal(t, int16(9), slots[0].Priority, "the share of the lowest one comes first")
	require.Equal(t, 4, slots[0].Limit)
	require.Equal(t, []int16{0, 0, 0, 9, 9}, prioritiesOf(slots[1:]))
	require.Equal(t, 30, slots[1].Limit)
	require.NotEqual(t, slots[1].Lane, ls.request(90, false)[1].Lane, "lanes take turns")
}

func prioritiesOf(slots []store.ClaimSlot) (out []int16) {
	for _, s := range slots {
		out = append(out, s.Priority)
	}
	return out
}

func TestAWakeDuringAClaimIsNotLost(t *testing.T) {
	ls := newLines()
	ls.lower(store.Woken{Lane: 1, Priority: 5, Position: 100})
	slots := ls.request(10, false)
	batch := store.ClaimBatch{Tasks: []store.Claimed{{Lane: 1, Priority: 5, Position: 200}}}
	ls.claimed(slots, &batch, 10)
	ls.lower(store.Woken{Lane: 1, Priority: 5, Position: 150}) // arrived meanwhile, merged after
	again := ls.request(10, false)
	require.True(t, slices.ContainsFunc(again, func(s store.ClaimSlot) bool { return s.Cursor == 150 }))
}
