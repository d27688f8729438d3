package sendoff_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sendoff-dev/sendoff"
	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/internal/rehearse"
	"github.com/sendoff-dev/sendoff/internal/rehearse/wire"
)

var (
	journalWarm = mode{name: "journal warm", journal: true}
	journalCold = mode{name: "journal cold", journal: true, cold: true}
)

func start(t *testing.T, s *rehearse.Scheduler, f sendoff.AnyFunction, input any) string {
	t.Helper()
	return s.Start(&sdkv1.Call{Function: f.Name(), Input: asJSON(t, input)})
}

func play(t *testing.T, s *rehearse.Scheduler, f sendoff.AnyFunction, input any) *sdkv1.CallResult {
	t.Helper()
	result, err := s.Wait(t.Context(), start(t, s, f, input))
	require.NoError(t, err)
	return result
}

func number(t *testing.T, r *sdkv1.CallResult) int64 {
	t.Helper()
	require.Nil(t, r.GetError())
	var v wrapperspb.Int64Value
	require.NoError(t, r.GetOutput().UnmarshalTo(&v))
	return v.GetValue()
}

func TestAChangedFunctionIsBlockedWithAMessage(t *testing.T) {
	before := func(ctx context.Context, _ int) (int, error) {
		if _, err := sendoff.Step(ctx, "reserve", func(context.Context) (int, error) { return 1, nil }); err != nil {
			return 0, err
		}
		if _, err := double.Await(ctx, 1); err != nil {
			return 0, err
		}
		return 0, sendoff.Sleep(ctx, time.Hour)
	}
	for name, tt := range map[string]struct {
		after func(context.Context, int) (int, error)
		want  []string
	}{
		"another callee": {
			func(ctx context.Context, _ int) (int, error) {
				_, _ = sendoff.Step(ctx, "reserve", func(context.Context) (int, error) { return 1, nil })
				return echoInt.Await(ctx, 1)
			},
			[]string{"recorded: call double at ", "code now: call echo_int at ", "at command 2", "1: step reserve at ", "behavior_test.go:"},
		},
		"another input": {
			func(ctx context.Context, _ int) (int, error) {
				_, _ = sendoff.Step(ctx, "reserve", func(context.Context) (int, error) { return 1, nil })
				return double.Await(ctx, 2)
			},
			[]string{"its input differs"},
		},
		"another name of a step": {
			func(ctx context.Context, _ int) (int, error) {
				return sendoff.Step(ctx, "book", func(context.Context) (int, error) { return 1, nil })
			},
			[]string{"recorded: step reserve", "code now: step book", "at command 1"},
		},
		"one command more": {
			func(ctx context.Context, in int) (int, error) {
				sendoff.After(ctx, time.Hour)
				return before(ctx, in)
			},
			[]string{"recorded: step reserve", "code now: timer"},
		},
		"the same commands, earlier": {
			func(ctx context.Context, _ int) (int, error) {
				_, _ = sendoff.Step(ctx, "reserve", func(context.Context) (int, error) { return 1, nil })
				call := double.Start(ctx, 1)
				sendoff.After(ctx, time.Hour)
				return call.Await(ctx)
			},
			[]string{"it came later", "SENDOFF1001"},
		},
		"one command less": {
			func(ctx context.Context, _ int) (int, error) { return sendoff.NewSignal[int]("x").Recv(ctx) },
			[]string{"a command that was recorded did not come", "recorded: step reserve"},
		},
		"returns at once": {
			func(context.Context, int) (int, error) { return 7, nil },
			[]string{"recorded: step reserve"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			code := before
			f := sendoff.Func("changing", func(ctx context.Context, n int) (int, error) { return code(ctx, n) })
			s := stage(t, journalCold, 1, f, double, echoInt)
			id := start(t, s, f, 1)
			s.After(time.Minute, func() { code = tt.after })
			s.After(time.Minute, func() { _ = s.Signal(id, "wake", nil) })
			_, err := s.Wait(t.Context(), id)
			var blocked *rehearse.BlockedError
			require.ErrorAs(t, err, &blocked)
			for _, text := range append(tt.want, "SENDOFF1001", "function changing", id, "sendoff.Version", "restart") {
				require.Contains(t, blocked.Text, text)
			}
		})
	}
}

