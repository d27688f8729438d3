package jobgraph_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/jobgraph"
	"github.com/sendoff-dev/sendoff/jobgraph/draw"
)

// tents makes a graph whose cleanups note what is in their storages.
func tents(seen *[]string) *jobgraph.Job {
	tent := func(name string, deps ...*jobgraph.Job) *jobgraph.Job {
		return &jobgraph.Job{
			Name: name, Deps: deps,
			Run: func(_ context.Context, a *jobgraph.Attempt) error {
				a.Local["peg"] = fmt.Sprint(name, a.Number)
				a.Shared.Set(name, true)
				if name == "Big" && a.Number == 1 {
					return fmt.Errorf("it rains")
				}
				return nil
			},
			Cleanup: func(_ context.Context, a *jobgraph.Attempt) error {
				big, _ := a.Shared.Get("Big")
				*seen = append(*seen, fmt.Sprint(a.Job.Name, a.Number, a.Local["peg"], big, a.Inputs["wind"]))
				return nil
			},
		}
	}
	return tent("Big", tent("Small"))
}

// TestAnotherProgramCleansUp: with what the first one has written down, its cleanups see
// what those of the first would have.
func TestAnotherProgramCleansUp(t *testing.T) {
	var first, second []string
	cfg := jobgraph.Config{NoCleanup: true, RetryDelay: new(time.Duration), Inputs: map[string]any{"wind": "none"}}
	res, err := jobgraph.Run(t.Context(), tents(&first), cfg)
	require.NoError(t, err)
	var left []jobgraph.Left
	for _, a := range res.Left() {
		left = append(left, jobgraph.Left{Job: a.Job.Name, Attempt: a.Number, Local: a.Local})
	}
	res.Cleanup(t.Context())
	require.Equal(t, []string{"Big2Big2truenone", "Big1Big1truenone", "Small1Small1truenone"}, first)
	require.Empty(t, res.Left())

	g, err := jobgraph.New(tents(&second))
	require.NoError(t, err)
	done, err := g.CleanUp(t.Context(), cfg, left, res.Shared().All())
	require.NoError(t, err)
	require.Len(t, done, 3)
	require.Equal(t, first, second)

	_, err = g.CleanUp(t.Context(), cfg, append(left, jobgraph.Left{Job: "Gone"}), nil)
	require.ErrorContains(t, err, `job "Gone": the run that is to be cleaned up after had it`)
	require.Len(t, second, 3, "nothing was called")
}

func TestAResultIsDrawnWithItsStates(t *testing.T) {
	n := usual()
	res := n.watch(t, jobgraph.Config{})
	looks := map[string]string{}
	for _, node := range res.Drawing().Nodes {
		looks[node.ID] = node.State + ", " + node.Look.String() + ", " + node.Note
	}
	require.Equal(t, "in place, in-place, ", looks["ValidateMovie"])
	require.Equal(t, "achieved, achieved, No date yet.", looks["PickTimeAndDate"])
	require.Equal(t, "failed, failed, Remote batteries are dead.", looks["TurnOnTV"])
	require.Equal(t, "blocked, blocked, ", looks["WatchMovie"])

	g, err := jobgraph.New(usual().goal())
	require.NoError(t, err)
	plan, err := g.Plan(t.Context(), jobgraph.Config{})
	require.NoError(t, err)
	for _, d := range []draw.Graph{res.Drawing(), plan.Drawing(), g.Drawing()} {
		var svg strings.Builder
		require.NoError(t, draw.SVG(&svg, d, draw.Options{}))
		require.Len(t, d.Nodes, len(g.Jobs()))
		require.Equal(t, g.Drawing().Edges, d.Edges)
		require.Contains(t, svg.String(), "WatchMovie")
	}
}
