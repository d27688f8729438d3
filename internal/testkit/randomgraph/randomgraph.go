// Package randomgraph makes graphs of scripted jobs, for comparisons of the ways to
// run them. It ships with nothing.
package randomgraph

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/jobgraph"
	"github.com/sendoff-dev/sendoff/task"
)

// Graph is a random graph, and what was called in it.
type Graph struct {
	Goal *jobgraph.Job

	mu    sync.Mutex
	Calls []string // "name.call.attempt" in the order in which they began
}

// line is what an attempt does: whether Check, Run and Recheck fail.
type line struct{ check, run, recheck, tell bool }

// Draw draws a graph of up to n jobs.
func Draw(t *rapid.T, n int) *Graph {
	g := &Graph{}
	jobs := make([]*jobgraph.Job, rapid.IntRange(1, n).Draw(t, "jobs"))
	for i := range jobs {
		j := g.job(t, fmt.Sprint("j", i))
		if i > 0 {
			for _, at := range rapid.SliceOfNDistinct(rapid.IntRange(0, i-1), 0, min(i, 3), rapid.ID[int]).Draw(t, "deps") {
				j.Deps = append(j.Deps, jobs[at])
			}
		}
		jobs[i] = j
	}
	top := slices.DeleteFunc(slices.Clone(jobs), func(j *jobgraph.Job) bool {
		return slices.ContainsFunc(jobs, func(other *jobgraph.Job) bool { return slices.Contains(other.Deps, j) })
	})
	g.Goal = jobgraph.Group("goal", top...)
	return g
}

func (g *Graph) job(t *rapid.T, name string) *jobgraph.Job {
	j := &jobgraph.Job{
		Name:  name,
		Tries: rapid.IntRange(0, 4).Draw(t, "tries"),
		When:  rapid.SampledFrom([]task.When{task.AllOK, task.AllOK, task.AllOK, task.Always, task.AnyFailed}).Draw(t, "when"),
	}
	script := make([]line, 4)
	for i := range script {
		script[i] = line{
			check: rapid.Bool().Draw(t, "check fails"), run: rapid.Bool().Draw(t, "run fails"),
			recheck: rapid.Bool().Draw(t, "recheck fails"), tell: rapid.IntRange(0, 9).Draw(t, "cannot tell") == 0,
		}
	}
	kind := rapid.SampledFrom([]string{"job", "job", "job", "group", "run only", "check only"}).Draw(t, "kind")
	if kind == "job" || kind == "check only" {
		j.Check = func(_ context.Context, a *jobgraph.Attempt) error {
			l := script[(a.Number-1)%len(script)]
			fails := l.check
			if a.Call() == jobgraph.CallRecheck {
				fails = l.recheck
			}
			return g.called(a, fails, l.tell)
		}
	}
	if kind == "job" || kind == "run only" {
		j.Run = func(_ context.Context, a *jobgraph.Attempt) error {
			return g.called(a, script[(a.Number-1)%len(script)].run, false)
		}
	}
	if rapid.Bool().Draw(t, "cleanup") {
		j.Cleanup = func(_ context.Context, a *jobgraph.Attempt) error {
			return g.called(a, a.Local["ran"] != float64(a.Number) && a.Local["ran"] != a.Number, false)
		}
	}
	return j
}

// called notes a call and fails it.
func (g *Graph) called(a *jobgraph.Attempt, fails, tell bool) error {
	name := fmt.Sprintf("%s.%s.%d", a.Job.Name, a.Call(), a.Number)
	g.mu.Lock()
	g.Calls = append(g.Calls, name)
	g.mu.Unlock()
	if a.Call() == jobgraph.CallRun {
		a.Local["ran"] = a.Number
	}
	a.SetResult(name)
	switch {
	case fails && tell:
		return jobgraph.CannotTell(fmt.Errorf("%s knows nothing", name))
	case fails:
		return fmt.Errorf("%s fails", name)
	}
	return nil
}

// Ends says how each job ended, for comparisons.
func Ends(r *jobgraph.Result) []string {
	var out []string
	for _, j := range r.Jobs {
		out = append(out, fmt.Sprintf("%s %s %s %d %d/%d/%d %v", j.Name, j.State, j.How, j.Attempts, j.Checks, j.Runs, j.Rechecks, j.Err))
	}
	return out
}

// Cleanups says which were called, in their order, and how they ended.
func Cleanups(r *jobgraph.Result) []string {
	out := []string{}
	for _, c := range r.Cleanups {
		out = append(out, fmt.Sprintf("%s %d %v", c.Job, c.Attempt, c.Err))
	}
	return out
}
