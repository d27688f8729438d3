package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

var square = sendoff.Func("square", func(_ context.Context, n int) (int, error) { return n * n, nil })

var sumOfSquares = sendoff.Func("sum_of_squares", func(ctx context.Context, n int) (int, error) {
	in := make([]int, n)
	for i := range in {
		in[i] = i + 1
	}
	squares, err := square.Gather(ctx, in)
	total := 0
	for _, s := range squares {
		total += s
	}
	return total, err
})

// functionEngine runs an engine with an endpoint inside the process.
func functionEngine(t *testing.T, funcs ...sendoff.AnyFunction) (*engine.Engine, *sendoff.Client) {
	t.Helper()
	return functionEngineWith(t, engine.Config{}, funcs...)
}

func functionEngineWith(t *testing.T, cfg engine.Config, funcs ...sendoff.AnyFunction) (*engine.Engine, *sendoff.Client) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), t.TempDir()+"/f.db", sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return functionEngineOver(t, db, cfg, funcs...)
}

func functionEngineOver(t *testing.T, db store.Store, cfg engine.Config, funcs ...sendoff.AnyFunction) (*engine.Engine, *sendoff.Client) {
	t.Helper()
	cfg.Grace = time.Second
	e, err := engine.New(db, cfg)
	require.NoError(t, err)
	endpoint, err := sendoff.NewEndpoint(sendoff.EndpointConfig{Engine: e}, funcs...)
	require.NoError(t, err)
	t.Cleanup(endpoint.Close)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return e, endpoint.Client()
}

func TestAFunctionCallsOthersAndReturns(t *testing.T) {
	_, client := functionEngine(t, square, sumOfSquares)
	in, err := client.Submit(t.Context(), sendoff.NewTask{Function: "sum_of_squares", Endpoint: "embedded://app", Payload: 25})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, err := client.Wait(ctx, in.ID)
	require.NoError(t, err)
	require.Equal(t, sendoff.StateSucceeded, out.State, out.LastError)
	require.JSONEq(t, "5525", string(out.Result))

	tree, err := client.Tasks.Tree(ctx, in.ID)
	require.NoError(t, err)
	require.Len(t, tree, 26)
	for _, call := range tree[1:] {
		require.Equal(t, in.ID, call.ParentID)
		require.Equal(t, sendoff.StateSucceeded, call.State)
	}
}

var (
	never   = sendoff.NewSignal[string]("never")
	approve = sendoff.NewSignal[string]("approve")

	waits = sendoff.Func("waits", func(ctx context.Context, _ int) (string, error) { return never.Recv(ctx) })

	family = sendoff.Func("family", func(ctx context.Context, n int) (int, error) {
		if n == 0 {
			_, err := waits.Await(ctx, 0)
			return 0, err
		}
		return sendoffFamily(ctx, n-1)
	})

	approval = sendoff.Func("approval", func(ctx context.Context, _ int) (string, error) { return approve.Recv(ctx) })

	napping = sendoff.Func("napping", func(ctx context.Context, milliseconds int) (bool, error) {
		before, d := sendoff.Now(ctx), time.Duration(milliseconds)*time.Millisecond
		err := sendoff.Sleep(ctx, d)
		return sendoff.Now(ctx).Sub(before) >= d, err
	})
)

// sendoffFamily calls family, which cannot name itself.
var sendoffFamily func(ctx context.Context, n int) (int, error)

func init() {
	sendoffFamily = func(ctx context.Context, n int) (int, error) { return family.Await(ctx, n) }
}

func submitFunction(t *testing.T, c *sendoff.Client, name string, payload any, change ...func(*sendoff.NewTask)) string {
	t.Helper()
	in := sendoff.NewTask{Function: name, Endpoint: "embedded://app", Payload: payload}
	for _, fn := range change {
		fn(&in)
	}
	out, err := c.Submit(t.Context(), in)
	require.NoError(t, err)
	return out.ID
}

