package function_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/internal/exec/function"
	"github.com/sendoff-dev/sendoff/internal/protocol"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// run is one attempt against a single answer.
func run(t *testing.T, response *sdkv1.RunResponse, resumption ...store.Resumption) (task.Outcome, *app) {
	t.Helper()
	a := serve(t, response)
	c := first()
	if len(resumption) > 0 {
		c = later(2)
	}
	return newExecutor(t, function.Config{}, resumption...).Execute(t.Context(), c, greet(a.URL)), a
}

func bytesOf(s string) *sdkv1.Poll_CoroutineState {
	return &sdkv1.Poll_CoroutineState{CoroutineState: []byte(s)}
}

func call(name string) *sdkv1.Call {
	return &sdkv1.Call{Function: name, CorrelationId: 1 << 63, Input: text("in")}
}

func TestAPollThatCalls(t *testing.T) {
	priority, jitter := int32(2), 0.0
	o, a := run(t, poll(&sdkv1.Poll{
		State: bytesOf("s"), MinResults: 3, MaxResults: 10, MaxWait: seconds(300),
		Calls: []*sdkv1.Call{
			{Function: "C.f.<locals>.g", CorrelationId: 1<<64 - 1, Expiration: seconds(60), Version: "v2"},
			{Function: "other", Endpoint: "https://elsewhere.example/x", CorrelationId: 7, Input: text("in"), Options: &sendoffv1.CallOptions{
				Queue: "q", Priority: &priority, Delay: seconds(5), Timeout: seconds(6), Name: "n", Labels: map[string]string{"k": "v"},
				Detached: true, Retry: &sendoffv1.RetryPolicy{MaxAttempts: 3, MinBackoff: seconds(1), Factor: 3, Jitter: &jitter},
			}},
		},
	}))
	require.Equal(t, task.Suspend, o.Class, o.Error)
	p := o.Progress
	require.EqualValues(t, 1, p.Open) // nobody waits for the detached one
	require.Equal(t, int32(3), p.Min)
	require.Equal(t, int32(10), p.Max)
	require.Equal(t, 300*time.Second, p.MaxWait)
	require.False(t, p.Prompt)
	require.Empty(t, p.PollError)
	require.Empty(t, o.Answer.Body)
	require.Equal(t, []string{"2", "1", "5m0s"}, []string{header(o, "Calls"), header(o, "State-Bytes"), header(o, "Wait")})

	two := 2
	retry := task.FunctionRetry
	retry.MaxAttempts, retry.MinBackoff, retry.Factor, retry.Jitter = 3, time.Second, 3, -1
	require.Equal(t, []task.Call{
		{
			Correlation: 1<<64 - 1, Expiration: time.Minute,
			Spec: task.Spec{Kind: task.Function, Function: "C.f.<locals>.g", Endpoint: a.URL, Version: "v2", Group: "g"},
		}, {
			Correlation: 7, Payload: encode(text("in")), Queue: "q", Priority: &two, Delay: 5 * time.Second, Detached: true,
			Spec: task.Spec{
				Kind: task.Function, Function: "other", Endpoint: "https://elsewhere.example/x", Group: "g", Name: "n",
				Labels: map[string]string{"k": "v"}, Timeout: 6 * time.Second, Retry: retry,
			},
		},
	}, p.Calls)
}

// The variant in which the state came is the one in which it goes back.
func TestBothVariantsOfState(t *testing.T) {
	for name, tt := range map[string]struct {
		poll *sdkv1.Poll
		want *sdkv1.PollResult
	}{
		"bytes":       {&sdkv1.Poll{State: bytesOf("\x00\xffx")}, &sdkv1.PollResult{State: &sdkv1.PollResult_CoroutineState{CoroutineState: []byte("\x00\xffx")}}},
		"empty bytes": {&sdkv1.Poll{State: bytesOf("")}, &sdkv1.PollResult{State: &sdkv1.PollResult_CoroutineState{CoroutineState: []byte{}}}},
		"none":        {&sdkv1.Poll{}, &sdkv1.PollResult{}},
		"typed": {
			&sdkv1.Poll{State: &sdkv1.Poll_TypedCoroutineState{TypedCoroutineState: &anypb.Any{TypeUrl: "a/b", Value: []byte{9}}}},
			&sdkv1.PollResult{State: &sdkv1.PollResult_TypedCoroutineState{TypedCoroutineState: &anypb.Any{TypeUrl: "a/b", Value: []byte{9}}}},
		},
		"empty typed": {
			&sdkv1.Poll{State: &sdkv1.Poll_TypedCoroutineState{TypedCoroutineState: &anypb.Any{}}},
			&sdkv1.PollResult{State: &sdkv1.PollResult_TypedCoroutineState{TypedCoroutineState: &anypb.Any{}}},
		},
	} {
		tt.poll.MaxWait = seconds(1)
		o, _ := run(t, poll(tt.poll))
		require.NotNil(t, o.Progress.State, name)
		_, a := run(t, done, store.Resumption{Writer: 1, State: o.Progress.State})
		requireEqual(t, tt.want, a.requests[0].GetPollResult())
	}
}

