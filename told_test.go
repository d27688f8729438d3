package sendoff_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/internal/kit"
	"github.com/sendoff-dev/sendoff/sendofftest"
)

// errHeld is the error of a step that nobody ended.
var errHeld = sendoff.Permanent(errors.New("the step went on, and what the function waits for did not reach it"))

// hold is a step that takes until its context ends; for servers that tell a function
// nothing while a step runs it takes no longer than limit.
func hold(ctx context.Context, limit time.Duration) (int64, error) {
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(limit):
		return 0, errHeld
	}
}

const holdLimit = 20 * time.Second

// sendToItself is a step that sends signals to its run, and is then held.
func sendToItself(name string, values ...string) func(context.Context) (int64, error) {
	return func(ctx context.Context) (int64, error) {
		if err := sendAll(ctx, name, values...); err != nil {
			return 0, err
		}
		return hold(ctx, holdLimit)
	}
}

// sendAll sends signals to the run of a step.
func sendAll(ctx context.Context, name string, values ...string) error {
	id, _, _ := strings.Cut(sendoff.StepKey(ctx), ":")
	for _, v := range values {
		if err := sendoff.NewSignal[string](name).Send(ctx, id, v); err != nil {
			return sendoff.Permanent(err)
		}
	}
	return nil
}

// TestARunIsToldWhileAStepRuns: what a branch waits for reaches it while a step goes
// on that takes as long as nobody ends it.
func TestARunIsToldWhileAStepRuns(t *testing.T) {
	held := func(ctx context.Context) (int64, error) { return hold(ctx, holdLimit) }
	for name, fn := range map[string]func(context.Context) (string, error){
		"all ends at the failure of a call": func(ctx context.Context) (string, error) {
			call := sick.Start(ctx, 3)
			_, err := sendoff.All(ctx, sendoff.StepAsync(ctx, "held", held), call)
			if pot := (*teapotError)(nil); !asTeapot(err, &pot) {
				return "", wrong("all", nil, err)
			}
			return "failed", nil
		},
		"a call wins a race": func(ctx context.Context) (string, error) {
			i, v, err := sendoff.Race(ctx, sendoff.StepAsync(ctx, "held", held), echo.Start(ctx, 7))
			return fmt.Sprint(i, v), err
		},
		"each takes results in turn": func(ctx context.Context) (string, error) {
			step := sendoff.StepAsync(ctx, "held", held)
			out := ""
			for i, r := range echo.Each(ctx, []int64{4, 5, 6}, 0) {
				out += fmt.Sprint(i, r.Value, r.Err, " ")
			}
			step.Cancel()
			return fmt.Sprint(len(out)), nil
		},
		"select takes a signal": func(ctx context.Context) (string, error) {
			signal, step := sendoff.NewSignal[string]("word").Next(ctx), sendoff.StepAsync(ctx, "held", sendToItself("word", "a"))
			i, err := sendoff.Select(ctx, step, signal)
			if err != nil || i != 1 {
				return "", wrong("select", i, err)
			}
			step.Cancel()
			return signal.Await(ctx)
		},
		"a branch takes signals one after another": func(ctx context.Context) (string, error) {
			step := sendoff.StepAsync(ctx, "held", sendToItself("word", "a", "b", "c"))
			heard := sendoff.Go(ctx, func(ctx context.Context) (string, error) {
				defer step.Cancel()
				all := ""
				for range 3 {
					v, err := sendoff.NewSignal[string]("word").Recv(ctx)
					if err != nil {
						return "", err
					}
					all += v
				}
				return all, nil
			})
			if _, err := step.Await(ctx); !errors.Is(err, context.Canceled) {
				return "", wrong("step", nil, err)
			}
			return heard.Await(ctx)
		},
		"a tail call keeps what nobody took": func(ctx context.Context) (string, error) {
			step := sendoff.StepAsync(ctx, "held", func(ctx context.Context) (int64, error) {
				if err := sendAll(ctx, "word", "a", "b", "end"); err != nil {
					return 0, err
				}
				return sendToItself("sent", "all")(ctx)
			})
			if _, err := sendoff.NewSignal[string]("sent").Recv(ctx); err != nil {
				return "", err
			}
			if v, err := sendoff.NewSignal[string]("word").Recv(ctx); err != nil || v != "a" {
				return "", wrong("recv", v, err)
			}
			step.Cancel()
			return "", sendoff.Remote[relayed, string]("relay", "").TailCall(relayed{Names: []string{"word", "word"}, Got: "a "})
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := sendoff.Func("told", func(ctx context.Context, _ int) (string, error) { return fn(ctx) })
			begun := time.Now()
			out, err := sendofftest.Run(sendofftest.New(t, f, echo, sick, relay), f, 0)
			require.NoError(t, err)
			if name == "a tail call keeps what nobody took" {
				require.Equal(t, "a b end", out)
			}
			sendofftest.CrashEverywhere(t, f, 0, nil, echo, sick, relay)
			if !strings.Contains(name, "call keeps") && !strings.Contains(name, "signal") { // without a server nobody signals
				again, err := f.Await(t.Context(), 0)
				require.NoError(t, err)
				require.Equal(t, out, again)
			}
			require.Less(t, time.Since(begun), holdLimit, "a step was waited for")
		})
	}
}