var echoInt = sendoff.Func("echo_int", func(_ context.Context, n int) (int, error) { return n, nil })

func TestVersionKeepsOldRunsOnTheirPath(t *testing.T) {
	changed := false
	f := sendoff.Func("versioned", func(ctx context.Context, _ int) (string, error) {
		path := "old"
		if changed {
			if sendoff.Version(ctx, "greeting", 1) == 1 {
				path = "new"
				if _, err := echoInt.Await(ctx, 1); err != nil {
					return "", err
				}
			}
		}
		if _, err := double.Await(ctx, 1); err != nil {
			return "", err
		}
		err := sendoff.Sleep(ctx, time.Hour)
		if changed {
			path += fmt.Sprint(sendoff.Version(ctx, "greeting", 1))
		}
		return path, err
	})
	s := stage(t, journalCold, 1, f, double, echoInt)
	old := start(t, s, f, 1)
	s.After(time.Minute, func() { changed = true })
	result, err := s.Wait(t.Context(), old)
	require.NoError(t, err)
	require.Nil(t, result.GetError())
	require.Contains(t, result.GetOutput().String(), "old0")
	require.Contains(t, play(t, s, f, 1).GetOutput().String(), "new1")
}

func TestPanicsAreRetriedAndThenFail(t *testing.T) {
	tries := 0
	f := sendoff.Func("panics", func(ctx context.Context, n int) (int, error) {
		tries++
		if tries < n {
			panic("the sky falls")
		}
		return tries, nil
	})
	s := stage(t, journalWarm, 1, f)
	require.EqualValues(t, 3, number(t, play(t, s, f, 3)))
	s.Attempts = 2
	tries = 0
	e := play(t, s, f, 100).GetError()
	require.Equal(t, "panic", e.GetType())
	require.Equal(t, "the sky falls", e.GetMessage())
	require.Contains(t, string(e.GetTraceback()), "behavior_test.go")
}

func TestAPanicInABranchEndsTheRun(t *testing.T) {
	f := sendoff.Func("branch_panics", func(ctx context.Context, _ int) (int, error) {
		return sendoff.Go(ctx, func(ctx context.Context) (int, error) {
			_ = sendoff.Sleep(ctx, time.Second)
			panic("in a branch")
		}).Await(ctx)
	})
	e := play(t, stage(t, journalWarm, 1, f), f, 1).GetError()
	require.Equal(t, "panic", e.GetType())
}

func TestGoexitIsReported(t *testing.T) {
	f := sendoff.Func("exits", func(ctx context.Context, n int) (int, error) {
		if n == 0 {
			_, err := sendoff.Step(ctx, "exit", func(context.Context) (int, error) { runtime.Goexit(); return 0, nil }, sendoff.NoRetry())
			return 0, err
		}
		_ = sendoff.Sleep(ctx, time.Second)
		runtime.Goexit()
		return 0, nil
	})
	s := stage(t, journalWarm, 1, f)
	s.Attempts = 2
	require.Contains(t, play(t, s, f, 1).GetError().GetMessage(), "runtime.Goexit")
	require.Contains(t, play(t, s, f, 0).GetError().GetMessage(), "runtime.Goexit")
}

func TestRecoverDoesNotSeeEviction(t *testing.T) {
	var recovered, deferred, after atomic.Int32
	f := sendoff.Func("recovers", func(ctx context.Context, _ int) (int, error) {
		func() {
			defer func() {
				if recover() != nil {
					recovered.Add(1)
				}
				deferred.Add(1)
				_ = sendoff.Sleep(ctx, time.Second) // must not be taken for a command
				after.Add(1)
			}()
			_ = sendoff.Sleep(ctx, time.Second)
		}()
		return 7, nil
	})
	require.EqualValues(t, 7, number(t, play(t, stage(t, journalCold, 1, f), f, 1)))
	require.Zero(t, recovered.Load())
	require.Greater(t, deferred.Load(), int32(1))
	require.EqualValues(t, 1, after.Load())
}