// Polls break the published rules: see 0.6 of the facts.
func TestPollsAreClamped(t *testing.T) {
	open := store.Resumption{Writer: 1, State: stateWith(t, &sdkv1.Poll{MaxWait: seconds(1)}), Open: 2}
	o, _ := run(t, poll(&sdkv1.Poll{MinResults: 3000, MaxResults: 3000}), open)
	require.Equal(t, task.Suspend, o.Class)
	require.EqualValues(t, 2, task.Need(o.Progress.Min, o.Progress.Max, o.Progress.Open)) // no more than are open
	require.Zero(t, o.Progress.MaxWait)
	require.Empty(t, o.Progress.PollError)

	o, _ = run(t, poll(&sdkv1.Poll{MinResults: -5, MaxResults: -5}), open)
	require.EqualValues(t, 1, task.Need(o.Progress.Min, o.Progress.Max, o.Progress.Open))
	o, _ = run(t, poll(&sdkv1.Poll{MaxWait: &durationpb.Duration{}}), open)
	require.Zero(t, o.Progress.MaxWait) // a zero that was filled in while calls are open
	o, _ = run(t, poll(&sdkv1.Poll{MaxWait: seconds(-9)}), open)
	require.Zero(t, o.Progress.MaxWait)
}

func stateWith(t *testing.T, p *sdkv1.Poll) []byte {
	t.Helper()
	o, _ := run(t, poll(p))
	return o.Progress.State
}

func TestAPollThatSleeps(t *testing.T) {
	o, _ := run(t, poll(&sdkv1.Poll{MaxWait: seconds(60)}))
	require.Equal(t, time.Minute, o.Progress.MaxWait)
	require.Empty(t, o.Progress.PollError)
	o, _ = run(t, poll(&sdkv1.Poll{MaxWait: &durationpb.Duration{}}))
	require.Equal(t, time.Millisecond, o.Progress.MaxWait)
	require.Empty(t, o.Progress.PollError)
}

// Woken by its timer a function is told nothing new, and what it has used up
// stays used up.
func TestAWakeWithoutResults(t *testing.T) {
	state := stateWith(t, &sdkv1.Poll{MaxWait: seconds(1), State: bytesOf("a")})
	message := store.Message{Seq: 41, Kind: store.Result, From: childID, State: task.Succeeded}
	o, _ := run(t, poll(&sdkv1.Poll{MaxWait: seconds(1), State: bytesOf("b")}), store.Resumption{Writer: 1, State: state, Open: 2, Messages: []store.Message{message}})
	require.EqualValues(t, 41, o.Progress.Seen)
	require.EqualValues(t, 1, o.Progress.Open)
	o, a := run(t, poll(&sdkv1.Poll{MaxWait: seconds(1)}), store.Resumption{Writer: 2, State: o.Progress.State, Open: 1})
	require.EqualValues(t, 41, o.Progress.Seen)
	require.EqualValues(t, 1, o.Progress.Open)
	requireEqual(t, &sdkv1.PollResult{State: &sdkv1.PollResult_CoroutineState{CoroutineState: []byte("b")}}, a.requests[0].GetPollResult())
}

