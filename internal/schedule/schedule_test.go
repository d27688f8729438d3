package schedule

import (
	"context"
	"errors"
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

// floor is the oracle, which can be told to fail.
type floor struct {
	*storetest.Shared
	broken atomic.Pointer[error]
	looks  atomic.Int64 // for due tasks
}

func (f *floor) err() error {
	if broken := f.broken.Load(); broken != nil {
		return *broken
	}
	return nil
}

func (f *floor) PromoteDue(ctx context.Context, limit int) (int, int64, []store.Woken, error) {
	f.looks.Add(1)
	if err := f.err(); err != nil {
		return 0, 0, nil, err
	}
	return f.Shared.PromoteDue(ctx, limit)
}

func (f *floor) Rescue(ctx context.Context, self task.ID, known []task.ID, limit int) (store.Rescued, error) {
	if err := f.err(); err != nil {
		return store.Rescued{}, err
	}
	return f.Shared.Rescue(ctx, self, known, limit)
}

func (f *floor) Retain(ctx context.Context, keep store.Keep, cursor task.ID, limit int) (store.Retained, error) {
	if err := f.err(); err != nil {
		return store.Retained{}, err
	}
	return f.Shared.Retain(ctx, keep, cursor, limit)
}

func (f *floor) TakeTodos(ctx context.Context, limit int, putOff int64) ([]store.Todo, error) {
	if err := f.err(); err != nil {
		return nil, err
	}
	return f.Shared.TakeTodos(ctx, limit, putOff)
}

func (f *floor) FinishTodos(ctx context.Context, done []store.Todo) error {
	if err := f.err(); err != nil {
		return err
	}
	return f.Shared.FinishTodos(ctx, done)
}

// rig runs a scheduler in a bubble. woken gets the time of each wake.
type rig struct {
	*floor
	*Scheduler
	lane  store.Lane
	own   map[int32]task.Retention // of lanes that have their own
	woken chan time.Time
	n     byte
}

// none are the claims of a node that has none.
type none struct{}

func (none) Self() task.ID    { return task.ID{9} }
func (none) Known() []task.ID { return nil }

func newRig(t *testing.T) (r *rig, stop func()) {
	return newRigWith(t, func(context.Context, store.Todo) error { return nil })
}

func newRigWith(t *testing.T, do func(context.Context, store.Todo) error) (r *rig, stop func()) {
	f := &floor{Shared: storetest.NewShared(func() int64 { return time.Now().UnixMicro() })}
	lane, err := f.EnsureLane(t.Context(), 1, "q", task.AnyPool, 10)
	require.NoError(t, err)
	r = &rig{floor: f, lane: lane, own: map[int32]task.Retention{}, woken: make(chan time.Time, 1000)}
	r.Scheduler = New(Config{
		Store: f, Claims: none{},
		Wake: func(w []store.Woken) {
			if len(w) > 0 {
				r.woken <- time.Now()
			}
		},
		Do: do, Lanes: func() map[int32]task.Retention { return r.own },
	})
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() { defer close(over); _ = r.Run(ctx) }()
	return r, func() { cancel(); <-over }
}

// insert stores a task that is due after a while, and returns it.
func (r *rig) insert(t *testing.T, delay time.Duration) store.NewTask {
	t.Helper()
	r.n++
	n := store.NewTask{ID: task.ID{2, r.n}, Lane: r.lane.ID, Priority: 5, Kind: task.HTTP, MaxAttempts: 3, Delay: delay.Microseconds()}
	_, _, err := r.Insert(t.Context(), []store.NewTask{n}, false)
	require.NoError(t, err)
	return n
}

func (r *rig) row(t *testing.T, id task.ID) *store.Row {
	t.Helper()
	rows, err := r.Rows(t.Context(), []task.ID{id})
	require.NoError(t, err)
	if len(rows) == 0 {
		return nil
	}
	return &rows[0]
}

// claim takes everything for a node whose lease is short.
func (r *rig) claim(t *testing.T, lease time.Duration) []store.Claimed {
	t.Helper()
	require.NoError(t, r.Register(t.Context(), store.Node{ID: task.ID{1}}, lease.Microseconds()))
	batch, err := r.Claim(t.Context(), store.ClaimRequest{
		ID: task.ID{7}, Node: task.ID{1}, Limit: 10, Slots: []store.ClaimSlot{{Lane: r.lane.ID, Priority: 5, Limit: 10}},
	})
	require.NoError(t, err)
	return batch.Tasks
}

func TestATaskIsWokenWhenItIsDueAndNotLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRig(t)
		defer stop()
		time.Sleep(time.Minute)
		for _, delay := range []time.Duration{300 * time.Millisecond, time.Minute, time.Hour} {
			due := time.Now().Add(delay)
			r.insert(t, delay)
			r.Due(due.UnixMicro())
			require.WithinDuration(t, due, <-r.woken, time.Microsecond)
		}
	})
}

