package function_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/internal/exec/function"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func reported(r *sdkv1.RunResponse, report *sendoffv1.RunReport) *sdkv1.RunResponse {
	r.Report = report
	return r
}

// journaled is a server that keeps a journal of two segments.
func journaled(t *testing.T, read *int, resumption store.Resumption) *function.Executor {
	t.Helper()
	return newExecutor(t, function.Config{Journal: func(_ context.Context, id task.ID) ([]task.Segment, error) {
		*read++
		return []task.Segment{{Bytes: []byte("one")}, {Offset: 3, Bytes: []byte("two")}}, nil
	}}, resumption)
}

func TestTheFirstRunHasAnEmptyJournal(t *testing.T) {
	a := serve(t, done)
	read := 0
	journaled(t, &read, store.Resumption{}).Execute(t.Context(), first(), greet(a.URL))
	requireEqual(t, &sendoffv1.Journal{Complete: true}, a.requests[0].GetContext().GetJournal())
	require.Zero(t, read)
	newExecutor(t, function.Config{}).Execute(t.Context(), first(), greet(a.URL))
	require.Nil(t, a.requests[1].GetContext().GetJournal()) // a server that keeps none says so
}

// The journal is left out while the instance may hold it.
func TestTheJournalIsLeftOutForAWarmInstance(t *testing.T) {
	a := serve(t, reported(poll(&sdkv1.Poll{}), &sendoffv1.RunReport{Sdk: "go/1", Append: &sendoffv1.Append{Offset: 6, Segment: []byte("s")}}))
	read := 0
	x := journaled(t, &read, store.Resumption{Writer: 4, Journal: 6, State: []byte{1}, Epoch: 2})
	journal := func(token int64) *sendoffv1.Journal {
		o := x.Execute(t.Context(), later(token), greet(a.URL))
		require.Equal(t, task.Suspend, o.Class, o.Error)
		require.Equal(t, &task.Segment{Offset: 6, Bytes: []byte("s")}, o.Progress.Append)
		c := a.requests[len(a.requests)-1].GetContext()
		require.EqualValues(t, 2, c.GetEpoch())
		return c.GetJournal()
	}
	complete := &sendoffv1.Journal{Length: 6, Writer: 4, Complete: true, Segments: [][]byte{[]byte("one"), []byte("two")}}
	requireEqual(t, complete, journal(4)) // this node knows nothing of the instance
	requireEqual(t, &sendoffv1.Journal{Length: 6, Writer: 4}, journal(5))
	require.Equal(t, 1, read)
	requireEqual(t, complete, journal(6)) // the journal is still that of 4, and the instance holds that of 5
}

// An instance that does not hold it gets it at once.
func TestNeedJournalWithinOneAttempt(t *testing.T) {
	suspend := reported(poll(&sdkv1.Poll{}), &sendoffv1.RunReport{Sdk: "go/1"})
	need := reported(&sdkv1.RunResponse{}, &sendoffv1.RunReport{Sdk: "go/1", NeedJournal: true})
	a := serve(t, suspend, need, suspend)
	read := 0
	x := journaled(t, &read, store.Resumption{Writer: 4, Journal: 6, State: []byte{1}})
	x.Execute(t.Context(), later(4), greet(a.URL))
	o := x.Execute(t.Context(), later(5), greet(a.URL))
	require.Equal(t, task.Suspend, o.Class, o.Error)
	require.Len(t, a.requests, 3)
	require.False(t, a.requests[1].GetContext().GetJournal().GetComplete())
	require.True(t, a.requests[2].GetContext().GetJournal().GetComplete())

	a = serve(t, need)
	o = x.Execute(t.Context(), later(6), greet(a.URL))
	require.Equal(t, task.Failure, o.Class)
	require.Contains(t, o.Error, "asks for a journal that it was just sent")
	require.Len(t, a.requests, 1)
}

func TestAJournalThatCannotBeRead(t *testing.T) {
	a := serve(t, done)
	x := newExecutor(t, function.Config{Journal: func(context.Context, task.ID) ([]task.Segment, error) { return nil, errors.New("away") }},
		store.Resumption{Journal: 3})
	o := x.Execute(t.Context(), later(2), greet(a.URL))
	require.Equal(t, task.Throttle, o.Class)
	require.Contains(t, o.Error, "its journal could not be read: away")
	require.Empty(t, a.requests)
}

