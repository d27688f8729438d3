package graphs_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/graphs"
	"github.com/sendoff-dev/sendoff/internal/server/api"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// serve has an engine serve functions at embedded://app, for as long as the test.
func serve(t *testing.T, funcs ...sendoff.AnyFunction) func(*engine.Engine) {
	return func(e *engine.Engine) {
		app, err := sendoff.NewEndpoint(sendoff.EndpointConfig{Engine: e, URL: "embedded://app"}, funcs...)
		require.NoError(t, err)
		t.Cleanup(app.Close)
	}
}

// TestFunctionsAndHandlersAreCalled by the jobs of a graph: what a function returns is
// the result of its job, and a check that fails says why.
func TestFunctionsAndHandlersAreCalled(t *testing.T) {
	var charged, handled atomic.Int64
	type amount struct{ Amount int64 }
	charge := sendoff.Func("charge", func(ctx context.Context, in amount) (int64, error) {
		n, err := sendoff.Step(ctx, "charge", func(context.Context) (int64, error) { return charged.Add(in.Amount), nil })
		if err != nil {
			return 0, err
		}
		return n, sendoff.Sleep(ctx, 10*time.Millisecond) // it is suspended, which is no failure
	})
	isCharged := sendoff.Func("charged", func(context.Context, any) (any, error) {
		if charged.Load() == 0 {
			return nil, sendoff.Permanent(errors.New("nothing was charged"))
		}
		return nil, nil
	})
	c := start(t, graphs.Config{}, serve(t, charge, isCharged), func(e *engine.Engine) {
		engine.Handle(e, "note", func(_ context.Context, in struct{ Got int64 }) error {
			handled.Store(in.Got)
			return nil
		})
	})
	run, err := c.GraphRuns.Start(t.Context(), sendoff.NewGraphRun{Inputs: map[string]any{"amount": 7}, Definition: definition(t, `{"goal":"Note","inputs":{"amount":1},"jobs":{
		"Charge":{"check":{"function":"charged","endpoint":"embedded://app"},"run":{"function":"charge","endpoint":"embedded://app","input":{"Amount":"${inputs.amount}"}}},
		"Again":{"deps":["Charge"],"run":{"function":"charge","endpoint":"embedded://app","input":{"Amount":1}}},
		"Note":{"deps":["Again"],"run":{"handler":"note","input":{"Got":"${results.Again}"}}}}}`)})
	require.NoError(t, err)
	run, err = c.GraphRuns.Wait(t.Context(), run.ID)
	require.NoError(t, err)
	require.Equal(t, sendoff.GraphSucceeded, run.State, "%+v", run.Jobs)
	require.Equal(t, map[string]string{"Charge": "succeeded achieved", "Again": "succeeded achieved", "Note": "succeeded achieved"}, states(run))
	require.Equal(t, "nothing was charged", run.Jobs[0].Reason)
	require.JSONEq(t, "8", string(run.Jobs[1].Result))
	require.EqualValues(t, 8, charged.Load())
	require.EqualValues(t, 8, handled.Load())
}

// TestTheTaskOfACallEndsWithIt, when it timed out and when its run is canceled.
func TestTheTaskOfACallEndsWithIt(t *testing.T) {
	forever := sendoff.Func("forever", func(ctx context.Context, _ any) (any, error) { return nil, sendoff.Sleep(ctx, time.Hour) })
	for name, want := range map[string]string{"timed out": sendoff.GraphFailed, "canceled": sendoff.GraphCanceled} {
		t.Run(name, func(t *testing.T) {
			c := start(t, graphs.Config{}, serve(t, forever))
			timeout := `"timeout":"300ms",`
			if name == "canceled" {
				timeout = ""
			}
			run, err := c.GraphRuns.Start(t.Context(), sendoff.NewGraphRun{
				Tries: 1, Definition: definition(t, `{"jobs":{"a":{"run":{`+timeout+`"function":"forever","endpoint":"embedded://app"},"cleanup":{"handler":"none","timeout":"300ms"}}}}`),
			})
			require.NoError(t, err)
			called := func() *sendoff.Task {
				for task, err := range c.Tasks.List(t.Context(), sendoff.Filter{Function: "forever"}) {
					require.NoError(t, err)
					return task
				}
				return nil
			}
			require.Eventually(t, func() bool { return called() != nil }, 20*time.Second, 10*time.Millisecond)
			if name == "canceled" {
				_, err = c.GraphRuns.Cancel(t.Context(), run.ID)
				require.NoError(t, err)
			}
			run, err = c.GraphRuns.Wait(t.Context(), run.ID)
			require.NoError(t, err)
			require.Equal(t, want, run.State)
			require.Eventually(t, func() bool { return called().State == sendoff.StateCanceled }, 20*time.Second, 10*time.Millisecond)
		})
	}
}

// TestATaskOutlivesTheNodeOfItsCall: a call that is made again waits for the task that it
// had, and Check is not answered by the task of Run, though both get the same.
func TestATaskOutlivesTheNodeOfItsCall(t *testing.T) {
	var calls atomic.Int64
	begun, goOn := make(chan bool), make(chan bool)
	same := sendoff.Func("same", func(ctx context.Context, _ any) (any, error) {
		n, err := sendoff.Step(ctx, "count", func(context.Context) (int64, error) { return calls.Add(1), nil })
		if err != nil {
			return nil, err
		}
		if n == 2 { // that of Run
			_, err = sendoff.Step(ctx, "wait", func(ctx context.Context) (bool, error) {
				close(begun)
				select {
				case <-goOn:
				case <-ctx.Done():
				}
				return true, ctx.Err()
			})
			return nil, err
		}
		if n < 4 {
			return nil, sendoff.Permanent(errors.New("not yet"))
		}
		return nil, nil
	})
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "sendoff.db"), sqlite.Options{})
	require.NoError(t, err)
	e, err := engine.New(db, engine.Config{})
	require.NoError(t, err)
	serve(t, same)(e)
	first, err := graphs.New(e, graphs.Config{})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, errors.Join(<-ended, db.Close()))
	})
	call := `{"function":"same","endpoint":"embedded://app","input":1}`
	run, err := first.Start(t.Context(), &api.NewGraphRun{Tries: 1, Definition: map[string]json.RawMessage{
		"jobs": json.RawMessage(`{"a":{"check":` + call + `,"run":` + call + `}}`),
	}})
	require.NoError(t, err)
	<-begun
	first.Close()
	second, err := graphs.New(e, graphs.Config{})
	require.NoError(t, err)
	t.Cleanup(second.Close)
	require.Eventually(t, func() bool { return calls.Load() == 3 }, 20*time.Second, 10*time.Millisecond, "Check is called before Run is again")
	close(goOn)
	run, err = second.Get(t.Context(), run.ID, 30*time.Second)
	require.NoError(t, err)
	require.Equal(t, sendoff.GraphSucceeded, run.State, "%+v", run.Jobs)
	require.EqualValues(t, 4, calls.Load(), "check, run, check after the cut, recheck")
}