// TestWhatWasToldBesideALostAnswerIsToldAgain: nothing of it is lost, and nothing is
// taken twice, when the answer of the attempt does not come through.
func TestWhatWasToldBesideALostAnswerIsToldAgain(t *testing.T) {
	var steps atomic.Int64
	collect := sendoff.Func("collect", func(ctx context.Context, _ int) (string, error) {
		step := sendoff.StepAsync(ctx, "held", func(ctx context.Context) (int64, error) {
			if steps.Add(1) > 1 { // the signals are there
				return hold(ctx, holdLimit)
			}
			return sendToItself("word", "a", "b")(ctx)
		})
		call := echo.Start(ctx, 5)
		all := ""
		for range 2 {
			v, err := sendoff.NewSignal[string]("word").Recv(ctx)
			if err != nil {
				return "", err
			}
			all += v
		}
		n, err := call.Await(ctx)
		if err != nil {
			return "", err
		}
		step.Cancel()
		if err := sendoff.Sleep(ctx, time.Hour); err != nil {
			return "", err
		}
		i, err := sendoff.Select(ctx, sendoff.NewSignal[string]("word").Next(ctx), sendoff.After(ctx, time.Hour))
		return fmt.Sprint(all, n, i), err
	})
	for _, m := range modes {
		if m.plain {
			continue
		}
		m.lose = 0.4
		t.Run(m.name, func(t *testing.T) {
			for seed := range uint64(10) {
				steps.Store(0)
				s := stage(t, m, seed, collect, echo)
				result, err := s.Wait(t.Context(), s.Start(&sdkv1.Call{Function: "collect", Input: asJSON(t, 0)}))
				require.NoError(t, err)
				require.Equal(t, "ab5 1", outputOf[string](t, result), "seed %d", seed)
			}
		})
	}
}

// TestWhatAStepIsStartedForIsOnRecord: an attempt that dies leaves its messages to the
// next one, whose request brings them in another order. What was done outside for the
// first order is not done anew for the second.
func TestWhatAStepIsStartedForIsOnRecord(t *testing.T) {
	var gateID atomic.Value
	gate := sendoff.Func("gate", func(ctx context.Context, _ int) (bool, error) {
		_, err := sendoff.Step(ctx, "tell its id", func(ctx context.Context) (bool, error) {
			id, _, _ := strings.Cut(sendoff.StepKey(ctx), ":")
			gateID.Store(id)
			return true, nil
		})
		if err != nil {
			return false, err
		}
		return sendoff.NewSignal[bool]("open").Recv(ctx)
	})
	acted := map[string]int{} // which of them came first, by the key of the step
	acts := sendoff.Func("acts", func(ctx context.Context, _ int) (int, error) {
		signal, call := sendoff.NewSignal[string]("word").Next(ctx), gate.Start(ctx, 0)
		step := sendoff.StepAsync(ctx, "held", sendToItself("word", "go"))
		first, err := sendoff.Select(ctx, signal, call)
		if err != nil {
			return 0, err
		}
		_, err = sendoff.Step(ctx, "act", func(ctx context.Context) (bool, error) {
			key := sendoff.StepKey(ctx)
			if before, again := acted[key]; again && before != first {
				return false, sendoff.Permanent(fmt.Errorf("step %s acted for %d and then for %d", key, before, first))
			}
			acted[key] = first
			return true, sendoff.NewSignal[bool]("open").Send(ctx, gateID.Load().(string), true)
		})
		if err != nil {
			return 0, err
		}
		if _, err := call.Await(ctx); err != nil {
			return 0, err
		}
		step.Cancel()
		return first, sendoff.Sleep(ctx, time.Hour)
	})
	s := stage(t, mode{journal: true, cold: true}, 1, acts, gate)
	served, died := s.Serve, false
	s.Serve = func(ctx context.Context, req *sdkv1.RunRequest) (*sdkv1.RunResponse, func(bool)) {
		res, ok := served(ctx, req)
		if req.GetFunction() == "acts" && res.GetReport().GetReceived().GetResults() > 0 && !died {
			died = true
			res = &sdkv1.RunResponse{Status: sdkv1.Status_STATUS_HTTP_ERROR, Directive: &sdkv1.RunResponse_Exit{Exit: &sdkv1.Exit{}}}
		}
		return res, ok
	}
	result, err := s.Wait(t.Context(), s.Start(&sdkv1.Call{Function: "acts", Input: asJSON(t, 0)}))
	require.NoError(t, err)
	require.Zero(t, outputOf[int](t, result), "the signal came first")
	require.True(t, died)
}

// outputOf is what a call has returned.
func outputOf[T any](t *testing.T, r *sdkv1.CallResult) (out T) {
	t.Helper()
	require.Nil(t, r.GetError())
	require.NoError(t, kit.SDK.Decode(r.GetOutput(), &out))
	return out
}