func TestReports(t *testing.T) {
	segment := &sendoffv1.Append{Offset: 9, Segment: []byte("x")}
	o, _ := run(t, reported(poll(&sdkv1.Poll{MaxWait: seconds(1)}), &sendoffv1.RunReport{Sdk: "go/1", Append: segment, Cancel: []uint64{1 << 63}}))
	require.Equal(t, []uint64{1 << 63}, o.Progress.Cancel)
	require.Equal(t, []byte("x"), o.Progress.Append.Bytes)

	// A run that failed keeps what it had done.
	o, _ = run(t, reported(exit(sdkv1.Status_STATUS_TEMPORARY_ERROR, nil, nil), &sendoffv1.RunReport{Append: segment}))
	require.Equal(t, task.Failure, o.Class)
	require.Equal(t, &task.Progress{Append: &task.Segment{Offset: 9, Bytes: []byte("x")}}, o.Progress)

	o, _ = run(t, reported(exit(sdkv1.Status_STATUS_OK, nil, nil), &sendoffv1.RunReport{CancelOpenCalls: true}))
	require.Equal(t, task.Success, o.Class)
	require.Equal(t, &task.Progress{CancelOpen: true}, o.Progress)

	// One that begins again leaves nothing behind.
	o, _ = run(t, reported(exit(sdkv1.Status_STATUS_INCOMPATIBLE_STATE, nil, nil), &sendoffv1.RunReport{Append: segment}))
	require.Equal(t, &task.Progress{Restart: true}, o.Progress)
	o, _ = run(t, reported(tail(sdkv1.Status_STATUS_OK, call("f")), &sendoffv1.RunReport{Append: segment}))
	require.Nil(t, o.Progress.Append)

	// What takes the place of a function gets the signals that it did not take.
	left := []*sendoffv1.Signal{{Sequence: 7, Name: "go", Value: text("v")}, {Name: "bare"}}
	o, _ = run(t, reported(tail(sdkv1.Status_STATUS_OK, call("f")), &sendoffv1.RunReport{Untaken: left}))
	require.Equal(t, []task.Signal{{Name: "go", Value: encode(text("v"))}, {Name: "bare"}}, o.Progress.Untaken)

	o, _ = run(t, reported(exit(sdkv1.Status_STATUS_OK, nil, nil), &sendoffv1.RunReport{Mismatch: "step 3 was charge, is now refund", Append: segment}))
	require.Equal(t, task.Block, o.Class)
	require.Equal(t, "step 3 was charge, is now refund", o.Error)
	require.Nil(t, o.Progress)
}

func TestSignals(t *testing.T) {
	o, a := run(t, reported(poll(&sdkv1.Poll{}), &sendoffv1.RunReport{}), store.Resumption{
		Writer: 1, State: stateWith(t, &sdkv1.Poll{MaxWait: seconds(1), MaxResults: 1}), Open: 3,
		Messages: []store.Message{
			{Seq: 5, Kind: store.Signal, Name: "go", Body: encode(text("v"))},
			{Seq: 6, Kind: store.Result, State: task.Succeeded},
			{Seq: 7, Kind: store.Signal, Name: "bare"},
			{Seq: 8, Kind: store.Result, State: task.Succeeded}, // one too many
			{Seq: 9, Kind: store.Signal, Name: "waits behind it"},
		},
	})
	got := a.requests[0].GetContext().GetSignals()
	require.Len(t, got, 2)
	requireEqual(t, &sendoffv1.Signal{Sequence: 5, Name: "go", Value: text("v")}, got[0])
	requireEqual(t, &sendoffv1.Signal{Sequence: 7, Name: "bare"}, got[1])
	require.Len(t, a.requests[0].GetPollResult().GetResults(), 1)
	require.EqualValues(t, 7, o.Progress.Seen)
	require.EqualValues(t, 2, o.Progress.Open)
	require.Equal(t, "2", header(o, "Signals"))
}

// A function that knows nothing of signals has used none up when it goes on as
// another one.
func TestSignalsOfAFunctionThatKnowsOfNone(t *testing.T) {
	told := store.Resumption{Messages: []store.Message{{Seq: 5, Kind: store.Signal, Name: "go"}}}
	o, _ := run(t, tail(sdkv1.Status_STATUS_OK, call("f")), told)
	require.Equal(t, task.Continue, o.Class)
	require.Zero(t, o.Progress.Seen)
	o, _ = run(t, reported(tail(sdkv1.Status_STATUS_OK, call("f")), &sendoffv1.RunReport{}), told)
	require.EqualValues(t, 5, o.Progress.Seen)
}
