package jobgraph

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sendoff-dev/sendoff/task"
)

// Graph is all that a goal stands on, checked. It never changes and may be used by
// any number of goroutines.
type Graph struct {
	name  string
	nodes []node // in the order of their places
	place map[string]int
}

// node is a job at its place: its index in depth-first post-order from the goal,
// the order in which a run of one at a time comes by.
type node struct {
	job    *Job
	deps   []int // the places of what it needs, in the order of Job.Deps
	needed []int // of those that need it, in the order of their places
}

// New returns the graph below a goal. It refuses with a [DefinitionError] what
// cannot be run: a cycle, two jobs of one name, a dep that is nil, and a job whose
// settings are out of their bounds.
func New(goal *Job) (*Graph, error) {
	if goal == nil {
		return nil, wrong("", "the goal is nil: want a job")
	}
	g := &Graph{name: goal.Name, place: map[string]int{}}
	if err := (&builder{Graph: g, places: map[*Job]int{}}).walk(goal); err != nil {
		return nil, err
	}
	for i, n := range g.nodes {
		for _, dep := range n.deps {
			g.nodes[dep].needed = append(g.nodes[dep].needed, i)
		}
	}
	return g, nil
}

// Goal returns the name of the goal.
func (g *Graph) Goal() string { return g.name }

// Jobs returns the jobs in depth-first post-order from the goal, which is last.
func (g *Graph) Jobs() []*Job {
	jobs := make([]*Job, len(g.nodes))
	for i, n := range g.nodes {
		jobs[i] = n.job
	}
	return jobs
}

// Job returns the job of a name, nil when there is none.
func (g *Graph) Job(name string) *Job {
	if at, ok := g.place[name]; ok {
		return g.nodes[at].job
	}
	return nil
}

// builder walks down from the goal and gives places on the way up.
type builder struct {
	*Graph
	places map[*Job]int // -1 on the way down
	path   []visit
	listed []int // by place: the last job among whose deps it is
}

// visit is a job on the way down: which of its deps come next.
type visit struct {
	job  *Job
	next int
}

// walk goes without recursion: a chain may be as long as memory is.
func (b *builder) walk(goal *Job) error {
	if err := b.enter(goal); err != nil {
		return err
	}
	for len(b.path) > 0 {
		v := &b.path[len(b.path)-1]
		if v.next == len(v.job.Deps) {
			if err := b.put(v.job); err != nil {
				return err
			}
			b.path = b.path[:len(b.path)-1]
			continue
		}
		dep := v.job.Deps[v.next]
		v.next++
		if dep == nil {
			return wrong(v.job.Name, "dep %d is nil: want a job", v.next)
		}
		at, seen := b.places[dep]
		if seen && at < 0 {
			return b.cycle(dep)
		}
		if !seen {
			if err := b.enter(dep); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *builder) enter(j *Job) error {
	if err := j.validate(); err != nil {
		return err
	}
	b.places[j] = -1
	b.path = append(b.path, visit{job: j})
	return nil
}

// put gives the next place to a job whose deps have theirs.
func (b *builder) put(j *Job) error {
	if first, taken := b.place[j.Name]; taken {
		return wrong(j.Name, "two jobs of this name%s: want a name of its own for each", b.users(b.nodes[first].job))
	}
	at := len(b.nodes)
	b.places[j], b.place[j.Name] = at, at
	n := node{job: j, deps: make([]int, 0, len(j.Deps))}
	for _, dep := range j.Deps {
		if p := b.places[dep]; b.listed[p] != at {
			b.listed[p] = at
			n.deps = append(n.deps, p)
		}
	}
	b.nodes, b.listed = append(b.nodes, n), append(b.listed, -1)
	return nil
}

// users tells two jobs of one name apart by those that need them.
func (b *builder) users(first *Job) string {
	second := b.path[max(0, len(b.path)-2)].job.Name
	for _, v := range b.path {
		if slices.Contains(v.job.Deps, first) {
			return fmt.Sprintf(", below %q and below %q", v.job.Name, second)
		}
	}
	for _, n := range b.nodes {
		if slices.Contains(n.job.Deps, first) {
			return fmt.Sprintf(", below %q and below %q", n.job.Name, second)
		}
	}
	return ""
}

// cycle names the jobs on the way from dep back to itself.
func (b *builder) cycle(dep *Job) error {
	from := slices.IndexFunc(b.path, func(v visit) bool { return v.job == dep })
	names := []string{}
	for _, v := range b.path[from:] {
		names = append(names, v.job.Name)
	}
	switch n := len(names); {
	case n == 1:
		return wrong(dep.Name, "it needs itself")
	case n > 20:
		names = slices.Concat(names[:10], []string{fmt.Sprintf("... %d more ...", n-19)}, names[n-9:])
	}
	return wrong("", "a cycle: %s -> %s", strings.Join(names, " -> "), dep.Name)
}

func (j *Job) validate() error {
	switch {
	case j.Name == "":
		return wrong("", "a job has no name: want 1 to 200 bytes")
	case len(j.Name) > 200:
		return wrong(j.Name[:40]+"...", "its name has %d bytes: want 1 to 200", len(j.Name))
	case j.Tries < 0:
		return wrong(j.Name, "%d tries: want at least 1, or 0 for those of the run", j.Tries)
	case j.RetryDelay != nil && *j.RetryDelay < 0:
		return wrong(j.Name, "a retry delay of %v: want 0 or more", *j.RetryDelay)
	case j.Timeout < 0:
		return wrong(j.Name, "a timeout of %v: want more than 0, or 0 for none", j.Timeout)
	case j.When != task.AllOK && j.When != task.Always && j.When != task.AnyFailed:
		return wrong(j.Name, "when is %d: want all_ok, always or any_failed", j.When)
	}
	return nil
}
