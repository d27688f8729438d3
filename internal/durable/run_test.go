package durable

import (
	"context"
	"fmt"
	"testing"
	"time"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
)

// BenchmarkRun measures what a call costs in a warm run, from request to poll,
// and in a replay.
func BenchmarkRun(b *testing.B) {
	const calls = 1000
	fn := func(ctx context.Context, _ Value) (Value, error) {
		for i := range calls {
			f := Call(ctx, []*sdkv1.Call{{Function: "g", Input: (Value{URL: "t", Data: []byte("some input")}).Any()}}, false)[0]
			if err := Wait(ctx, ModeEvery, f); err != nil || f.Failed() {
				return Value{}, fmt.Errorf("%d: %w", i, err)
			}
		}
		return Value{URL: "t"}, nil
	}
	host := &Host{CacheSize: 1, Result: func(v Value, err error) *sdkv1.RunResponse {
		if err != nil {
			b.Fatal(err)
		}
		return &sdkv1.RunResponse{Status: sdkv1.Status_STATUS_OK, Directive: &sdkv1.RunResponse_Exit{Exit: &sdkv1.Exit{}}}
	}}
	host.Open()
	defer host.Close()
	serial := 0
	whole := func(stop int) (journal []byte, id string) {
		serial++
		token := int64(0)
		req := &sdkv1.RunRequest{Function: "f", DispatchId: fmt.Sprint(serial), Directive: &sdkv1.RunRequest_Input{}}
		req.Context = &sendoffv1.RunContext{Journal: &sendoffv1.Journal{Complete: true}}
		for n := 0; ; n++ {
			token++
			req.Context.Token = token
			res, done := host.Run(b.Context(), req, fn)
			done(true)
			journal = append(journal, res.GetReport().GetAppend().GetSegment()...)
			poll := res.GetPoll()
			if poll == nil || n == stop {
				return journal, req.GetDispatchId()
			}
			req.Context.Journal = &sendoffv1.Journal{Length: int64(len(journal)), Writer: token}
			result := &sdkv1.CallResult{CorrelationId: poll.GetCalls()[0].GetCorrelationId(), Output: (Value{URL: "t", Data: []byte("some output")}).Any()}
			req.Directive = &sdkv1.RunRequest_PollResult{PollResult: &sdkv1.PollResult{Results: []*sdkv1.CallResult{result}}}
		}
	}
	b.Run("warm", func(b *testing.B) {
		for b.Loop() {
			whole(calls + 1)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/calls, "ns/step")
	})
	b.Run("replay", func(b *testing.B) {
		journal, id := whole(calls - 1)
		b.ReportMetric(float64(len(journal))/calls, "bytes/step")
		token := int64(calls + 10)
		for b.Loop() {
			token++
			req := &sdkv1.RunRequest{Function: "f", DispatchId: id, Directive: &sdkv1.RunRequest_PollResult{PollResult: &sdkv1.PollResult{}}}
			req.Context = &sendoffv1.RunContext{Token: token, Journal: &sendoffv1.Journal{
				Length: int64(len(journal)), Complete: true, Segments: [][]byte{journal},
			}}
			res, done := host.Run(b.Context(), req, fn)
			done(false)
			if res.GetPoll() == nil {
				b.Fatal(res)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/calls, "ns/step")
	})
}

// A run waits in the process for a timer that is near, but not when the server may
// have something for it: it would not learn of that.
func TestNothingIsKeptFromARunByShortTimers(t *testing.T) {
	for name, tt := range map[string]struct {
		other   func(context.Context) *Future
		sendoff bool
		stays   bool
	}{
		"a signal":                         {func(ctx context.Context) *Future { return Signal(ctx, "go") }, true, false},
		"a promise":                        {func(ctx context.Context) *Future { f, _ := Promise(ctx); return f }, true, false},
		"a call":                           {func(ctx context.Context) *Future { return Call(ctx, []*sdkv1.Call{{Function: "g"}}, false)[0] }, true, false},
		"another timer":                    {func(ctx context.Context) *Future { f, _ := Timer(ctx, time.Hour); return f }, true, true},
		"a signal that cannot come":        {func(ctx context.Context) *Future { return Signal(ctx, "go") }, false, true},
		"a call at a server of Dispatch's": {func(ctx context.Context) *Future { return Call(ctx, []*sdkv1.Call{{Function: "g"}}, false)[0] }, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			host := &Host{Result: func(Value, error) *sdkv1.RunResponse {
				return &sdkv1.RunResponse{Status: sdkv1.Status_STATUS_OK, Directive: &sdkv1.RunResponse_Exit{Exit: &sdkv1.Exit{}}}
			}}
			host.Open()
			defer host.Close()
			req := &sdkv1.RunRequest{Function: "f", DispatchId: "1", Directive: &sdkv1.RunRequest_Input{}}
			if tt.sendoff {
				req.Context = &sendoffv1.RunContext{Token: 1, Journal: &sendoffv1.Journal{Complete: true}}
			}
			res, done := host.Run(t.Context(), req, func(ctx context.Context, _ Value) (Value, error) {
				tick, _ := Timer(ctx, 20*time.Millisecond)
				return Value{URL: "t"}, Wait(ctx, ModeFirst, tt.other(ctx), tick)
			})
			done(true)
			if stays := res.GetPoll() == nil; stays != tt.stays {
				t.Fatalf("it waited in the process: %t, want %t", stays, tt.stays)
			}
		})
	}
}

// A step may take as long as an attempt: calls that were started before it begin
// before it does.
func TestCallsBeginBeforeAStepThatComesAfterThem(t *testing.T) {
	host := &Host{CacheSize: 1, Result: func(Value, error) *sdkv1.RunResponse {
		return &sdkv1.RunResponse{Status: sdkv1.Status_STATUS_OK, Directive: &sdkv1.RunResponse_Exit{Exit: &sdkv1.Exit{}}}
	}}
	host.Open()
	defer host.Close()
	ran := false
	fn := func(ctx context.Context, _ Value) (Value, error) {
		Call(ctx, []*sdkv1.Call{{Function: "g"}}, false)
		step := Step(ctx, "long", func(context.Context, string) StepEnd {
			ran = true
			return StepEnd{}
		})
		return Value{URL: "t"}, Wait(ctx, ModeEvery, step)
	}
	req := &sdkv1.RunRequest{Function: "f", DispatchId: "1", Directive: &sdkv1.RunRequest_Input{}}
	req.Context = &sendoffv1.RunContext{Token: 1, Journal: &sendoffv1.Journal{Complete: true}}
	res, done := host.Run(t.Context(), req, fn)
	done(true)
	if n := len(res.GetPoll().GetCalls()); n != 1 || ran {
		t.Fatalf("the first answer has %d calls, want 1; the step has run: %t", n, ran)
	}
	if wait := res.GetPoll().GetMaxWait().AsDuration(); wait > time.Millisecond {
		t.Fatalf("the step is kept waiting for %s", wait)
	}
	req.Directive = &sdkv1.RunRequest_PollResult{PollResult: &sdkv1.PollResult{}}
	req.Context = &sendoffv1.RunContext{Token: 2, Journal: &sendoffv1.Journal{Length: int64(len(res.GetReport().GetAppend().GetSegment())), Writer: 1}}
	res, done = host.Run(t.Context(), req, fn)
	done(true)
	if res.GetExit() == nil || !ran {
		t.Fatalf("the second answer is %v, want the end; the step has run: %t", res, ran)
	}
}