func TestATaskNobodyTellsOfIsFoundByTheSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRig(t)
		defer stop()
		time.Sleep(time.Minute)
		due := time.Now().Add(10 * time.Millisecond)
		r.insert(t, 10*time.Millisecond) // written by another node
		require.LessOrEqual(t, (<-r.woken).Sub(due), 1250*time.Millisecond)
	})
}

func TestTheNearestOfManyTimersCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRig(t)
		defer stop()
		at := time.Now().Add(500 * time.Millisecond)
		r.insert(t, 500*time.Millisecond)
		for _, later := range []time.Duration{time.Hour, 500 * time.Millisecond, time.Minute} { // faster than they are read
			r.Due(time.Now().Add(later).UnixMicro())
		}
		require.WithinDuration(t, at, <-r.woken, time.Microsecond)
	})
}

func TestAnIdleSchedulerLooksAboutOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRig(t)
		defer stop()
		r.insert(t, 24*time.Hour)
		time.Sleep(time.Minute)
		require.InDelta(t, 60, r.looks.Load(), 20)
	})
}

func TestTheTasksOfALostNodeAreTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRig(t)
		defer stop()
		n := r.insert(t, 0)
		claimed := r.claim(t, 10*time.Second)
		require.Len(t, claimed, 1)
		lost := time.Now().Add(10 * time.Second)
		require.Less(t, (<-r.woken).Sub(lost), 1500*time.Millisecond)
		row := r.row(t, n.ID)
		require.Equal(t, task.Ready, row.State)
		require.Greater(t, row.Token, claimed[0].Token, "the lost node may still settle")
		require.Zero(t, row.Failures, "the task is charged for its node")
	})
}

func TestEndedTasksStayForTheirRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRig(t)
		defer stop()
		n := r.insert(t, time.Hour)
		_, err := r.Cancel(t.Context(), n.ID, store.Alone)
		require.NoError(t, err)
		time.Sleep(24*time.Hour - time.Minute)
		require.NotNil(t, r.row(t, n.ID), "it is gone before its time")
		time.Sleep(5 * time.Minute)
		require.Nil(t, r.row(t, n.ID), "it stays for ever")
	})
}

func TestTasksOfALaneStayForItsOwnRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRig(t)
		defer stop()
		n := r.insert(t, time.Hour)
		r.own[r.lane.ID] = task.Retention{Canceled: time.Hour} // nobody looks before a minute has passed
		_, err := r.Cancel(t.Context(), n.ID, store.Alone)
		require.NoError(t, err)
		time.Sleep(time.Hour - time.Minute)
		require.NotNil(t, r.row(t, n.ID), "it is gone before its time")
		time.Sleep(5 * time.Minute)
		require.Nil(t, r.row(t, n.ID), "it stays as long as others")
	})
}

func TestATaskThatExpiresInLineEndsWithoutItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRig(t)
		defer stop()
		gate := store.Gate{Kind: store.OrderGate, Namespace: 1, Name: "k", Capacity: 1}
		put := func(expires time.Duration) task.ID {
			r.n++
			n := store.NewTask{ID: task.ID{2, r.n}, Lane: r.lane.ID, Kind: task.HTTP, MaxAttempts: 3, Gates: []store.Gate{gate}}
			if expires > 0 {
				n.ExpiresAt = time.Now().Add(expires).UnixMicro()
			}
			_, _, err := r.Insert(t.Context(), []store.NewTask{n}, false)
			require.NoError(t, err)
			return n.ID
		}
		first := put(0)
		waits := put(time.Hour)
		down := store.NewTask{ID: task.ID{3}, Lane: r.lane.ID, Kind: task.HTTP, MaxAttempts: 3, Deps: []task.ID{waits}, When: task.AnyFailed}
		_, _, err := r.Insert(t.Context(), []store.NewTask{down}, false)
		require.NoError(t, err)
		time.Sleep(time.Hour - time.Minute)
		require.Equal(t, task.Blocked, r.row(t, waits).State)
		time.Sleep(3 * time.Minute)
		require.Equal(t, task.Expired, r.row(t, waits).Reason)
		require.Equal(t, task.Ready, r.row(t, first).State)
		require.Equal(t, task.Ready, r.row(t, down.ID).State)
		require.NotEmpty(t, r.woken, "nobody is told of what the end lets go on")
	})
}

func TestAStoreThatFailsIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRig(t)
		defer stop()
		away := errors.New("the database is away")
		r.broken.Store(&away)
		r.insert(t, time.Second)
		time.Sleep(time.Hour)
		require.Empty(t, r.woken)
		r.broken.Store(nil)
		back := time.Now()
		require.LessOrEqual(t, (<-r.woken).Sub(back), 2*time.Second)
	})
}