func TestAPollThatWaitsForNothing(t *testing.T) {
	o, _ := run(t, poll(&sdkv1.Poll{State: bytesOf("s")}))
	require.Equal(t, task.Suspend, o.Class)
	require.Contains(t, o.Progress.PollError, "the poll waits for nothing")
	require.NotNil(t, o.Progress.State)

	// It is told once: dispatch-py skips the error after a gather of nothing, and
	// would go on asking as fast as it is answered.
	o, _ = run(t, poll(&sdkv1.Poll{State: bytesOf("s")}), store.Resumption{
		Writer: 1, State: stateWith(t, &sdkv1.Poll{State: bytesOf("s")}), Messages: []store.Message{{Seq: 1, Kind: store.PollError, Error: "nothing"}},
	})
	require.Equal(t, task.Reject, o.Class)
	require.Equal(t, "the function waits for nothing, also after it was told so", resultOf(t, o).GetError().GetMessage())
	require.Equal(t, "INVALID_RESPONSE", header(o, "Status"))

	// Sendoff's SDK may wait for a signal.
	response := poll(&sdkv1.Poll{})
	response.Report = &sendoffv1.RunReport{Sdk: "go/1", Prompt: true}
	o, _ = run(t, response)
	require.Empty(t, o.Progress.PollError)
	require.True(t, o.Progress.Prompt)
	require.Equal(t, "go/1", header(o, "SDK"))
}

// One faulty call, and none is made: the function is told why.
func TestPollErrors(t *testing.T) {
	many := make([]*sdkv1.Call, task.MaxCalls+1)
	for i := range many {
		many[i] = call("f")
	}
	for _, tt := range []struct {
		calls []*sdkv1.Call
		text  string
	}{
		{[]*sdkv1.Call{call("f"), {Function: ""}}, "calls[1].function: is missing"},
		{[]*sdkv1.Call{call("double-repeat")}, `calls[0].function: is "double-repeat": want a name that matches`},
		{[]*sdkv1.Call{call(strings.Repeat("f", 501))}, "has 501 bytes"},
		{[]*sdkv1.Call{{Function: "f", Endpoint: "ftp://x"}}, `calls[0].endpoint: has scheme "ftp": want http, https or bridge`},
		{[]*sdkv1.Call{{Function: "f", Endpoint: "x"}}, "is not the URL of an endpoint"},
		{[]*sdkv1.Call{{Function: "f", Endpoint: "http://10.0.0.1"}}, "--allow-egress"},
		{[]*sdkv1.Call{{Function: "f", Endpoint: "embedded://nobody"}}, "has scheme"},
		{[]*sdkv1.Call{{Function: "f", Endpoint: "arn:aws:lambda:us-east-1:1:function:f"}}, "AWS Lambda functions are not called by this server"},
		{[]*sdkv1.Call{{Function: "f", Expiration: seconds(-1)}}, "calls[0].expiration: is negative"},
		{[]*sdkv1.Call{{Function: "f", Expiration: &durationpb.Duration{Seconds: 1, Nanos: -1}}}, "calls[0].expiration: is not a duration"},
		{[]*sdkv1.Call{{Function: "f", Options: &sendoffv1.CallOptions{Timeout: seconds(-1)}}}, "calls[0].options.timeout: is negative"},
		{many, "the poll has 10001, at most 10000 are allowed"},
		{make([]*sdkv1.Call, 9), "and 4 more faults"},
	} {
		for i := range tt.calls {
			if tt.calls[i] == nil {
				tt.calls[i] = &sdkv1.Call{}
			}
		}
		open := store.Resumption{Writer: 1, State: stateWith(t, &sdkv1.Poll{MaxWait: seconds(1)}), Open: 1}
		o, _ := run(t, poll(&sdkv1.Poll{Calls: tt.calls, State: bytesOf("s")}), open)
		require.Equal(t, task.Suspend, o.Class)
		require.Contains(t, o.Progress.PollError, "none of the calls was made: ")
		require.Contains(t, o.Progress.PollError, tt.text)
		require.Empty(t, o.Progress.Calls)
		require.EqualValues(t, 1, o.Progress.Open)
		require.NotEmpty(t, header(o, "Poll-Error"))
	}
}

func TestAPollErrorIsTold(t *testing.T) {
	_, a := run(t, done, store.Resumption{Writer: 1, State: stateWith(t, &sdkv1.Poll{MaxWait: seconds(1)}), Messages: []store.Message{
		{Seq: 1, Kind: store.PollError, Error: "no"}, {Seq: 2, Kind: store.Result, State: task.Succeeded}, {Seq: 3, Kind: store.PollError, Error: "nor this"},
	}})
	got := a.requests[0].GetPollResult()
	requireEqual(t, &sdkv1.Error{Type: protocol.TypePoll, Message: "no; nor this"}, got.GetError())
	require.Len(t, got.GetResults(), 1)
}

