package settle_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/settle"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/storetest"
	"github.com/sendoff-dev/sendoff/task"
)

// floor fails a number of times before it does what the oracle does.
type floor struct {
	*storetest.Oracle
	failures int
	calls    []int // how many transitions each brought
}

func (f *floor) Settle(ctx context.Context, ts []store.Transition) ([]error, []store.Woken, error) {
	if f.failures > 0 {
		f.failures--
		return nil, nil, errors.New("no connection")
	}
	f.calls = append(f.calls, len(ts))
	return f.Oracle.Settle(ctx, ts)
}

type rig struct {
	*floor
	settler *settle.Settler
	stale   int
	ended   []task.ID
	due     []int64
}

func newRig(t *testing.T) *rig {
	r := &rig{floor: &floor{Oracle: storetest.NewOracle(func() int64 { return time.Now().UnixMicro() })}}
	r.settler = settle.New(r.config(nil))
	return r
}

func (r *rig) config(call func(context.Context, *store.Claimed, *task.Call) (store.NewTask, error)) settle.Config {
	if call == nil {
		call = func(context.Context, *store.Claimed, *task.Call) (store.NewTask, error) { panic("nothing calls") }
	}
	return settle.Config{
		Store: r.floor, Call: call, Bell: r, Watchers: r, Meter: r, Left: func(task.ID) <-chan struct{} { return nil },
	}
}

func (r *rig) Wake([]store.Woken)                            {}
func (r *rig) Due(at int64)                                  { r.due = append(r.due, at) }
func (r *rig) Ended(id task.ID)                              { r.ended = append(r.ended, id) }
func (r *rig) Told(task.ID)                                  {}
func (r *rig) Settled(task.Class, task.State, time.Duration) {}
func (r *rig) Stale()                                        { r.stale++ }

// claimed returns a task that a node has claimed.
func (r *rig) claimed(t *testing.T) *store.Claimed {
	return &r.claimedOf(t, store.NewTask{ID: task.ID{2}, Kind: task.HTTP, MaxAttempts: 3})[0]
}

// claimedOf returns tasks that a node has claimed.
func (r *rig) claimedOf(t *testing.T, tasks ...store.NewTask) []store.Claimed {
	node := task.ID{1}
	lane, err := r.EnsureLane(t.Context(), 1, "q", task.AnyPool, 1)
	require.NoError(t, err)
	require.NoError(t, r.Register(t.Context(), store.Node{ID: node}, 1e15))
	for i := range tasks {
		tasks[i].Lane = lane.ID
	}
	_, _, err = r.Insert(t.Context(), tasks, true)
	require.NoError(t, err)
	b, err := r.Claim(t.Context(), store.ClaimRequest{ID: task.ID{3}, Node: node, Limit: len(tasks), Slots: []store.ClaimSlot{{Lane: lane.ID, Limit: len(tasks)}}})
	require.NoError(t, err)
	require.Len(t, b.Tasks, len(tasks))
	return b.Tasks
}

func TestASettleIsTriedUntilTheDatabaseAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		c := r.claimed(t)
		r.failures = 20
		r.settler.Settle(t.Context(), settle.End{Task: c, Spec: &task.Spec{}, Outcome: task.Outcome{Class: task.Success}})
		require.Equal(t, []task.ID{c.ID}, r.ended)
		require.Zero(t, r.stale)
	})
}

func TestASettleGivesUpWhenNothingCanBeWrittenAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		c := r.claimed(t)
		r.failures = 1 << 30
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r.settler.Settle(ctx, settle.End{Task: c, Spec: &task.Spec{}, Outcome: task.Outcome{Class: task.Success}})
		require.Empty(t, r.ended)
	})
}

func TestALateSettleIsCountedAndDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		c := r.claimed(t)
		require.NoError(t, r.Leave(t.Context(), task.ID{1}))
		_, err := r.Rescue(t.Context(), task.ID{9}, nil, 10)
		require.NoError(t, err)
		r.settler.Settle(t.Context(), settle.End{Task: c, Spec: &task.Spec{}, Outcome: task.Outcome{Class: task.Success}})
		require.Equal(t, 1, r.stale)
		require.Empty(t, r.ended)
		rows, err := r.Rows(t.Context(), []task.ID{c.ID})
		require.NoError(t, err)
		require.Equal(t, task.Ready, rows[0].State)
	})
}

// One that is late, and one that cannot be made into a transition yet, hold up none
// of the others.
func TestManyEndsAreWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		down := 3 // how often the queue of the call cannot be looked up
		r.settler = settle.New(r.config(func(context.Context, *store.Claimed, *task.Call) (store.NewTask, error) {
			if down--; down >= 0 {
				return store.NewTask{}, errors.New("no connection")
			}
			return store.NewTask{ID: task.ID{9}, Kind: task.Function, MaxAttempts: 1}, nil
		}))
		var drafts []store.NewTask
		for i := range 5 {
			drafts = append(drafts, store.NewTask{ID: task.ID{2, byte(i)}, Kind: task.HTTP, MaxAttempts: 3})
		}
		drafts[4].Kind = task.Function
		tasks := r.claimedOf(t, drafts...)
		tasks[1].Token++ // somebody else has it
		ends := make([]settle.End, len(tasks))
		for i := range tasks {
			ends[i] = settle.End{Task: &tasks[i], Spec: &task.Spec{}, Outcome: task.Outcome{Class: task.Success}}
		}
		ends[2].Outcome = task.Outcome{Class: task.Failure, RetryAfter: time.Minute}
		ends[4].Outcome = task.Outcome{Class: task.Suspend, Progress: &task.Progress{Calls: []task.Call{{}}, Open: 1, Min: 1, Max: 1}}
		r.settler.Settle(t.Context(), ends...)
		require.Equal(t, []int{4, 1}, r.calls)
		require.Equal(t, []task.ID{tasks[0].ID, tasks[3].ID}, r.ended)
		require.Equal(t, 1, r.stale)
		require.Len(t, r.due, 2)
		rows, err := r.Rows(t.Context(), []task.ID{tasks[4].ID})
		require.NoError(t, err)
		require.Equal(t, task.Suspended, rows[0].State)
	})
}

func TestARetryIsAnnouncedToTheSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.settler.Settle(t.Context(), settle.End{Task: r.claimed(t), Spec: &task.Spec{}, Outcome: task.Outcome{Class: task.Failure, RetryAfter: time.Minute}})
		require.Equal(t, []int64{time.Now().Add(time.Minute).UnixMicro()}, r.due)
	})
}
