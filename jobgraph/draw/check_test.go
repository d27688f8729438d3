package draw_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/jobgraph/draw"
)

// TestACircleIsNamedNodeByNode finds one wherever an edge closes it.
func TestACircleIsNamedNodeByNode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := anyGraph(t)
		if len(g.Edges) == 0 {
			return
		}
		first := rapid.SampledFrom(g.Edges).Draw(t, "first")
		g.Edges = append(g.Edges, draw.Edge{From: first.To, To: first.From})
		_, err := draw.Arrange(g)
		var circle *draw.CycleError
		require.ErrorAs(t, err, &circle)
		require.Equal(t, circle.Path[0], circle.Path[len(circle.Path)-1])
		for i := 1; i < len(circle.Path); i++ {
			require.True(t, slices.Contains(g.Edges, draw.Edge{From: circle.Path[i-1], To: circle.Path[i]}), "no edge %v", circle.Path[i-1:i+1])
		}
	})
	_, err := draw.Arrange(graph(3, [2]int{0, 1}, [2]int{1, 2}, [2]int{2, 0}))
	require.EqualError(t, err, "jobs stand on each other in a circle: job-0 -> job-1 -> job-2 -> job-0")
	_, err = draw.Arrange(graph(3, [2]int{1, 2}, [2]int{2, 1}, [2]int{2, 0}))
	require.EqualError(t, err, "jobs stand on each other in a circle: job-2 -> job-1 -> job-2", "what only stands below it is not named")
	_, err = draw.Arrange(graph(1, [2]int{0, 0}))
	require.EqualError(t, err, "jobs stand on each other in a circle: job-0 -> job-0")
}

func TestABadGraphIsRefusedWithWhatIsWrong(t *testing.T) {
	for want, g := range map[string]draw.Graph{
		`node 1 has no ID`:        {Nodes: []draw.Node{{ID: "a"}, {Label: "b"}}},
		`node "a" is there twice`: {Nodes: []draw.Node{{ID: "a"}, {ID: "a"}}},
		`edge "a" -> "b": both ends must be nodes of the graph`: {
			Nodes: []draw.Node{{ID: "a"}}, Edges: []draw.Edge{{From: "a", To: "b"}},
		},
	} {
		_, err := draw.Arrange(g)
		require.EqualError(t, err, want)
	}
}

// TestWhatIsTooLargeIsRefused before it takes the memory.
func TestWhatIsTooLargeIsRefused(t *testing.T) {
	_, err := draw.Arrange(graph(20_001))
	require.True(t, errors.Is(err, draw.ErrTooLarge), err)
	_, err = draw.Arrange(graph(4000, append(chain(0, 4000), fan(2, 4000)...)...))
	require.True(t, errors.Is(err, draw.ErrTooLarge), err)
	_, err = draw.Arrange(graph(10_000, chain(0, 10_000)...))
	require.NoError(t, err)
}

func TestTheCriticalPathIsTheLongest(t *testing.T) {
	g := graph(5, [2]int{0, 1}, [2]int{0, 2}, [2]int{1, 3}, [2]int{2, 3}, [2]int{3, 4})
	g.Nodes[1].Duration, g.Nodes[2].Duration, g.Nodes[3].Duration = time.Second, 2*time.Second, time.Second
	path, err := draw.CriticalPath(g)
	require.NoError(t, err)
	require.Equal(t, []string{id(0), id(2), id(3)}, path)
	path, err = draw.CriticalPath(graph(3, chain(0, 3)...))
	require.NoError(t, err)
	require.Empty(t, path)
}

// TestOnlyStepsOfTheCriticalPathAreCritical leaves out an edge that skips one of its nodes.
func TestOnlyStepsOfTheCriticalPathAreCritical(t *testing.T) {
	g := graph(4, [2]int{0, 1}, [2]int{1, 2}, [2]int{0, 2}, [2]int{2, 3})
	g.Critical = []string{id(0), id(1), id(2)}
	nodes, edges := g.OnCriticalPath()
	require.Equal(t, []bool{true, true, true, false}, nodes)
	require.Equal(t, []bool{true, true, false, false}, edges)
}