// A child without words of its own still fails visibly.
func TestChildrenThatEndedWithoutABody(t *testing.T) {
	_, a := run(t, done, store.Resumption{Writer: 1, State: stateWith(t, &sdkv1.Poll{MaxWait: seconds(1)}), Messages: []store.Message{
		{Seq: 1, Kind: store.Result, State: task.Canceled, Reason: task.Requested},
		{Seq: 2, Kind: store.Result, State: task.Failed, Reason: task.Expired},
		{Seq: 3, Kind: store.Result, State: task.Failed, Reason: task.Exhausted, Error: "503"},
		{Seq: 4, Kind: store.Result, State: task.Failed, Reason: task.Poison},
		{Seq: 5, Kind: store.Result},
		{Seq: 6, Kind: store.Result, State: task.Succeeded, Body: []byte("\xff")},
		{Seq: 7, Kind: store.Result, State: task.Succeeded},
	}})
	var got []string
	for _, r := range a.requests[0].GetPollResult().GetResults() {
		got = append(got, strings.Trim(r.GetError().GetType()+": "+r.GetError().GetMessage(), ": "))
	}
	require.Equal(t, []string{
		"Canceled: the call was canceled", "TimeoutError: the call expired", "PERMANENT_ERROR: 503", "PERMANENT_ERROR: the call failed: poison",
		"Canceled: the call is gone: it was deleted before it ended", "INVALID_RESPONSE: the stored result cannot be read", "",
	}, got)
}

// Results beyond what fits into a request stay where they are.
func TestDeliveriesAreBounded(t *testing.T) {
	state := stateWith(t, &sdkv1.Poll{MaxWait: seconds(1)})
	big := encode(&sdkv1.CallResult{Output: text(strings.Repeat("x", 6_000_000))})
	var messages []store.Message
	for i := range 4 {
		messages = append(messages, store.Message{Seq: int64(i + 1), Kind: store.Result, State: task.Succeeded, Body: big})
	}
	o, a := run(t, poll(&sdkv1.Poll{}), store.Resumption{Writer: 1, State: state, Open: 4, Messages: messages})
	require.Len(t, a.requests[0].GetPollResult().GetResults(), 2)
	require.LessOrEqual(t, len(a.bodies[0]), task.MaxState)
	require.EqualValues(t, 2, o.Progress.Seen)
	require.EqualValues(t, 2, o.Progress.Open)

	messages[0].Body = encode(&sdkv1.CallResult{Output: text(strings.Repeat("x", 15_900_000))})
	_, a = run(t, done, store.Resumption{Writer: 1, State: state, Open: 1, Messages: messages[:1]})
	require.Equal(t, protocol.TypeTooLarge, a.requests[0].GetPollResult().GetResults()[0].GetError().GetType())
}

