package acks_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/acks"
	"github.com/sendoff-dev/sendoff/internal/settle"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/storetest"
	"github.com/sendoff-dev/sendoff/task"
)

var node = task.ID{1}

// rig is a task in the hands of a node, and an Acks that notes how it is settled.
type rig struct {
	*storetest.Shared
	a       *acks.Acks
	least   int32
	trusted bool
	deaf    bool // what is to be written is not
	mu      sync.Mutex
	ends    []settle.End // guarded by mu where it is settled beside the test
	back    int
	task    store.Claimed
}

func newRig(t *testing.T) *rig {
	r := &rig{Shared: storetest.NewShared(func() int64 { return time.Now().UnixMicro() }), least: store.VersionAcks, trusted: true}
	r.a = acks.New(acks.Config{
		Store: r.Shared, Settler: r, Node: func() (task.ID, bool) { return node, r.trusted }, Least: func() int32 { return r.least },
		Find: func(context.Context, string) (task.ID, error) { return r.task.ID, nil },
	})
	lane, err := r.EnsureLane(t.Context(), 1, "q", task.AnyPool, 1)
	require.NoError(t, err)
	require.NoError(t, r.Register(t.Context(), store.Node{ID: node}, 1e15))
	_, _, err = r.Insert(t.Context(), []store.NewTask{{ID: task.ID{2}, Kind: task.HTTP, MaxAttempts: 3, Lane: lane.ID}}, true)
	require.NoError(t, err)
	b, err := r.Claim(t.Context(), store.ClaimRequest{ID: task.ID{3}, Node: node, Limit: 1, Slots: []store.ClaimSlot{{Lane: lane.ID, Limit: 1}}})
	require.NoError(t, err)
	r.task = b.Tasks[0]
	return r
}

func (r *rig) ended() []settle.End {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ends)
}

func (r *rig) Settle(ctx context.Context, ends ...settle.End) {
	r.mu.Lock()
	r.ends = append(r.ends, ends...)
	r.mu.Unlock()
	if r.deaf {
		return
	}
	for _, e := range ends {
		d := task.Decide(task.Attempt{Failures: e.Task.Failures, Retry: task.RetryPolicy{MaxAttempts: e.Task.MaxAttempts}, FirstStarted: e.Task.FirstStarted, Now: r.Now()}, e.Outcome, 0)
		errs, _, err := r.Shared.Settle(ctx, []store.Transition{{ID: e.Task.ID, Token: e.Task.Token, Outcome: e.Outcome.Class, Code: e.Outcome.Code, Decision: d}})
		if e.Written != nil {
			*e.Written = err == nil && errs[0] == nil
		}
	}
}

func (r *rig) HandBack(context.Context, *store.Claimed) { r.back++ }

func (r *rig) detach(t *testing.T) {
	r.a.Detach(t.Context(), settle.End{Task: &r.task, Outcome: task.Outcome{Class: task.Detach, Code: 202, Within: time.Minute}})
}

func TestWhileANodeOfAnEarlierVersionIsAliveATaskIsPutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.least = store.VersionAcks - 1
		r.detach(t)
		require.Len(t, r.ends, 1)
		require.Equal(t, []any{task.Throttle, task.PutOff}, []any{r.ends[0].Outcome.Class, r.ends[0].Outcome.Why})
	})
}

// Its gates are to hear that it has stopped.
func TestAnAttemptThatWasCanceledBeforeItsAnswerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		_, err := r.Cancel(t.Context(), r.task.ID, store.Alone)
		require.NoError(t, err)
		r.detach(t)
		require.Equal(t, 1, r.back)
	})
}

// An app may tell the end before the node has written that it will.
func TestAnEndMayComeBeforeTheAnswerIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		told := make(chan error, 1)
		go func() { told <- r.a.Complete(t.Context(), "x", r.task.Token, nil) }()
		time.Sleep(time.Second)
		r.detach(t)
		require.NoError(t, <-told)
		require.Empty(t, r.a.Claims())
		require.NoError(t, r.a.Complete(t.Context(), "x", r.task.Token, nil), "told again")
		require.ErrorIs(t, r.a.Fail(t.Context(), "x", r.task.Token, acks.Failure{}), store.ErrLeaseLost)
	})
}

// Who tells an end that a node cannot write is told so, and another node takes the task back.
func TestAnEndThatIsNotWrittenIsNoEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.detach(t)
		r.trusted = false
		require.ErrorIs(t, r.a.Complete(t.Context(), "x", r.task.Token, nil), acks.ErrNotWritten)
		r.trusted, r.deaf = true, true // it crashes between its two transactions
		require.Error(t, r.a.Complete(t.Context(), "x", r.task.Token, nil))
		require.NoError(t, r.Leave(t.Context(), node))
		_, err := r.Rescue(t.Context(), task.ID{9}, nil, 10)
		require.NoError(t, err)
		rows, err := r.Rows(t.Context(), []task.ID{r.task.ID})
		require.NoError(t, err)
		require.NotEqual(t, task.Succeeded, rows[0].State)
	})
}

func TestTheTimeOfAnAttemptEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.detach(t)
		ctx, stop := context.WithCancel(t.Context())
		over := make(chan error, 1)
		go func() { over <- r.a.Run(ctx) }()
		time.Sleep(50 * time.Second)
		_, err := r.a.Extend(ctx, "x", r.task.Token, time.Minute)
		require.NoError(t, err)
		time.Sleep(58 * time.Second)
		require.Empty(t, r.ended())
		time.Sleep(4 * time.Second)
		ends := r.ended()
		require.Len(t, ends, 1)
		require.Equal(t, []any{task.Failure, task.CauseTimeout}, []any{ends[0].Outcome.Class, ends[0].Outcome.Cause})
		stop()
		require.NoError(t, <-over)
	})
}
