package sendoff_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sendoff-dev/sendoff"
	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
)

// serveFunctions serves functions to a real server over a real connection.
func serveFunctions(t *testing.T, c *sendoff.Client, funcs ...sendoff.AnyFunction) {
	t.Helper()
	app := httptest.NewUnstartedServer(nil)
	e, err := sendoff.NewEndpoint(sendoff.EndpointConfig{
		URL: "http://" + app.Listener.Addr().String(), ServerURL: c.URL(), APIKey: "key", Logger: quiet,
	}, funcs...)
	require.NoError(t, err)
	app.Config.Handler = e
	app.Start()
	t.Cleanup(func() { app.Close(); e.Close() })
}

func TestTheContextOfAPlainFunctionEndsWithItsAttempt(t *testing.T) {
	c := realServer(t, "key")
	var runs, told atomic.Int32
	slow := sendoff.Func("slow", func(ctx context.Context, _ int) (int32, error) {
		if n := runs.Add(1); n > 1 {
			return n, nil
		}
		<-ctx.Done()
		told.Add(1)
		return 0, ctx.Err()
	}, sendoff.AttemptTimeout(time.Second), sendoff.Retry(sendoff.RetryPolicy{MaxAttempts: 2, MinBackoff: 100 * time.Millisecond}))
	serveFunctions(t, c, slow)
	h, err := slow.Dispatch(t.Context(), 0)
	require.NoError(t, err)
	out, err := h.Wait(t.Context())
	require.NoError(t, err, "the second attempt should have run: the first had to stop at its timeout")
	require.EqualValues(t, 2, out)
	require.EqualValues(t, 1, told.Load())
}

func TestTheContextOfAPlainFunctionEndsWhenItIsCanceled(t *testing.T) {
	c := realServer(t, "key")
	entered, told := make(chan struct{}), make(chan struct{})
	hang := sendoff.Func("hang", func(ctx context.Context, _ int) (int, error) {
		close(entered)
		<-ctx.Done()
		close(told)
		return 0, ctx.Err()
	})
	serveFunctions(t, c, hang)
	h, err := hang.Dispatch(t.Context(), 0)
	require.NoError(t, err)
	<-entered
	_, err = c.Tasks.Cancel(t.Context(), h.ID)
	require.NoError(t, err)
	select {
	case <-told:
	case <-time.After(time.Minute):
		require.Fail(t, "the function was not told that its call is canceled")
	}
}

func TestAnAttemptThatMeetsAnEarlierOneSpendsNothing(t *testing.T) {
	c, ctx := realServer(t, "key"), t.Context()
	release := make(chan struct{})
	var runs atomic.Int32
	deaf := sendoff.Func("deaf", func(context.Context, int) (int32, error) {
		n := runs.Add(1)
		if n == 1 {
			<-release
		}
		return n, nil
	}, sendoff.AttemptTimeout(time.Second), sendoff.Retry(sendoff.RetryPolicy{MaxAttempts: 2, MinBackoff: 100 * time.Millisecond}))
	serveFunctions(t, c, deaf)
	h, err := deaf.Dispatch(ctx, 0)
	require.NoError(t, err)
	var meeting sendoff.Attempt
	require.Eventually(t, func() bool {
		for a, err := range c.Tasks.Attempts(ctx, h.ID) {
			require.NoError(t, err)
			if a.Outcome == "throttle" {
				meeting = *a
			}
		}
		return meeting.Outcome != ""
	}, time.Minute, 20*time.Millisecond, "no attempt met the first one")
	require.Contains(t, meeting.Error, "was told to stop")
	require.Contains(t, meeting.Error, "its time was over")
	row, err := c.Get(ctx, h.ID)
	require.NoError(t, err)
	require.NotEqual(t, sendoff.StateFailed, row.State, row.LastError)
	close(release)
	out, err := h.Wait(ctx)
	require.NoError(t, err, "an attempt that met another one was counted")
	require.EqualValues(t, 2, out)
}

// attemptAt is one run at an endpoint, with the fence of a Sendoff server.
func attemptAt(ctx context.Context, t *testing.T, e *sendoff.Endpoint, function string, token int64, segments ...[]byte) *sdkv1.RunResponse {
	t.Helper()
	in, err := anypb.New(wrapperspb.Int64(1))
	require.NoError(t, err)
	body, err := proto.Marshal(&sdkv1.RunRequest{
		Function: function, DispatchId: "id", Directive: &sdkv1.RunRequest_Input{Input: in}, Context: kept(token, segments...),
	})
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodPost, runPath, bytes.NewReader(body)).WithContext(ctx)
	r.Header.Set("Content-Type", "application/proto")
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	return answerOf(t, w)
}

func TestAnInterruptedRunLeavesNothingBehind(t *testing.T) {
	var undone, after, runs atomic.Int32
	var interrupt context.CancelFunc
	f := sendoff.Func("plain_in_between", func(ctx context.Context, _ int) (out int, err error) {
		undo := sendoff.NewSaga(ctx)
		defer undo.RollbackOnError(&err)
		undo.Add("undo", func(context.Context) error { undone.Add(1); return nil })
		if _, err := sendoff.Step(ctx, "first", func(context.Context) (int, error) { return 1, nil }); err != nil {
			return 0, err
		}
		if runs.Add(1) == 1 { // code that waits by itself, as it should not
			interrupt()
			<-ctx.Done()
			_, _ = sendoff.Step(ctx, "second", func(context.Context) (int, error) { after.Add(1); return 1, nil })
			runs.Add(100) // never reached: the step does not return
		}
		return sendoff.Step(ctx, "second", func(context.Context) (int, error) { after.Add(1); return 7, nil })
	})
	e := endpointOf(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	interrupt = cancel
	told := attemptAt(t.Context(), t, e, "plain_in_between", 1)
	require.True(t, told.GetReport().GetUndo(), "the server knows of the undoing before a step starts")
	begun := told.GetReport().GetAppend().GetSegment()
	res := attemptAt(ctx, t, e, "plain_in_between", 2, begun)
	require.Equal(t, sdkv1.Status_STATUS_THROTTLED, res.GetStatus(), "an interrupted attempt is no failure of the function")
	require.Equal(t, "interrupted", res.GetExit().GetResult().GetError().GetType())
	require.Nil(t, res.GetReport().GetAppend())
	require.Zero(t, after.Load(), "a step was started by code whose attempt is over")
	require.EqualValues(t, 1, runs.Load(), "a durable operation returned after the end of the attempt")

	res = attemptAt(t.Context(), t, e, "plain_in_between", 3, begun)
	require.Equal(t, sdkv1.Status_STATUS_OK, res.GetStatus(), res.GetExit().GetResult().GetError().GetMessage())
	require.EqualValues(t, 1, after.Load())
	require.Zero(t, undone.Load(), "the function was undone although only its attempt was over")
}

func TestAPlainFunctionWhoseAttemptIsOverIsNotUndone(t *testing.T) {
	var undone atomic.Int32
	var interrupt context.CancelFunc
	f := sendoff.Func("gives_up", func(ctx context.Context, _ int) (out int, err error) {
		undo := sendoff.NewSaga(ctx)
		defer undo.RollbackOnError(&err)
		undo.Add("undo", func(context.Context) error { undone.Add(1); return nil })
		interrupt()
		<-ctx.Done()
		return 0, ctx.Err()
	})
	e := endpointOf(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	interrupt = cancel
	require.Equal(t, sdkv1.Status_STATUS_THROTTLED, attemptAt(ctx, t, e, "gives_up", 1).GetStatus())
	require.Zero(t, undone.Load())
}