// untilState waits until a task is in a state.
func untilState(t *testing.T, c *sendoff.Client, id string, state sendoff.State) *sendoff.Task {
	t.Helper()
	var last *sendoff.Task
	require.Eventually(t, func() bool {
		var err error
		last, err = c.Get(t.Context(), id)
		require.NoError(t, err)
		return last.State == state
	}, 20*time.Second, 10*time.Millisecond, "wants %s", state)
	return last
}

func TestCancelingAFunctionCancelsItsWholeTree(t *testing.T) {
	_, client := functionEngine(t, waits, family)
	id := submitFunction(t, client, "family", 3)
	var tree []sendoff.Task
	require.Eventually(t, func() bool {
		tree, _ = client.Tasks.Tree(t.Context(), id)
		return len(tree) == 5 && tree[4].State == sendoff.StateSuspended
	}, 20*time.Second, 10*time.Millisecond)
	_, err := client.Tasks.Cancel(t.Context(), id)
	require.NoError(t, err)
	for _, call := range tree {
		got, err := client.Get(t.Context(), call.ID)
		require.NoError(t, err)
		require.Equal(t, sendoff.StateCanceled, got.State, call.Function)
	}
}

func TestACanceledCallIsAnErrorOfItsCaller(t *testing.T) {
	_, client := functionEngine(t, waits, family)
	id := submitFunction(t, client, "family", 0)
	untilState(t, client, id, sendoff.StateSuspended)
	tree, err := client.Tasks.Tree(t.Context(), id)
	require.NoError(t, err)
	_, err = client.Tasks.Cancel(t.Context(), tree[1].ID)
	require.NoError(t, err)
	failed := untilState(t, client, id, sendoff.StateFailed)
	require.NotNil(t, failed.Error)
	require.Contains(t, failed.Error.Message, "cancel")
}

func TestASignalResumesAFunction(t *testing.T) {
	_, client := functionEngine(t, approval)
	early := submitFunction(t, client, "approval", 0)
	require.NoError(t, client.Tasks.Signal(t.Context(), early, "approve", "yes"), "it need not wait yet")
	require.JSONEq(t, `"yes"`, string(untilState(t, client, early, sendoff.StateSucceeded).Result))

	late := submitFunction(t, client, "approval", 0)
	untilState(t, client, late, sendoff.StateSuspended)
	require.NoError(t, client.Tasks.Signal(t.Context(), late, "other", "no"))
	require.NoError(t, client.Tasks.Signal(t.Context(), late, "approve", "later"))
	require.JSONEq(t, `"later"`, string(untilState(t, client, late, sendoff.StateSucceeded).Result))
	require.True(t, sendoff.IsConflict(client.Tasks.Signal(t.Context(), late, "approve", "too late")))
}

func TestARestartBeginsFromTheInput(t *testing.T) {
	_, client := functionEngine(t, approval)
	id := submitFunction(t, client, "approval", 0)
	untilState(t, client, id, sendoff.StateSuspended)
	restarted, err := client.Tasks.Restart(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, 2, restarted.Run)
	untilState(t, client, id, sendoff.StateSuspended)
	require.NoError(t, client.Tasks.Signal(t.Context(), id, "approve", "again"))
	untilState(t, client, id, sendoff.StateSucceeded)
}

func TestAFunctionExpires(t *testing.T) {
	_, client := functionEngine(t, waits, family)
	id := submitFunction(t, client, "family", 1, func(n *sendoff.NewTask) { n.ExpiresAt = time.Now().Add(time.Second) })
	expired := untilState(t, client, id, sendoff.StateFailed)
	require.Equal(t, "expired", expired.Reason)
	require.NotNil(t, expired.Error)
	tree, err := client.Tasks.Tree(t.Context(), id)
	require.NoError(t, err)
	for _, call := range tree {
		untilState(t, client, call.ID, sendoff.StateFailed)
	}
}

