package jobgraph

import (
	"encoding/json"
	"fmt"
)

// Output is the result of a job, of one type, for those that depend on it.
type Output[T any] struct{ of *Job }

// OutputOf returns the output of j. The job sets it, and jobs above it get it:
//
//	cpus := jobgraph.OutputOf[int](countCPUs)
//	cpus.Set(a, runtime.NumCPU()) // in countCPUs
//	n, err := cpus.Get(a)         // in a job that depends on it
func OutputOf[T any](j *Job) Output[T] { return Output[T]{j} }

// Set keeps the value, as [Attempt.SetResult] does. It panics when the attempt is
// another job's.
func (o Output[T]) Set(a *Attempt, v T) {
	if a.Job != o.of {
		panic(fmt.Sprintf("jobgraph: the output of job %q is set by job %q: want it set by the job itself", o.of.Name, a.Job.Name))
	}
	a.SetResult(v)
}

// Get returns the value. It fails when the job of the attempt does not depend on the
// output's job, itself or through others, when that one did not succeed in this run
// (it was skipped, or taken as done), and when it set no value of this type.
func (o Output[T]) Get(a *Attempt) (T, error) {
	var none T
	at, ok := a.graph.place[o.of.Name]
	if !ok || a.graph.nodes[at].job != o.of || !a.graph.below(a.graph.place[a.Job.Name], at) {
		return none, fmt.Errorf("job %q does not depend on job %q, whose output it reads: want it among its deps", a.Job.Name, o.of.Name)
	}
	v, err := a.host.Value(o.of.Name)
	if err != nil {
		return none, err
	}
	if raw, ok := v.(json.RawMessage); ok { // of a durable run
		if err := json.Unmarshal(raw, &none); err != nil {
			return none, fmt.Errorf("the result of job %q: %w", o.of.Name, err)
		}
		return none, nil
	}
	if out, ok := v.(T); ok {
		return out, nil
	}
	return none, fmt.Errorf("job %q has set a result of type %T: want %T", o.of.Name, v, none)
}

// Under returns the names of all jobs that a job stands on, in depth-first post-order;
// none for one that is not there.
func (g *Graph) Under(job string) []string {
	at, known := g.place[job]
	if !known {
		return nil
	}
	var names []string
	for n, in := range g.under([]int{at})[:at] {
		if in {
			names = append(names, g.nodes[n].job.Name)
		}
	}
	return names
}

// below tells whether the job at one place stands on the one at another.
func (g *Graph) below(above, at int) bool {
	seen := map[int]bool{}
	for next := []int{above}; len(next) > 0; {
		n := next[len(next)-1]
		next = next[:len(next)-1]
		for _, dep := range g.nodes[n].deps {
			if dep == at {
				return true
			}
			if dep > at && !seen[dep] { // what is below has a lower place
				seen[dep] = true
				next = append(next, dep)
			}
		}
	}
	return false
}