func TestAForeignGoroutineGetsAReadablePanic(t *testing.T) {
	f := sendoff.Func("foreign", func(ctx context.Context, _ int) (string, error) {
		caught := make(chan any, 1)
		sendoff.Go(ctx, func(child context.Context) (int, error) {
			func() {
				defer func() { caught <- recover() }()
				_ = sendoff.Sleep(ctx, time.Second) // the context of another branch
			}()
			return 0, nil
		})
		_ = sendoff.Sleep(ctx, time.Second)
		return fmt.Sprint(<-caught), nil
	})
	out := play(t, stage(t, journalWarm, 1, f), f, 1).GetOutput()
	require.Contains(t, out.String(), "sendoff.Go")
}

func TestStepsRetryAndReportTheirLastError(t *testing.T) {
	var tries atomic.Int32
	quick := sendoff.Retry(sendoff.RetryPolicy{MaxAttempts: 3, MinBackoff: time.Millisecond})
	f := sendoff.Func("retries", func(ctx context.Context, n int) (int, error) {
		tries.Store(0)
		return sendoff.Step(ctx, "try", func(ctx context.Context) (int, error) {
			if !strings.HasSuffix(sendoff.StepKey(ctx), ":1") {
				return 0, sendoff.Permanent(fmt.Errorf("key %q", sendoff.StepKey(ctx)))
			}
			switch i := int(tries.Add(1)); {
			case n == 99:
				panic("step panics")
			case n == 98:
				<-ctx.Done()
				return 0, ctx.Err()
			case n == 97:
				return 0, sendoff.Permanent(&teapotError{4})
			case n == 96:
				return double.Await(ctx, 1)
			case i < n:
				return 0, errors.New("not yet")
			}
			return int(tries.Load()), nil
		}, quick, sendoff.AttemptTimeout(20*time.Millisecond))
	})
	s := stage(t, journalWarm, 1, f, double)
	s.Attempts = 1
	require.EqualValues(t, 3, number(t, play(t, s, f, 3)))
	e := play(t, s, f, 4).GetError()
	require.Equal(t, "not yet", e.GetMessage())
	require.EqualValues(t, 3, tries.Load())
	require.Equal(t, "panic", play(t, s, f, 99).GetError().GetType())
	require.Equal(t, "TIMEOUT", play(t, s, f, 98).GetError().GetType())
	require.Equal(t, "teapot", play(t, s, f, 97).GetError().GetType())
	require.EqualValues(t, 1, tries.Load())
	require.Contains(t, play(t, s, f, 96).GetError().GetMessage(), "within a Step")
}

func TestAFunctionThatFailsForAStepRunsOnlyThatStepAgain(t *testing.T) {
	var first, second atomic.Int32
	f := sendoff.Func("resumes", func(ctx context.Context, _ int) (int, error) {
		if _, err := sendoff.Step(ctx, "first", func(context.Context) (int, error) { return int(first.Add(1)), nil }); err != nil {
			return 0, err
		}
		return sendoff.Step(ctx, "second", func(context.Context) (int, error) {
			if second.Add(1) < 3 {
				return 0, context.DeadlineExceeded
			}
			return 5, nil
		}, sendoff.NoRetry())
	})
	require.EqualValues(t, 5, number(t, play(t, stage(t, journalWarm, 1, f), f, 1)))
	require.EqualValues(t, 1, first.Load())
	require.EqualValues(t, 3, second.Load())
}

