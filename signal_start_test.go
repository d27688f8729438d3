package sendoff_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
)

func TestASignalStartsItsFunctionUnlessItRuns(t *testing.T) {
	c, ctx := realServer(t, "key"), t.Context()
	items := sendoff.NewSignal[string]("item")
	basket := sendoff.Func("basket", func(ctx context.Context, owner string) (string, error) {
		for range 3 {
			item, err := items.Recv(ctx)
			if err != nil {
				return "", err
			}
			owner += " " + item
		}
		return owner, nil
	})
	serveFunctions(t, c, basket)
	add := func(owner, item string, opts ...sendoff.DispatchOption) (*sendoff.Handle[string], error) {
		return sendoff.SignalWithStart(ctx, basket, owner, items, item, append(opts, sendoff.CallID("b"), sendoff.Via(c))...)
	}
	h, err := add("ada", "apple")
	require.NoError(t, err)
	require.False(t, h.Existing)
	for range 2 { // the second is the same request, sent again
		h, err = add("eve", "bread", sendoff.IdempotencyKey("bread"))
		require.NoError(t, err)
		require.True(t, h.Existing)
	}
	h, err = add("bob", "cheese", sendoff.Priority(1))
	require.NoError(t, err)
	out, err := h.Wait(ctx)
	require.NoError(t, err)
	require.Equal(t, "ada apple bread cheese", out)

	_, err = add("ada", "dates")
	require.True(t, sendoff.IsConflict(err), "%v", err)
	require.ErrorContains(t, err, "takes no signal: it has ended")
	_, err = sendoff.SignalWithStart(ctx, basket, "ada", items, "x", sendoff.Via(c))
	require.ErrorContains(t, err, "needs an ID")
}

func TestASignalWithAStartIsCheckedByTheServer(t *testing.T) {
	c, ctx := realServer(t, "key"), t.Context()
	signal := &sendoff.StartSignal{Name: "s", Value: 1}
	function := sendoff.NewTask{Function: "f", Endpoint: "http://127.0.0.1:1", Delay: time.Hour, Signal: signal}
	for want, change := range map[string]func(*sendoff.NewTask){
		"needs an id or a unique key": func(*sendoff.NewTask) {},
		"belongs to tasks with a function": func(n *sendoff.NewTask) {
			*n = sendoff.NewTask{ID: "x", Handler: "echo", Signal: signal}
		},
		"signal.name":    func(n *sendoff.NewTask) { n.ID, n.Signal = "x", &sendoff.StartSignal{} },
		"must be return": func(n *sendoff.NewTask) { n.Unique = &sendoff.Unique{Key: "k", OnConflict: sendoff.OnConflictReplace} },
		"protobuf.Any":   func(n *sendoff.NewTask) { n.ID, n.Signal = "x", &sendoff.StartSignal{Name: "s", Any: []byte("no")} },
	} {
		n := function
		change(&n)
		_, err := c.Submit(ctx, n)
		require.ErrorContains(t, err, want)
	}
	function.ID = "x"
	results, err := c.SubmitMany(ctx, []sendoff.NewTask{function}, false)
	require.NoError(t, err)
	require.Equal(t, "invalid", results[0].Status)

	// By a unique key: the next function is started when the one before has ended.
	function.ID, function.Unique = "", &sendoff.Unique{Key: "k", WhileOpen: true}
	first, err := c.Submit(ctx, function)
	require.NoError(t, err)
	second, err := c.Submit(ctx, function)
	require.NoError(t, err)
	require.Equal(t, []any{first.ID, true}, []any{second.ID, second.Existing})
	_, err = c.Tasks.Cancel(ctx, first.ID)
	require.NoError(t, err)
	third, err := c.Submit(ctx, function)
	require.NoError(t, err)
	require.NotEqual(t, first.ID, third.ID)
}
