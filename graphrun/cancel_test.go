package graphrun_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/graphrun"
	"github.com/sendoff-dev/sendoff/jobgraph"
)

// TestACanceledRunStillCleansUp, what is under way too.
func TestACanceledRunStillCleansUp(t *testing.T) {
	var mu sync.Mutex
	var calls []string
	note := func(a *jobgraph.Attempt) {
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, fmt.Sprint(a.Job.Name, " ", a.Call(), " ", a.Local["by"]))
	}
	running := make(chan struct{})
	job := func(name string, run jobgraph.Func, deps ...*jobgraph.Job) *jobgraph.Job {
		return &jobgraph.Job{
			Name: name, Deps: deps,
			Run: func(ctx context.Context, a *jobgraph.Attempt) error {
				a.Local["by"] = name
				return run(ctx, a)
			},
			Cleanup: func(_ context.Context, a *jobgraph.Attempt) error { note(a); return nil },
		}
	}
	first := job("first", func(context.Context, *jobgraph.Attempt) error { return nil })
	slow := job("slow", func(ctx context.Context, _ *jobgraph.Attempt) error {
		close(running)
		<-ctx.Done()
		return ctx.Err()
	}, first)
	e := startEngine(t)
	r := serve(t, e, jobgraph.Group("goal", slow))
	run, err := r.Start(t.Context(), graphrun.Input{}, sendoff.NewTask{})
	require.NoError(t, err)
	<-running
	client, err := sendoff.NewClient(sendoff.ClientConfig{URL: "http://embedded", HTTPClient: &http.Client{Transport: e.Transport()}})
	require.NoError(t, err)
	_, err = client.Tasks.Cancel(t.Context(), run.ID)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_, err = r.Wait(ctx, run.ID)
	require.Error(t, err)
	require.NoError(t, ctx.Err())
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, []string{"slow cleanup slow", "first cleanup first"}, calls, "the latest first")
}

// TestStoragesTravel: what one call leaves, the next one of the attempt and the jobs
// above find, and results have their types.
func TestStoragesTravel(t *testing.T) {
	type size struct{ Width, Height int }
	measure := &jobgraph.Job{Name: "measure"}
	out := jobgraph.OutputOf[size](measure)
	measure.Check = func(_ context.Context, a *jobgraph.Attempt) error {
		if a.Call() == jobgraph.CallCheck {
			a.Local["looked"] = true
			return errors.New("not measured")
		}
		require.Equal(t, true, a.Local["looked"])
		out.Set(a, size{3, 4})
		return nil
	}
	measure.Run = func(_ context.Context, a *jobgraph.Attempt) error {
		a.Shared.Set("area", 12)
		a.Shared.Set("gone", 1)
		return nil
	}
	use := &jobgraph.Job{Name: "use", Deps: []*jobgraph.Job{jobgraph.Group("between", measure)}, Run: func(_ context.Context, a *jobgraph.Attempt) error {
		got, err := out.Get(a)
		a.Shared.Do(func(m map[string]any) {
			m["seen"] = []any{got.Width, m["area"], a.Inputs["who"], a.Args[0]}
			delete(m, "gone")
		})
		return err
	}}
	r := serve(t, startEngine(t), use)
	run, err := r.Start(t.Context(), graphrun.Input{Inputs: map[string]any{"who": "me"}, Args: []any{"x"}}, sendoff.NewTask{})
	require.NoError(t, err)
	res, err := r.Wait(t.Context(), run.ID)
	require.NoError(t, err)
	require.True(t, res.Reached, "%+v", res.Jobs)
	require.JSONEq(t, `[3, 12, "me", "x"]`, string(res.Shared["seen"]))
	require.NotContains(t, res.Shared, "gone")
	require.JSONEq(t, `{"Width":3,"Height":4}`, string(res.Jobs[0].Result))
}