// An endpoint that reads no more than 1 MiB, as dispatch.run does and many proxies
// do, gets fewer results; one that is too large by itself becomes an error.
func TestResultsForAnEndpointThatTakesLittle(t *testing.T) {
	var a *app
	a = serveFunc(t, func(w http.ResponseWriter, n int) {
		if len(a.bodies[n]) > 1<<20 {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		w.Header().Set("Content-Type", "application/proto")
		_, _ = w.Write(encode(poll(&sdkv1.Poll{State: bytesOf("s")})))
	})
	state := stateWith(t, &sdkv1.Poll{State: bytesOf("s")})
	resume := func(sizes ...int) (task.Outcome, []*sdkv1.CallResult) {
		r := store.Resumption{Writer: 1, State: state, Open: 9}
		for i, size := range sizes {
			body := encode(&sdkv1.CallResult{Output: text(strings.Repeat("x", size))})
			r.Messages = append(r.Messages, store.Message{Seq: int64(i) + 1, Kind: store.Result, State: task.Succeeded, Body: body})
		}
		o := newExecutor(t, function.Config{}, r).Execute(t.Context(), later(2), greet(a.URL))
		return o, a.requests[len(a.requests)-1].GetPollResult().GetResults()
	}
	o, results := resume(700_000, 700_000, 100_000)
	require.Equal(t, task.Suspend, o.Class, o.Error)
	require.Len(t, results, 1, "the others come with the next runs")
	require.Nil(t, results[0].GetError())
	require.EqualValues(t, 1, o.Progress.Seen)
	require.EqualValues(t, 8, o.Progress.Open)

	o, results = resume(1_100_000, 10)
	require.Equal(t, task.Suspend, o.Class, o.Error)
	require.Equal(t, protocol.TypeTooLarge, results[0].GetError().GetType())
	require.Contains(t, results[0].GetError().GetMessage(), "bytes, which do not fit into a request of 983040 beside the state")

	state = stateWith(t, &sdkv1.Poll{State: bytesOf(strings.Repeat("s", 2<<20))})
	before := len(a.requests)
	o, _ = resume(10)
	require.Equal(t, task.Reject, o.Class, "it is the state that is too large")
	require.Len(t, a.requests, before+2)
}

// What a function has called goes no further than the function: also for SDKs that
// do not say so.
func TestCallsThatAreOpenAtTheEndAreGivenUp(t *testing.T) {
	waits := store.Resumption{
		Writer: 1, State: stateWith(t, &sdkv1.Poll{State: bytesOf("s")}), Open: 2,
		Messages: []store.Message{{Seq: 1, Kind: store.Result, State: task.Failed}},
	}
	for name, response := range map[string]*sdkv1.RunResponse{
		"an exit":     done,
		"a failure":   exit(sdkv1.Status_STATUS_PERMANENT_ERROR, nil, nil),
		"a tail call": tail(sdkv1.Status_STATUS_OK, call("f")),
	} {
		o, _ := run(t, response, waits)
		require.True(t, o.Progress.CancelOpen, name)
	}
	o, _ := run(t, poll(&sdkv1.Poll{State: bytesOf("s")}), waits)
	require.False(t, o.Progress.CancelOpen, "it goes on")
	waits.Open = 1
	o, _ = run(t, done, waits)
	require.Nil(t, o.Progress, "its last call has ended")
}

func TestResumeIsAskedOnceNeeded(t *testing.T) {
	asked := 0
	c := function.Config{Resume: func(_ context.Context, id task.ID, _ int64, limit, maxBytes int) (store.Resumption, error) {
		asked++
		require.Equal(t, taskID, id.String())
		require.Equal(t, 1000, limit)
		require.Less(t, maxBytes, task.MaxState)
		return store.Resumption{}, nil
	}}
	a := serve(t, done)
	x := newExecutor(t, c)
	x.Execute(t.Context(), first(), greet(a.URL))
	require.Zero(t, asked)
	x.Execute(t.Context(), later(2), greet(a.URL)) // a retry of the first run: the input again
	require.Equal(t, 1, asked)
	requireEqual(t, text("hello"), a.requests[1].GetInput())
}

func TestTailCalls(t *testing.T) {
	spec := greet("")
	spec.Name, spec.ClientID, spec.ContentType, spec.Timeout, spec.Version = "n", "mine", "application/json", time.Minute, "v1"
	c := first()
	c.Payload = []byte(`1`)
	for _, tt := range []struct {
		status sdkv1.Status
		call   *sdkv1.Call
		class  task.Class
		want   func(*task.Spec)
	}{
		{sdkv1.Status_STATUS_OK, call("next"), task.Continue, func(s *task.Spec) {}},
		{0, call("next"), task.Continue, func(s *task.Spec) {}},
		{sdkv1.Status_STATUS_OK, &sdkv1.Call{Function: "next", Input: text("in"), Endpoint: "https://b.example", Version: "v2", Options: &sendoffv1.CallOptions{Timeout: seconds(5)}}, task.Continue,
			func(s *task.Spec) { s.Endpoint, s.Version, s.Timeout = "https://b.example", "v2", 5*time.Second }},
		// dispatch.Reset of dispatch-py: try again, but with this call.
		{sdkv1.Status_STATUS_TEMPORARY_ERROR, call("next"), task.Failure, func(s *task.Spec) {}},
		{sdkv1.Status_STATUS_THROTTLED, call("next"), task.Throttle, func(s *task.Spec) {}},
	} {
		a := serve(t, tail(tt.status, tt.call))
		spec.Endpoint = a.URL
		o := newExecutor(t, function.Config{}).Execute(t.Context(), c, spec)
		require.Equal(t, tt.class, o.Class, o.Error)
		want := *spec
		want.Function, want.ContentType = "next", ""
		tt.want(&want)
		require.Equal(t, &task.Progress{Next: &task.Call{Spec: want, Payload: encode(text("in"))}}, o.Progress)
	}
	o, _ := run(t, tail(sdkv1.Status_STATUS_PERMANENT_ERROR, call("next")))
	require.Equal(t, task.Reject, o.Class)
	require.Nil(t, o.Progress)
	for _, status := range []sdkv1.Status{sdkv1.Status_STATUS_OK, sdkv1.Status_STATUS_TEMPORARY_ERROR} {
		o, _ = run(t, tail(status, &sdkv1.Call{Function: "no-such-name"}))
		require.Equal(t, task.Reject, o.Class)
		require.Contains(t, o.Error, "the tail call cannot be made: tail_call.function")
		require.Equal(t, "INVALID_RESPONSE", resultOf(t, o).GetError().GetType())
	}
}

func TestRestarts(t *testing.T) {
	resumed := store.Resumption{Writer: 1, State: stateWith(t, &sdkv1.Poll{MaxWait: seconds(1)})}
	lost := exit(sdkv1.Status_STATUS_PERMANENT_ERROR, nil, &sdkv1.Error{Message: "volatile coroutine 123 not found"})

	o, _ := run(t, lost, resumed)
	require.Equal(t, task.Failure, o.Class)
	require.True(t, o.Progress.Restart)
	o, _ = run(t, lost) // a first run has no state to lose
	require.Equal(t, task.Reject, o.Class)
	o, _ = run(t, exit(sdkv1.Status_STATUS_PERMANENT_ERROR, nil, &sdkv1.Error{Message: "not found"}), resumed)
	require.Equal(t, task.Reject, o.Class)

	a := serve(t, lost)
	u, err := url.Parse(a.URL)
	require.NoError(t, err)
	for keep, want := range map[string]task.Class{"*": task.Reject, u.Host: task.Reject, u.Hostname(): task.Reject, "elsewhere": task.Failure, u.Hostname() + ":1": task.Failure} {
		x := newExecutor(t, function.Config{KeepState: []string{keep}}, resumed)
		require.Equal(t, want, x.Execute(t.Context(), later(2), greet(a.URL)).Class, keep)
	}
}

// dispatch-py 0.8.0 says by a plain 500 that it cannot read its state.
func TestA500AgainAndAgainOnAResume(t *testing.T) {
	resumed := store.Resumption{Writer: 1, State: stateWith(t, &sdkv1.Poll{MaxWait: seconds(1)})}
	report := poll(&sdkv1.Poll{MaxWait: seconds(1)})
	report.Report = &sendoffv1.RunReport{Sdk: "go/1"}
	oursOutcome, _ := run(t, report)
	ours := store.Resumption{Writer: 1, State: oursOutcome.Progress.State}
	for _, tt := range []struct {
		name       string
		resumption store.Resumption
		failures   int32
		before     int32
		status     int
		json       bool
		restart    bool
	}{
		{"the third", resumed, 2, 500, 500, false, true},
		{"a later one", resumed, 7, 500, 500, false, true},
		{"the second", resumed, 1, 500, 500, false, false},
		{"after another failure", resumed, 2, 503, 500, false, false},
		{"another failure", resumed, 2, 500, 503, false, false},
		{"with words", resumed, 2, 500, 500, true, false},
		{"a first run", store.Resumption{}, 2, 500, 500, false, false},
		{"of our SDK", ours, 2, 500, 500, false, false},
	} {
		contentType, body := "text/plain", "500 Internal Server Error"
		if tt.json {
			contentType, body = "application/json", `{"code":"internal","message":"x"}`
		}
		a := serveHTTP(t, tt.status, contentType, body)
		c := later(9)
		c.Failures, c.LastCode = tt.failures, tt.before
		o := newExecutor(t, function.Config{}, tt.resumption).Execute(t.Context(), c, greet(a.URL))
		require.Equal(t, task.Failure, o.Class)
		require.Equal(t, tt.restart, o.Progress != nil && o.Progress.Restart, tt.name)
		require.Equal(t, tt.restart, strings.Contains(o.Error, "begun again from its input"), o.Error)
	}
}
