package sendoff_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
)

func TestACallIsWaitedForAndCanceledByAnIDFromElsewhere(t *testing.T) {
	c, ctx := realServer(t, "key"), t.Context()
	forever := sendoff.Func("forever", func(ctx context.Context, _ int) (string, error) {
		return sendoff.NewSignal[string]("never").Recv(ctx)
	})
	serveFunctions(t, c, forever)
	made, err := forever.Dispatch(ctx, 1, sendoff.CallID("chosen"), sendoff.Via(c))
	require.NoError(t, err)
	h, err := forever.Handle(ctx, "chosen", sendoff.Via(c))
	require.NoError(t, err)
	require.NoError(t, h.Cancel(ctx))
	require.NoError(t, h.Cancel(ctx), "it may be repeated")
	for _, h := range []*sendoff.Handle[string]{h, made} {
		_, err = h.Wait(ctx)
		require.ErrorContains(t, err, "canceled")
	}
	nobody, err := forever.Handle(ctx, "nobody", sendoff.Via(c))
	require.NoError(t, err)
	require.True(t, sendoff.IsNotFound(nobody.Cancel(ctx)))
	_, err = nobody.Wait(ctx)
	require.Error(t, err)
	_, err = forever.Handle(ctx, "")
	require.Error(t, err)
}

func TestADurableFunctionCancelsACallThatItStarted(t *testing.T) {
	c, ctx := realServer(t, "key"), t.Context()
	forever := sendoff.Func("forever", func(ctx context.Context, _ int) (string, error) {
		return sendoff.NewSignal[string]("never").Recv(ctx)
	})
	parent := sendoff.Func("parent", func(ctx context.Context, _ int) (string, error) {
		h, err := forever.Dispatch(ctx, 1)
		if err != nil {
			return "", err
		}
		return h.ID, h.Cancel(ctx)
	})
	serveFunctions(t, c, forever, parent)
	h, err := parent.Dispatch(ctx, 1, sendoff.Via(c))
	require.NoError(t, err)
	child, err := h.Wait(ctx)
	require.NoError(t, err)
	task, err := c.Wait(ctx, child)
	require.NoError(t, err)
	require.Equal(t, sendoff.StateCanceled, task.State)
	page, err := c.Tasks.Steps(ctx, h.ID, sendoff.StepFilter{})
	require.NoError(t, err)
	require.Equal(t, "cancel forever", page.Items[1].Name)
}

func TestCallsAreListedByFunctionAndByTree(t *testing.T) {
	c, ctx := realServer(t, "key"), t.Context()
	leaf := sendoff.Func("leaf", func(_ context.Context, n int) (int, error) { return n, nil })
	branch := sendoff.Func("branch", func(ctx context.Context, n int) (int, error) {
		all, err := leaf.Gather(ctx, make([]int, n))
		return len(all), err
	})
	root := sendoff.Func("root", func(ctx context.Context, n int) (int, error) { return branch.Await(ctx, n) })
	serveFunctions(t, c, leaf, branch, root)
	for _, id := range []string{"one", "two"} {
		h, err := root.Dispatch(ctx, 3, sendoff.CallID(id), sendoff.Via(c))
		require.NoError(t, err)
		_, err = h.Wait(ctx)
		require.NoError(t, err)
	}
	count := func(f sendoff.Filter) (n int) {
		for task, err := range c.Tasks.List(ctx, f) {
			require.NoError(t, err)
			require.True(t, f.Function == "" || task.Function == f.Function)
			n++
		}
		return n
	}
	require.Equal(t, 6, count(sendoff.Filter{Function: "leaf"}))
	require.Equal(t, 4, count(sendoff.Filter{Root: "one"}))
	require.Equal(t, 3, count(sendoff.Filter{Root: "one", Function: "leaf"}))
	require.Equal(t, 3, count(sendoff.Filter{Root: "two", Function: "leaf", States: []sendoff.State{sendoff.StateSucceeded}}))
	require.Zero(t, count(sendoff.Filter{Root: "two", States: []sendoff.State{sendoff.StateFailed}}))
	require.Zero(t, count(sendoff.Filter{Function: "other"}))
	for _, err := range c.Tasks.List(ctx, sendoff.Filter{Root: "nobody"}) {
		require.True(t, sendoff.IsNotFound(err), "%v", err)
	}
}
