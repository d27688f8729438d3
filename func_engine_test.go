package sendoff_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
)

// TestFunctionsAndTheEngineAgree runs durable functions with a real server over
// real connections.
func TestFunctionsAndTheEngineAgree(t *testing.T) {
	c, ctx := realServer(t, "key"), t.Context()
	approval := sendoff.NewSignal[string]("approval")
	var links atomic.Int32
	flow := sendoff.Func("flow", func(ctx context.Context, n int) (string, error) {
		doubled, err := double.Gather(ctx, []int{n, n + 1, n + 2})
		if err != nil {
			return "", err
		}
		for range 3 {
			if _, err := sendoff.Step(ctx, "link", func(context.Context) (int32, error) { return links.Add(1), nil }); err != nil {
				return "", err
			}
		}
		if err := sendoff.Sleep(ctx, 50*time.Millisecond); err != nil {
			return "", err
		}
		who, err := approval.Recv(ctx)
		if err != nil || who == "" {
			return "", errors.Join(err, sendoff.Permanent(&teapotError{doubled[2]}))
		}
		return who, nil
	})
	for name, warm := range map[string]int{"warm": 0, "cold": -1} {
		t.Run(name, func(t *testing.T) {
			links.Store(0)
			serveAt := httptest.NewUnstartedServer(nil)
			e, err := sendoff.NewEndpoint(sendoff.EndpointConfig{
				URL: "http://" + serveAt.Listener.Addr().String(), ServerURL: c.URL(), APIKey: "key", WarmRuns: warm,
			}, flow, double)
			require.NoError(t, err)
			defer e.Close()
			serveAt.Config.Handler = e
			serveAt.Start()
			defer serveAt.Close()

			h, err := flow.Dispatch(ctx, 5, sendoff.CallID("run-"+name))
			require.NoError(t, err)
			again, err := flow.Dispatch(ctx, 5, sendoff.CallID("run-"+name))
			require.NoError(t, err)
			require.Equal(t, []any{h.ID, true}, []any{again.ID, again.Existing})
			require.NoError(t, approval.Send(ctx, h.ID, "eve", sendoff.Via(c)))
			out, err := h.Wait(ctx)
			require.NoError(t, err)
			require.Equal(t, "eve", out)
			require.EqualValues(t, 3, links.Load())

			h, err = flow.Dispatch(ctx, 5)
			require.NoError(t, err)
			require.NoError(t, approval.Send(ctx, h.ID, "", sendoff.Via(c)))
			_, err = h.Wait(ctx)
			pot, ok := errors.AsType[*teapotError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, 14, pot.Size)
			require.False(t, strings.Contains(h.ID, ":"))
		})
	}
}
