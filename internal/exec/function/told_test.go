package function_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/internal/exec/function"
	"github.com/sendoff-dev/sendoff/internal/protocol"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// What a run was told while it was under way is used up with its poll or its tail call.
func TestWhatWasToldBesideTheRequestIsUsedUp(t *testing.T) {
	messages := []store.Message{
		{Seq: 4, Kind: store.Result, State: task.Succeeded}, {Seq: 5, Kind: store.Signal, Name: "s"},
	}
	resumption := store.Resumption{Writer: 1, State: stateWith(t, &sdkv1.Poll{MaxWait: seconds(1)}), Open: 4, Messages: messages}
	beside := &sendoffv1.RunReport{Sdk: "go/1", Received: &sendoffv1.Received{Sequence: 8, Results: 2, Signals: 1}}
	tail := &sdkv1.RunResponse{Status: sdkv1.Status_STATUS_OK, Directive: &sdkv1.RunResponse_Exit{
		Exit: &sdkv1.Exit{TailCall: &sdkv1.Call{Function: "next"}},
	}}

	o, a := run(t, reported(poll(&sdkv1.Poll{}), beside), resumption)
	require.Equal(t, task.Suspend, o.Class, o.Error)
	require.EqualValues(t, 5, a.requests[0].GetContext().GetTold())
	require.EqualValues(t, 8, o.Progress.Seen)
	require.EqualValues(t, 1, o.Progress.Open, "of four calls one result came with the request, and two beside it")

	o, _ = run(t, reported(tail, beside), resumption)
	require.EqualValues(t, 8, o.Progress.Seen)

	beside.Received.Sequence = 3 // of a run that knows nothing of this request
	o, _ = run(t, reported(poll(&sdkv1.Poll{}), beside), resumption)
	require.EqualValues(t, 5, o.Progress.Seen)
	require.EqualValues(t, 3, o.Progress.Open)

	_, a = run(t, done, store.Resumption{Writer: 1, State: o.Progress.State})
	require.EqualValues(t, 5, a.requests[0].GetContext().GetTold(), "a request without messages goes on behind those before")
}

func TestReceived(t *testing.T) {
	got, err := function.Received(store.Resumption{})
	require.NoError(t, err)
	requireEqual(t, &sendoffv1.ReceiveResponse{}, got)

	got, err = function.Received(store.Resumption{Journal: task.MaxState, Messages: []store.Message{
		{Seq: 7, Kind: store.Result, Correlation: 3, State: task.Succeeded, Body: make([]byte, 1<<20)}, {Seq: 9, Kind: store.Signal, Name: "s"},
	}})
	require.NoError(t, err)
	require.EqualValues(t, 9, got.GetSequence())
	require.Equal(t, "s", got.GetSignals()[0].GetName())
	result := &sdkv1.PollResult{}
	require.NoError(t, got.GetPollResult().UnmarshalTo(result))
	require.EqualValues(t, 3, result.GetResults()[0].GetCorrelationId())
	require.Equal(t, protocol.TypeTooLarge, result.GetResults()[0].GetError().GetType(), "a next request could not bring it beside the journal")
}
