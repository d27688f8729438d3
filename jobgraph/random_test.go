package jobgraph_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/internal/testkit/randomgraph"
	"github.com/sendoff-dev/sendoff/jobgraph"
	"github.com/sendoff-dev/sendoff/task"
)

// TestAnyParallelismGivesTheSame: states, attempts, errors and the cleanups that are
// called. No job begins before those that it needs have ended, and cleanups come in
// the reverse order of the runs.
func TestAnyParallelismGivesTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := randomgraph.Draw(t, 12)
		var want []string
		for _, parallel := range []int{1, 2, 5, 50} {
			g.Calls = nil
			cfg := quick()
			cfg.Parallel = parallel
			over := map[string]bool{}
			cfg.Observe = func(e jobgraph.Event) {
				switch e.Kind {
				case jobgraph.JobEnded:
					over[e.Job] = true
				case jobgraph.AttemptBegan:
					for _, dep := range find(g.Goal, e.Job).Deps {
						if find(g.Goal, e.Job).When != task.AnyFailed && !over[dep.Name] {
							t.Fatalf("%s begins before %s has ended", e.Job, dep.Name)
						}
					}
				case jobgraph.CallEnded, jobgraph.WillRetry:
				}
			}
			res, err := jobgraph.Run(t.Context(), g.Goal, cfg)
			require.NoError(t, err)
			cleanups := randomgraph.Cleanups(res)
			if parallel == 1 { // with more, two runs may begin at the same moment
				require.Equal(t, backward(g.Calls), called(g.Calls, "cleanup"), "the latest first")
			}
			slices.Sort(cleanups)
			got := append(randomgraph.Ends(res), cleanups...)
			if want == nil {
				want = got
			}
			require.Equal(t, want, got, fmt.Sprint("parallel ", parallel))
		}
	})
}

// called are the jobs and attempts with a call.
func called(calls []string, call string) []string {
	out := []string{}
	for _, c := range calls {
		if name, attempt, ok := strings.Cut(c, "."+call+"."); ok {
			out = append(out, name+" "+attempt)
		}
	}
	return out
}

// backward are the attempts whose Run began and that were cleaned up, the latest first.
func backward(calls []string) []string {
	cleaned := called(calls, "cleanup")
	runs := slices.DeleteFunc(called(calls, "run"), func(r string) bool { return !slices.Contains(cleaned, r) })
	slices.Reverse(runs)
	return runs
}

func find(goal *jobgraph.Job, name string) *jobgraph.Job {
	if goal.Name == name {
		return goal
	}
	for _, dep := range goal.Deps {
		if j := find(dep, name); j != nil {
			return j
		}
	}
	return nil
}
