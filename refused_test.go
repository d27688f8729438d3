package sendoff_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sendoff-dev/sendoff"
	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
)

// exchange is one request to an endpoint, from its input unless it is resumed.
func exchange(t *testing.T, e *sendoff.Endpoint, req *sdkv1.RunRequest) *sdkv1.RunResponse {
	t.Helper()
	if req.Directive == nil {
		in, err := anypb.New(wrapperspb.Int64(1))
		require.NoError(t, err)
		req.Directive = &sdkv1.RunRequest_Input{Input: in}
	}
	req.DispatchId = "id"
	body, err := proto.Marshal(req)
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodPost, runPath, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/proto")
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	var res sdkv1.RunResponse
	require.NoError(t, proto.Unmarshal(w.Body.Bytes(), &res))
	return &res
}

func TestARefusedPollIsRepeatedAsItCame(t *testing.T) {
	callee := sendoff.Remote[int, int]("callee", "http://127.0.0.1:1")
	f := sendoff.Func("refused", func(ctx context.Context, _ int) (int, error) {
		if _, err := callee.Gather(ctx, []int{1, 2, 3}); err == nil {
			return 0, nil
		}
		return callee.Await(ctx, 9)
	})
	first, second := endpointOf(t, f), endpointOf(t, f)
	resume := func(e *sendoff.Endpoint, before *sdkv1.RunResponse, refusal *sdkv1.Error) *sdkv1.RunResponse {
		poll := &sdkv1.PollResult{Error: refusal}
		poll.State = &sdkv1.PollResult_TypedCoroutineState{TypedCoroutineState: before.GetPoll().GetTypedCoroutineState()}
		return exchange(t, e, &sdkv1.RunRequest{Function: "refused", Directive: &sdkv1.RunRequest_PollResult{PollResult: poll}})
	}
	res := exchange(t, first, &sdkv1.RunRequest{Function: "refused"})
	require.Len(t, res.GetPoll().GetCalls(), 3)
	res = resume(first, res, &sdkv1.Error{Type: "poll", Message: "no such endpoint"})
	require.Len(t, res.GetPoll().GetCalls(), 1)
	res = resume(second, res, nil) // a replay
	require.Equal(t, sdkv1.Status_STATUS_OK, res.GetStatus(), res.GetExit().GetResult().GetError().GetMessage())
	require.NotNil(t, res.GetPoll())
}

func kept(token int64, segments ...[]byte) *sendoffv1.RunContext {
	j := &sendoffv1.Journal{Segments: segments, Complete: true}
	for _, s := range segments {
		j.Length, j.Writer = j.Length+int64(len(s)), token-1
	}
	return &sendoffv1.RunContext{Token: token, Attempt: int32(token), Now: timestamppb.New(time.Now()), Journal: j}
}

func TestWhatWasUndoneIsOnRecordWithoutCheckpoints(t *testing.T) {
	var log []string
	f := sendoff.Func("undoes", func(ctx context.Context, _ int) (out int, err error) {
		undo := sendoff.NewSaga(ctx)
		defer undo.RollbackOnError(&err)
		step := func(name string, err error) error {
			_, err = sendoff.Step(ctx, name, func(context.Context) (int, error) { log = append(log, name); return 1, err }, sendoff.NoRetry())
			return err
		}
		if err := step("book", nil); err != nil {
			return 0, err
		}
		undo.Add("cancel", func(context.Context) error { log = append(log, "cancel"); return nil })
		return 1, step("pay", context.DeadlineExceeded)
	})
	e := endpointOf(t, f)
	res := exchange(t, e, &sdkv1.RunRequest{Function: "undoes", Context: kept(1)})
	require.True(t, res.GetReport().GetUndo(), "the server knows first that there is something to undo")
	require.Equal(t, []string{"book"}, log)
	booked := res.GetReport().GetAppend().GetSegment()
	res = exchange(t, e, &sdkv1.RunRequest{Function: "undoes", Context: kept(2, booked)})
	require.Equal(t, []string{"book", "pay", "cancel"}, log)
	res = exchange(t, e, &sdkv1.RunRequest{Function: "undoes", Context: kept(3, booked, res.GetReport().GetAppend().GetSegment())})
	require.NotNil(t, res.GetExit().GetResult().GetError())
	require.Equal(t, []string{"book", "pay", "cancel"}, log, "the booking is canceled, so nobody may pay")
}

func TestAJournalOfImpossibleLengthIsAnError(t *testing.T) {
	e := endpointOf(t, sendoff.Func("short", func(context.Context, int) (int, error) { return 1, nil }))
	c := kept(1, []byte("x"))
	c.Journal.Length = 1 << 60
	require.Contains(t, exchange(t, e, &sdkv1.RunRequest{Function: "short", Context: c}).GetReport().GetMismatch(), "SENDOFF1002")
}
