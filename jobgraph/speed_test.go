package jobgraph_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/jobgraph"
)

// layered makes width jobs a layer, each of which needs two of the layer below.
func layered(layers, width int) *jobgraph.Job {
	below := []*jobgraph.Job{}
	for l := range layers {
		row := make([]*jobgraph.Job, width)
		for i := range row {
			row[i] = &jobgraph.Job{Name: fmt.Sprintf("j%d-%d", l, i), Check: fine, Run: fine}
			if l > 0 {
				row[i].Deps = []*jobgraph.Job{below[i], below[(i+1)%width]}
			}
		}
		below = row
	}
	return jobgraph.Group("goal", below...)
}

func BenchmarkNoOpJobs(b *testing.B) {
	for _, parallel := range []int{1, 8} {
		b.Run(fmt.Sprint("parallel=", parallel), func(b *testing.B) {
			goal := layered(100, 1000)
			for b.Loop() {
				res, err := jobgraph.Run(b.Context(), goal, jobgraph.Config{Parallel: parallel})
				require.NoError(b, err)
				require.True(b, res.Reached)
			}
			b.ReportMetric(100_001*float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
		})
	}
}

func BenchmarkNew(b *testing.B) {
	goal := layered(100, 1000)
	for b.Loop() {
		_, err := jobgraph.New(goal)
		require.NoError(b, err)
	}
}

func BenchmarkPlan(b *testing.B) {
	g, err := jobgraph.New(layered(100, 1000))
	require.NoError(b, err)
	for b.Loop() {
		plan, err := g.Plan(b.Context(), jobgraph.Config{})
		require.NoError(b, err)
		require.Len(b, plan.Jobs, 100_001)
	}
}
