package graphrun_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/graphrun"
	"github.com/sendoff-dev/sendoff/jobgraph"
)

// TestARunThatFillsItsRecordEnds by itself: it says why, and cleans up.
func TestARunThatFillsItsRecordEnds(t *testing.T) {
	var cleaned []string
	large := strings.Repeat("x", 900<<10)
	deps := []*jobgraph.Job{{
		Name: "first", Run: func(context.Context, *jobgraph.Attempt) error { return nil },
		Cleanup: func(_ context.Context, a *jobgraph.Attempt) error { cleaned = append(cleaned, a.Job.Name); return nil },
	}}
	for i := range 15 {
		deps = append(deps, &jobgraph.Job{Name: fmt.Sprint("job ", i), Run: func(_ context.Context, a *jobgraph.Attempt) error {
			a.SetResult(large)
			return nil
		}})
	}
	r := serve(t, startEngine(t), jobgraph.Group("goal", deps...))
	run, err := r.Start(t.Context(), graphrun.Input{}, sendoff.NewTask{})
	require.NoError(t, err)
	res, err := r.Wait(t.Context(), run.ID)
	require.NoError(t, err)
	require.False(t, res.Reached)
	require.NotNil(t, res.Error)
	require.Contains(t, res.Error.Message, "want fewer tries, smaller results")
	require.Equal(t, jobgraph.ExitMissed, res.Exit)
	require.Equal(t, []string{"first"}, cleaned)
	require.Equal(t, jobgraph.Succeeded, res.Jobs[11].State)
	require.Equal(t, jobgraph.Canceled, res.Jobs[13].State)
}

// TestAGoalOfManyResults: what its jobs came to is for jobs that call something.
func TestAGoalOfManyResults(t *testing.T) {
	large := strings.Repeat("x", 300<<10)
	var deps []*jobgraph.Job
	for i := range 5 { // more than a task may carry
		deps = append(deps, &jobgraph.Job{Name: fmt.Sprint("job ", i), Run: func(_ context.Context, a *jobgraph.Attempt) error {
			a.SetResult(large)
			return nil
		}})
	}
	r := serve(t, startEngine(t), jobgraph.Group("goal", deps...))
	run, err := r.Start(t.Context(), graphrun.Input{}, sendoff.NewTask{})
	require.NoError(t, err)
	res, err := r.Wait(t.Context(), run.ID)
	require.NoError(t, err)
	require.True(t, res.Reached, "%+v", res.Jobs[5].Error)
}

// TestAGraphThatIsTooLargeIsRefused before anything was begun.
func TestAGraphThatIsTooLargeIsRefused(t *testing.T) {
	deps := make([]*jobgraph.Job, 20_000)
	for i := range deps {
		deps[i] = jobgraph.Group(fmt.Sprint(i))
	}
	r := serve(t, startEngine(t), jobgraph.Group("goal", deps...))
	_, err := r.Start(t.Context(), graphrun.Input{}, sendoff.NewTask{})
	wrong, ok := errors.AsType[*jobgraph.DefinitionError](err)
	require.True(t, ok, "%v", err)
	require.Contains(t, wrong.Text, "has 20001 jobs: want at most 20000")
}
