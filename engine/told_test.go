package engine_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/task"
)

// onEachFloor runs a test with functions in an engine over SQLite, and in two over
// PostgreSQL, of which the second one is given the signals. wrap may change what
// serves the functions; nil = nothing.
func onEachFloor(t *testing.T, wrap func(http.Handler) http.Handler, funcs func() []sendoff.AnyFunction, do func(t *testing.T, e *engine.Engine, client, other *sendoff.Client)) {
	if wrap == nil {
		wrap = func(h http.Handler) http.Handler { return h }
	}
	serve := func(t *testing.T, e *engine.Engine, funcs []sendoff.AnyFunction) *sendoff.Client {
		hc := &http.Client{Transport: engine.NewTransport(e.Handler(engine.HandlerConfig{}))}
		endpoint, err := sendoff.NewEndpoint(sendoff.EndpointConfig{URL: "embedded://told", ServerURL: "http://sendoff.test", HTTPClient: hc}, funcs...)
		require.NoError(t, err)
		t.Cleanup(endpoint.Close)
		require.NoError(t, e.Embed("told", wrap(endpoint)))
		return endpoint.Client()
	}
	t.Run("SQLite", func(t *testing.T) {
		e, _ := functionEngine(t)
		client := serve(t, e, funcs())
		do(t, e, client, client)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		var clients []*sendoff.Client
		all := funcs()
		es := nodes(t, 2, func(_ int, e *engine.Engine) { clients = append(clients, serve(t, e, all)) })
		do(t, es[0], clients[0], clients[1])
	})
}

// held is a step that goes on until its context ends.
func held(ctx context.Context, begun chan<- struct{}) (int, error) {
	begun <- struct{}{}
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(time.Minute):
		return 0, sendoff.Permanent(errors.New("what the function waits for did not reach it while the step went on"))
	}
}

var word = sendoff.NewSignal[string]("word")

func startTold(t *testing.T, c *sendoff.Client, name string) string {
	return submitFunction(t, c, name, 0, func(n *sendoff.NewTask) { n.Endpoint = "embedded://told" })
}

func resultOf(t *testing.T, c *sendoff.Client, id, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, err := c.Wait(ctx, id)
	require.NoError(t, err)
	require.Equal(t, sendoff.StateSucceeded, out.State, out.LastError)
	require.JSONEq(t, want, string(out.Result))
}

// TestAFunctionIsToldWhileAStepRuns: of signals and of the failure of a call.
func TestAFunctionIsToldWhileAStepRuns(t *testing.T) {
	begun := make(chan struct{}, 10)
	funcs := func() []sendoff.AnyFunction {
		fails := sendoff.Func("fails", func(ctx context.Context, _ int) (int, error) {
			return 0, sendoff.Permanent(errors.New("sold out"))
		})
		step := func(ctx context.Context) (int, error) { return held(ctx, begun) }
		return []sendoff.AnyFunction{
			fails,
			sendoff.Func("selects", func(ctx context.Context, _ int) (string, error) {
				signal, long := word.Next(ctx), sendoff.StepAsync(ctx, "held", step)
				if i, err := sendoff.Select(ctx, long, signal); err != nil || i != 1 {
					return "", sendoff.Permanent(errors.New("the step ended first"))
				}
				return signal.Await(ctx)
			}),
			sendoff.Func("groups", func(ctx context.Context, _ int) (bool, error) {
				_, err := sendoff.All(ctx, fails.Start(ctx, 0), sendoff.StepAsync(ctx, "held", step))
				failed := (*sendoff.CallError)(nil)
				return errors.As(err, &failed) && failed.Message == "sold out", nil
			}),
		}
	}
	onEachFloor(t, nil, funcs, func(t *testing.T, e *engine.Engine, client, other *sendoff.Client) {
		id := startTold(t, client, "selects")
		receive(t, begun, "the step to begin")
		stale(t, e, id, 0)
		stale(t, e, id, 2)
		_, err := e.Receive(t.Context(), &sendoffv1.ReceiveRequest{DispatchId: id, Token: 1})
		require.NoError(t, err, "that of the attempt")
		require.NoError(t, word.Send(t.Context(), id, "hello", sendoff.Via(other)))
		resultOf(t, client, id, `"hello"`)
		stale(t, e, id, 1)
		resultOf(t, client, startTold(t, client, "groups"), `true`)
	})
}

// stale sees that nothing is told under a token that is not that of the attempt.
func stale(t *testing.T, e *engine.Engine, id string, token int64) {
	t.Helper()
	_, err := e.Receive(t.Context(), &sendoffv1.ReceiveRequest{DispatchId: id, Token: token, Wait: durationpb.New(time.Minute)})
	require.ErrorIs(t, err, task.ErrStale)
}

// TestAnAttemptThatDiesAfterItWasToldLosesNothing: its next one is told the same
// again, takes each once, and what was done for it is not done again.
func TestAnAttemptThatDiesAfterItWasToldLosesNothing(t *testing.T) {
	var attempts, notes atomic.Int64
	begun, heard := make(chan struct{}, 10), make(chan struct{}, 10)
	dies := func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if attempts.Add(1) > 1 {
				h.ServeHTTP(w, r)
				return
			}
			ctx, die := context.WithCancel(r.Context())
			go func() {
				<-heard
				die()
			}()
			h.ServeHTTP(noAnswer{}, r.WithContext(ctx))
			w.WriteHeader(http.StatusInternalServerError)
		})
	}
	collects := sendoff.Func("collects", func(ctx context.Context, _ int) (string, error) {
		long := sendoff.StepAsync(ctx, "held", func(ctx context.Context) (int, error) { return held(ctx, begun) })
		first, err := word.Recv(ctx)
		if err != nil {
			return "", err
		}
		if _, err := sendoff.Step(ctx, "note", func(context.Context) (int64, error) { return notes.Add(1), nil }); err != nil {
			return "", err
		}
		if _, err := sendoff.Step(ctx, "seal", func(context.Context) (bool, error) { return true, nil }); err != nil {
			return "", err
		}
		second, err := word.Recv(ctx)
		if err != nil {
			return "", err
		}
		heard <- struct{}{}
		third, err := word.Recv(ctx)
		if err != nil {
			return "", err
		}
		long.Cancel()
		next := word.Next(ctx)
		i, err := sendoff.Select(ctx, next, sendoff.After(ctx, 100*time.Millisecond))
		if err == nil && i == 0 {
			third += " and once more"
		}
		return first + second + third, err
	})
	onEachFloor(t, dies, func() []sendoff.AnyFunction {
		attempts.Store(0)
		notes.Store(0)
		return []sendoff.AnyFunction{collects}
	},
		func(t *testing.T, _ *engine.Engine, client, other *sendoff.Client) {
			id := startTold(t, client, "collects")
			receive(t, begun, "the step to begin")
			require.NoError(t, word.Send(t.Context(), id, "a", sendoff.Via(client)))
			require.NoError(t, word.Send(t.Context(), id, "b", sendoff.Via(other)))
			receive(t, begun, "the step to begin again, in another attempt")
			receive(t, heard, "the other attempt to be told the same")
			require.NoError(t, word.Send(t.Context(), id, "c", sendoff.Via(client)))
			resultOf(t, client, id, `"abc"`)
			require.EqualValues(t, 1, notes.Load(), "a step that was followed by another one is on record, with the signal that led to it")
		})
}

// noAnswer is a connection that is closed.
type noAnswer struct{}

func (noAnswer) Header() http.Header         { return http.Header{} }
func (noAnswer) Write(b []byte) (int, error) { return 0, errors.New("closed") }
func (noAnswer) WriteHeader(int)             {}