func TestAFunctionSaysWhenToTryAgain(t *testing.T) {
	tries := 0
	later := sendoff.Func("later", func(context.Context, int) (int, error) {
		if tries++; tries == 1 {
			return 0, sendoff.RetryAfter(errors.New("not yet"), 24*time.Hour)
		}
		return tries, nil
	})
	_, client := functionEngine(t, later)
	id := submitFunction(t, client, "later", 0, func(n *sendoff.NewTask) { n.ExpiresAt = time.Now().Add(48 * time.Hour) })
	waiting := untilState(t, client, id, sendoff.StateScheduled)
	require.WithinDuration(t, time.Now().Add(24*time.Hour), waiting.NextAt, time.Minute)
	_, err := client.Tasks.Run(t.Context(), id)
	require.NoError(t, err)
	untilState(t, client, id, sendoff.StateSucceeded)
}

func TestAFunctionSleeps(t *testing.T) {
	_, client := functionEngine(t, napping)
	id := submitFunction(t, client, "napping", 1200)
	require.JSONEq(t, "true", string(untilState(t, client, id, sendoff.StateSucceeded).Result))
}

var collect = sendoff.NewSignal[int]("n")

// collector gathers signals over many runs of one function: its loop begins
// anew with a tail call now and then.
var collector = sendoff.Func("collector", func(ctx context.Context, want int) (int, error) {
	type sums struct{ N, Total int }
	out, err := sendoff.Loop(ctx, sums{}, func(ctx context.Context, s *sums) (bool, error) {
		n, err := collect.Recv(ctx)
		s.N, s.Total = s.N+1, s.Total+n
		return s.N == want, err
	})
	return out.Total, err
})

func TestNoSignalIsLostBetweenTwoLives(t *testing.T) {
	_, client := functionEngine(t, collector)
	id := submitFunction(t, client, "collector", 300)
	var group errgroup.Group
	group.SetLimit(8)
	for n := range 300 {
		group.Go(func() error { return client.Tasks.Signal(t.Context(), id, "n", n) })
	}
	require.NoError(t, group.Wait())
	require.JSONEq(t, "44850", string(untilState(t, client, id, sendoff.StateSucceeded).Result))
}

var (
	relayed   = sendoff.NewSignal[int]("relayed")
	relayNext = sendoff.Remote[[]int, []int]("relay", "")
	relay     = sendoff.Func("relay", func(ctx context.Context, got []int) ([]int, error) {
		n, err := relayed.Recv(ctx)
		if got = append(got, n); err != nil || len(got) == 20 {
			return got, err
		}
		return nil, relayNext.TailCall(got)
	})
)

// TestSignalsAreTakenInOrderByOneLifeAfterTheOther: those that came together with
// the one that was taken are not used up with it.
func TestSignalsAreTakenInOrderByOneLifeAfterTheOther(t *testing.T) {
	_, client := functionEngine(t, relay)
	id := submitFunction(t, client, "relay", []int{})
	want := make([]int, 20)
	for n := range want {
		want[n] = n
		require.NoError(t, client.Tasks.Signal(t.Context(), id, "relayed", n))
	}
	var got []int
	require.NoError(t, json.Unmarshal(untilState(t, client, id, sendoff.StateSucceeded).Result, &got))
	require.Equal(t, want, got)
}

// TestAGroupEndsWithItsFirstFailure: its function has failed and what was beside it
// is canceled by the time that the end is told.
func TestAGroupEndsWithItsFirstFailure(t *testing.T) {
	member := sendoff.Func("member", func(ctx context.Context, fails bool) (int, error) {
		if fails {
			return 0, sendoff.Permanent(errors.New("out of stock"))
		}
		return 1, sendoff.Sleep(ctx, time.Hour)
	})
	group := sendoff.Func("group", func(ctx context.Context, _ int) ([]int, error) {
		return member.Gather(ctx, []bool{false, true, false})
	})
	_, client := functionEngine(t, member, group)
	id := submitFunction(t, client, "group", 0)
	require.Contains(t, untilState(t, client, id, sendoff.StateFailed).LastError, "out of stock")
	tree, err := client.Tasks.Tree(t.Context(), id)
	require.NoError(t, err)
	require.Len(t, tree, 4)
	for _, call := range tree {
		if call.ID != id && call.State != sendoff.StateFailed {
			untilState(t, client, call.ID, sendoff.StateCanceled)
		}
	}
}
