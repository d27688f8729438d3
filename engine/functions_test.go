package engine_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store/sqlite"
	"github.com/sendoff-dev/sendoff/task"
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
	db, err := sqlite.Open(t.Context(), t.TempDir()+"/f.db", sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	e, err := engine.New(db, engine.Config{Grace: time.Second})
	require.NoError(t, err)
	hc := &http.Client{Transport: engine.NewTransport(e.Handler(engine.HandlerConfig{}))}
	endpoint, err := sendoff.NewEndpoint(sendoff.EndpointConfig{
		URL: "embedded://app", ServerURL: "http://sendoff.test", HTTPClient: hc, Development: true,
	}, funcs...)
	require.NoError(t, err)
	t.Cleanup(endpoint.Close)
	e.Embed("app", endpoint)
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
	require.Equal(t, task.Succeeded.String(), out.State, out.LastError)
	require.JSONEq(t, "5525", string(out.Result))

	tree, err := client.Tree(ctx, in.ID)
	require.NoError(t, err)
	require.Len(t, tree, 26)
	for _, call := range tree[1:] {
		require.Equal(t, in.ID, call.ParentID)
		require.Equal(t, "succeeded", call.State)
	}
}
