package sendoff_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"context"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
)

// TestACallThatEndsItsAppIsPoison has one call break the connection each time, as
// when its app dies of it, while other calls of the app end well.
func TestACallThatEndsItsAppIsPoison(t *testing.T) {
	c, ctx := realServer(t, "key"), t.Context()
	var deaths atomic.Int32
	var healed atomic.Bool
	quick := []sendoff.CallOption{sendoff.Retry(sendoff.RetryPolicy{MinBackoff: 10 * time.Millisecond, MaxBackoff: 10 * time.Millisecond})}
	killer := sendoff.Func("killer", func(context.Context, int) (int, error) {
		if healed.Load() {
			return 1, nil
		}
		deaths.Add(1)
		panic(http.ErrAbortHandler)
	}, quick...)
	caller := sendoff.Func("caller", func(ctx context.Context, n int) (int, error) { return killer.Await(ctx, n) })
	app := httptest.NewUnstartedServer(nil)
	e, err := sendoff.NewEndpoint(sendoff.EndpointConfig{URL: "http://" + app.Listener.Addr().String(), ServerURL: c.URL(), APIKey: "key", Logger: quiet}, killer, caller, double)
	require.NoError(t, err)
	app.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before := deaths.Load()
		answer := httptest.NewRecorder()
		e.ServeHTTP(answer, r)
		if deaths.Load() != before { // the function panicked: here that is the end of the process
			panic(http.ErrAbortHandler)
		}
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
	app.Start()
	t.Cleanup(func() { app.Close(); e.Close() })

	h, err := caller.Dispatch(ctx, 1)
	require.NoError(t, err)
	_, err = h.Wait(ctx)
	require.ErrorContains(t, err, "this call may be what ends the app that serves it; it is given up", "its caller is told why")
	require.EqualValues(t, 5, deaths.Load())

	h, err = killer.Dispatch(ctx, 1)
	require.NoError(t, err)
	_, err = h.Wait(ctx)
	require.Error(t, err)
	row, err := c.Get(ctx, h.ID)
	require.NoError(t, err)
	require.Equal(t, "failed poison", string(row.State)+" "+row.Reason, row.LastError)
	require.EqualValues(t, 10, deaths.Load())
	d, err := double.Dispatch(ctx, 4)
	require.NoError(t, err)
	out, err := d.Wait(ctx)
	require.NoError(t, err, "other calls of the app go on")
	require.Equal(t, 8, out)

	healed.Store(true)
	_, err = c.Tasks.Retry(ctx, h.ID)
	require.NoError(t, err)
	one, err := h.Wait(ctx)
	require.NoError(t, err, "a retry by hand counts anew")
	require.Equal(t, 1, one)
}