func TestDeadlines(t *testing.T) {
	f := sendoff.Func("deadlines", func(ctx context.Context, n int) (string, error) {
		if n == 1 {
			short, cancel := sendoff.WithTimeout(ctx, time.Minute)
			defer cancel()
			inner, cancelInner := context.WithCancel(short)
			defer cancelInner()
			err := sendoff.Sleep(inner, time.Hour)
			return fmt.Sprint(err, short.Err(), ctx.Err()), nil
		}
		inner, cancel := context.WithCancel(ctx)
		branch := sendoff.Go(ctx, func(context.Context) (int, error) {
			_ = sendoff.Sleep(ctx, 0)
			return 0, nil
		})
		_ = branch
		sendoff.Go(ctx, func(ctx context.Context) (int, error) {
			err := sendoff.Sleep(ctx, time.Second)
			cancel()
			return 0, err
		})
		return fmt.Sprint(sendoff.Sleep(inner, time.Hour)), nil
	})
	for _, m := range []mode{journalWarm, journalCold} {
		s := stage(t, m, 1, f)
		require.Contains(t, play(t, s, f, 1).GetOutput().String(), "context deadline exceeded context deadline exceeded <nil>")
		require.Equal(t, time.Minute, s.Now().Sub(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)))
	}
}

func TestSagaUndoesInReverse(t *testing.T) {
	var log []string
	f := sendoff.Func("books", func(ctx context.Context, _ int) (out int, err error) {
		undo := sendoff.NewSaga(ctx)
		defer undo.RollbackOnError(&err)
		for _, what := range []string{"flight", "hotel"} {
			if _, err := sendoff.Step(ctx, what, func(context.Context) (int, error) { log = append(log, what); return 0, nil }); err != nil {
				return 0, err
			}
			undo.Add("cancel "+what, func(context.Context) error { log = append(log, "cancel "+what); return nil })
			if err := sendoff.Sleep(ctx, time.Second); err != nil {
				return 0, err
			}
		}
		return 0, sendoff.Permanent(errors.New("no car"))
	})
	for _, m := range []mode{journalWarm, journalCold} {
		log = nil
		require.Equal(t, "no car", play(t, stage(t, m, 1, f), f, 1).GetError().GetMessage())
		require.Equal(t, []string{"flight", "hotel", "cancel hotel", "cancel flight"}, log)
	}
}

func TestLoopKeepsTheJournalShort(t *testing.T) {
	type state struct{ I, Sum int }
	f := sendoff.Func("loops", func(ctx context.Context, in int) (int, error) {
		s, err := sendoff.Loop(ctx, state{Sum: in}, func(ctx context.Context, s *state) (bool, error) {
			v, err := echoInt.Await(ctx, s.I)
			s.I++
			s.Sum += v
			return s.I == 5000, err
		})
		if err != nil {
			return 0, err
		}
		extra, err := sendoff.NewSignal[int]("extra").Recv(ctx)
		return s.Sum + extra, err
	})
	s := stage(t, journalWarm, 1, f, echoInt)
	s.Answer = func(c *sdkv1.Call) *sdkv1.CallResult {
		if c.GetFunction() == "echo_int" {
			return &sdkv1.CallResult{Output: c.GetInput()}
		}
		return nil
	}
	id := start(t, s, f, 1000)
	v, err := anypb.New(wrapperspb.Int64(7))
	require.NoError(t, err)
	require.NoError(t, s.Signal(id, "extra", v)) // taken two journals later
	result, err := s.Wait(t.Context(), id)
	require.NoError(t, err)
	require.EqualValues(t, 1000+4999*5000/2+7, number(t, result))
	require.Less(t, len(s.JournalOf(id)), 100_000)
}