// TestARunThatGoesOn takes what the one before it has done.
func TestARunThatGoesOn(t *testing.T) {
	works := false
	a := &jobgraph.Job{Name: "a", Run: func(_ context.Context, at *jobgraph.Attempt) error {
		require.False(t, works, "what is done is not called again")
		at.SetResult("from a")
		return nil
	}}
	out := jobgraph.OutputOf[string](a)
	b := &jobgraph.Job{Name: "b", Tries: 1, Deps: []*jobgraph.Job{a}, Run: func(_ context.Context, at *jobgraph.Attempt) error {
		if got, err := out.Get(at); err != nil || got != "from a" {
			return fmt.Errorf("%q: %w", got, err)
		}
		if !works {
			return errors.New("broken")
		}
		return nil
	}}
	r := serve(t, startEngine(t), jobgraph.Group("goal", b))
	run, err := r.Start(t.Context(), graphrun.Input{}, sendoff.NewTask{})
	require.NoError(t, err)
	res, err := r.Wait(t.Context(), run.ID)
	require.NoError(t, err)
	require.False(t, res.Reached)
	require.Equal(t, "broken", res.Jobs[1].Error.Message)

	works = true
	in := graphrun.Input{Shared: res.Shared}
	for _, j := range res.Jobs {
		if j.State == jobgraph.Succeeded {
			in.Done = append(in.Done, j)
		}
	}
	run, err = r.Start(t.Context(), in, sendoff.NewTask{})
	require.NoError(t, err)
	res, err = r.Wait(t.Context(), run.ID)
	require.NoError(t, err)
	require.True(t, res.Reached, "%+v", res.Jobs)
}

func TestAWrongRunIsRefused(t *testing.T) {
	r := serve(t, startEngine(t), jobgraph.Group("goal"))
	_, err := r.Start(t.Context(), graphrun.Input{Only: []string{"x"}}, sendoff.NewTask{})
	require.EqualError(t, err, `only: no job "x" below goal "goal"`)
	_, err = graphrun.New("g", graphrun.Config{})
	require.Error(t, err)
	_, err = graphrun.New("g", graphrun.Config{Graph: func(json.RawMessage, map[string]any) (*jobgraph.Graph, error) { return nil, nil }})
	require.NoError(t, err)
}

// BenchmarkWide is a goal that stands on many jobs, sixteen at a time.
func BenchmarkWide(b *testing.B) {
	const jobs = 2000
	goal := jobgraph.Group("goal")
	for i := range jobs {
		goal.Deps = append(goal.Deps, jobgraph.Group(fmt.Sprint("j", i)))
	}
	r := serve(b, startEngine(b), goal)
	for b.Loop() {
		run, err := r.Start(b.Context(), graphrun.Input{Parallel: 128}, sendoff.NewTask{})
		require.NoError(b, err)
		res, err := r.Wait(b.Context(), run.ID)
		require.NoError(b, err)
		require.True(b, res.Reached)
	}
	b.ReportMetric(jobs*float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}

// TestAPausedRunBeginsNothing until it is resumed; what is under way goes on.
func TestAPausedRunBeginsNothing(t *testing.T) {
	began, free := make(chan struct{}), make(chan struct{})
	first := &jobgraph.Job{Name: "first", Run: func(context.Context, *jobgraph.Attempt) error {
		close(began)
		<-free
		return nil
	}}
	second := &jobgraph.Job{Name: "second", Deps: []*jobgraph.Job{first}, Run: func(context.Context, *jobgraph.Attempt) error { return nil }}
	r := serve(t, startEngine(t), second)
	run, err := r.Start(t.Context(), graphrun.Input{}, sendoff.NewTask{})
	require.NoError(t, err)
	<-began
	require.NoError(t, r.Pause(t.Context(), run.ID))
	paused := func() bool {
		p, err := r.Paused(t.Context(), run.ID)
		require.NoError(t, err)
		return p
	}
	require.Eventually(t, paused, 20*time.Second, 10*time.Millisecond)
	close(free)
	short, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err = r.Wait(short, run.ID)
	require.ErrorContains(t, err, "deadline", "it does not end")

	require.NoError(t, r.Resume(t.Context(), run.ID))
	out, err := r.Wait(t.Context(), run.ID)
	require.NoError(t, err)
	require.True(t, out.Reached, "%+v", out.Jobs)
}
