package graphrun_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/graphrun"
	"github.com/sendoff-dev/sendoff/internal/testkit/randomgraph"
	"github.com/sendoff-dev/sendoff/jobgraph"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// startEngine runs an engine over a new database until the test ends.
func startEngine(t testing.TB) *engine.Engine {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "sendoff.db"), sqlite.Options{})
	require.NoError(t, err)
	e, err := engine.New(db, engine.Config{})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, errors.Join(<-ended, db.Close()))
	})
	return e
}

// serve has an engine carry out runs of a graph.
func serve(t testing.TB, e *engine.Engine, goal *jobgraph.Job) *graphrun.Runner {
	r, err := graphrun.New("graph", graphrun.Config{Goal: goal})
	require.NoError(t, err)
	endpoint, err := r.Serve(sendoff.EndpointConfig{Engine: e})
	require.NoError(t, err)
	t.Cleanup(endpoint.Close)
	return r
}

// TestDurableRunsEndAsThoseInProcess: states, attempts, errors, results and cleanups.
func TestDurableRunsEndAsThoseInProcess(t *testing.T) {
	e := startEngine(t)
	rapid.Check(t, func(rt *rapid.T) {
		g := randomgraph.Draw(rt, 10)
		r, err := graphrun.New("graph", graphrun.Config{Goal: g.Goal})
		require.NoError(rt, err)
		endpoint, err := r.Serve(sendoff.EndpointConfig{Engine: e})
		require.NoError(rt, err)
		defer endpoint.Close()
		parallel := rapid.SampledFrom([]int{1, 4}).Draw(rt, "parallel")

		want, err := jobgraph.Run(t.Context(), g.Goal, jobgraph.Config{RetryDelay: new(time.Duration), Parallel: parallel})
		require.NoError(rt, err)
		calls := g.Calls
		g.Calls = nil
		run, err := r.Start(t.Context(), graphrun.Input{RetryDelay: new(time.Duration), Parallel: parallel}, sendoff.NewTask{})
		require.NoError(rt, err)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		out, err := r.Wait(ctx, run.ID)
		require.NoError(rt, err)
		got := out.JobGraph()
		require.Equal(rt, randomgraph.Ends(want), randomgraph.Ends(got))
		require.Equal(rt, want.Reached, got.Reached)
		cleanups := [2][]string{randomgraph.Cleanups(want), randomgraph.Cleanups(got)}
		if parallel == 1 {
			require.Equal(rt, want.Passes, got.Passes)
		} else { // when any_failed lets a job begin hangs on who fails first, and so do its pass and the order
			slices.Sort(cleanups[0])
			slices.Sort(cleanups[1])
			slices.Sort(calls)
			slices.Sort(g.Calls)
		}
		require.Equal(rt, cleanups[0], cleanups[1])
		require.Equal(rt, calls, g.Calls)
	})
}