func TestPromises(t *testing.T) {
	ids := make(chan string, 2)
	f := sendoff.Func("asks", func(ctx context.Context, n int) (string, error) {
		p := sendoff.NewPromise[string](ctx)
		_, err := sendoff.Step(ctx, "mail", func(context.Context) (int, error) { ids <- p.ID(); return 0, nil })
		if err != nil {
			return "", err
		}
		return p.Await(ctx)
	})
	s := stage(t, journalCold, 1, f)
	c, err := sendoff.NewClient(sendoff.ClientConfig{URL: "http://rehearsal", HTTPClient: wire.Client(s)})
	require.NoError(t, err)
	id := start(t, s, f, 1)
	s.After(time.Hour, func() { require.NoError(t, sendoff.ResolvePromise(t.Context(), <-ids, "yes", sendoff.Via(c))) })
	result, err := s.Wait(t.Context(), id)
	require.NoError(t, err)
	require.Contains(t, result.GetOutput().String(), "yes")

	id = start(t, s, f, 1)
	s.After(time.Hour, func() {
		require.NoError(t, sendoff.RejectPromise(t.Context(), <-ids, &teapotError{3}, sendoff.Via(c)))
	})
	result, err = s.Wait(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "teapot", result.GetError().GetType())
	require.ErrorContains(t, sendoff.ResolvePromise(t.Context(), "nonsense", 1, sendoff.Via(c)), "promise id")
}

func TestGatherOfManyIsOnePollAndLinear(t *testing.T) {
	f := sendoff.Func("fans", func(ctx context.Context, n int) (int, error) {
		out, err := double.Gather(ctx, make([]int, n))
		return len(out), err
	})
	bytes := make(map[int]int)
	for _, n := range []int{1000, 10_000} {
		s := stage(t, journalWarm, 1, f, double)
		s.Shuffle = nil
		s.Answer = func(c *sdkv1.Call) *sdkv1.CallResult {
			if c.GetFunction() == "double" {
				return &sdkv1.CallResult{Output: c.GetInput()}
			}
			return nil
		}
		polls := 0
		s.Observe = func(_ *sdkv1.RunRequest, res *sdkv1.RunResponse) {
			if len(res.GetPoll().GetCalls()) > 0 {
				polls++
				require.Len(t, res.GetPoll().GetCalls(), n)
				require.EqualValues(t, 1000, res.GetPoll().GetMinResults())
			}
		}
		require.EqualValues(t, n, number(t, play(t, s, f, n)))
		require.Equal(t, 1, polls)
		require.LessOrEqual(t, s.Requests, n/1000+1)
		bytes[n] = s.JournalBytes
	}
	require.Less(t, bytes[10_000], 11*bytes[1000])
	require.Less(t, bytes[10_000], 10_000*40)
}

func TestManyStepsMoveTheirBytesOnce(t *testing.T) {
	f := sendoff.Func("steps", func(ctx context.Context, n int) (int, error) {
		for i := range n {
			if _, err := sendoff.Step(ctx, "one", func(context.Context) (string, error) { return strings.Repeat("x", 100), nil }); err != nil {
				return i, err
			}
		}
		return n, nil
	})
	s := stage(t, journalWarm, 1, f)
	require.EqualValues(t, 1000, number(t, play(t, s, f, 1000)))
	require.Equal(t, 999, s.Checkpoints)
	require.Equal(t, 1, s.Requests)
	require.Less(t, s.JournalBytes, 1000*180)

	s = stage(t, journalWarm, 1, f)
	require.EqualValues(t, 1, number(t, play(t, s, f, 1)))
	require.Zero(t, s.Checkpoints, "one step needs none")
}

func TestACheckpointThatFailsEndsTheAttempt(t *testing.T) {
	for name, status := range map[string]int{"stale": http.StatusConflict, "unreachable for a while": http.StatusServiceUnavailable} {
		t.Run(name, func(t *testing.T) {
			var runs [3]atomic.Int32
			f := sendoff.Func("three", func(ctx context.Context, _ int) (int, error) {
				for i := range runs {
					if _, err := sendoff.Step(ctx, "s", func(context.Context) (int32, error) { return runs[i].Add(1), nil }); err != nil {
						return 0, err
					}
				}
				return 1, nil
			})
			s := &rehearse.Scheduler{Journal: true}
			client := wire.Client(s)
			client.Transport = &flaky{client.Transport, status, 1}
			e, err := sendoff.NewEndpoint(sendoff.EndpointConfig{Development: true, HTTPClient: client, Logger: quiet}, f)
			require.NoError(t, err)
			t.Cleanup(e.Close)
			s.Serve = wire.Over(e, s.Now)
			require.EqualValues(t, 1, number(t, play(t, s, f, 1)))
			want := int32(1)
			if status == http.StatusConflict { // what was not on record is done again
				want = 2
			}
			require.Equal(t, want, runs[0].Load())
			require.EqualValues(t, 1, runs[1].Load(), "it must not start before the first is on record")
		})
	}
}

// flaky answers the first requests with a status.
type flaky struct {
	http.RoundTripper
	status, times int
}

func (f *flaky) RoundTrip(r *http.Request) (*http.Response, error) {
	if f.times == 0 {
		return f.RoundTripper.RoundTrip(r)
	}
	f.times--
	code := map[int]string{http.StatusConflict: "aborted", http.StatusServiceUnavailable: "unavailable"}[f.status]
	return &http.Response{
		StatusCode: f.status, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(strings.NewReader(`{"code":"` + code + `"}`)),
	}, nil
}

func TestAGatherBeyondTheLimitOfAPollIsSeveral(t *testing.T) {
	f := sendoff.Func("fans", func(ctx context.Context, n int) (int, error) {
		out, err := double.Gather(ctx, make([]int, n))
		return len(out), err
	})
	for _, m := range []mode{journalWarm, journalCold} {
		s := stage(t, m, 1, f, double)
		s.Shuffle = nil
		s.Answer = func(c *sdkv1.Call) *sdkv1.CallResult {
			if c.GetFunction() == "double" {
				return &sdkv1.CallResult{Output: c.GetInput()}
			}
			return nil
		}
		var sizes []int
		s.Observe = func(_ *sdkv1.RunRequest, res *sdkv1.RunResponse) {
			if n := len(res.GetPoll().GetCalls()); n > 0 {
				sizes = append(sizes, n)
			}
		}
		require.EqualValues(t, 20_500, number(t, play(t, s, f, 20_500)))
		require.Equal(t, []int{10_000, 10_000, 500}, sizes)
	}
}

func TestAnAttemptThatIsOverRunsNothing(t *testing.T) {
	var runs atomic.Int32
	f := sendoff.Func("once", func(ctx context.Context, n int) (int, error) {
		_, err := sendoff.Step(ctx, "s", func(context.Context) (int32, error) { return runs.Add(1), nil })
		return n, err
	})
	s := stage(t, journalWarm, 1, f)
	var first *sdkv1.RunRequest
	s.Observe = func(req *sdkv1.RunRequest, _ *sdkv1.RunResponse) { first = req }
	require.EqualValues(t, 3, number(t, play(t, s, f, 3)))
	res, _ := s.Serve(t.Context(), first) // played again by somebody
	require.Equal(t, sdkv1.Status_STATUS_THROTTLED, res.GetStatus())
	require.EqualValues(t, 1, runs.Load())
}

func TestDetachedCallsAreMadeBeforeTheFunctionEnds(t *testing.T) {
	var done atomic.Int32
	later := sendoff.Func("later", func(context.Context, int) (int, error) { done.Add(1); return 0, nil })
	f := sendoff.Func("leaves", func(ctx context.Context, n int) (int, error) {
		future := later.Start(ctx, 1, sendoff.Detached())
		double.Start(ctx, 1) // nobody waits for it: it is never made
		if _, err := future.Await(ctx); err == nil {
			return 0, errors.New("nobody can wait for a detached call")
		}
		return n, nil
	})
	for _, m := range []mode{journalWarm, journalCold} {
		done.Store(0)
		s := stage(t, m, 1, f, later, double)
		s.Answer = func(c *sdkv1.Call) *sdkv1.CallResult {
			require.NotEqual(t, "double", c.GetFunction())
			return nil
		}
		require.EqualValues(t, 3, number(t, play(t, s, f, 3)))
		for _, id := range s.Open() {
			_, err := s.Wait(t.Context(), id)
			require.NoError(t, err)
		}
		require.EqualValues(t, 1, done.Load())
	}
}
