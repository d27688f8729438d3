package jobgraph

import (
	"slices"
	"strings"
)

// choose decides which jobs are part of the run, and which of them count as done
// before it begins.
func (r *run) choose() error {
	only, err := r.graph.places("only", r.cfg.Only)
	if err != nil {
		return err
	}
	from, err := r.graph.places("from", r.cfg.From)
	if err != nil {
		return err
	}
	except, err := r.graph.places("except", r.cfg.Except)
	if err != nil {
		return err
	}
	if len(only) == 0 {
		only = []int{len(r.graph.nodes) - 1}
	} else {
		r.goal = strings.Join(r.cfg.Only, ", ")
	}
	r.chosen = r.graph.under(only)
	for _, at := range only {
		r.chosen[at] = true
	}
	if err := r.leaveBelow(from); err != nil {
		return err
	}
	for _, at := range except {
		r.leave(at, "left out")
	}
	return nil
}

// leaveBelow takes what the jobs at these places stand on as done, except for what
// is one of them or above one of them.
func (r *run) leaveBelow(from []int) error {
	if len(from) == 0 {
		return nil
	}
	above := make([]bool, len(r.graph.nodes))
	for _, at := range from {
		if !r.chosen[at] {
			return wrong(r.graph.nodes[at].job.Name, "from: it is no part of this run")
		}
		above[at] = true
	}
	for at, n := range r.graph.nodes {
		for _, dep := range n.deps {
			above[at] = above[at] || above[dep]
		}
	}
	for at, below := range r.graph.under(from) {
		if below && !above[at] {
			r.leave(at, "taken as done")
		}
	}
	return nil
}

// leave has a job skipped, with a reason: it counts as done.
func (r *run) leave(at int, reason string) {
	if r.chosen[at] && r.jobs[at].State == Waiting {
		r.jobs[at].State, r.jobs[at].Reason = Skipped, reason
		r.left = append(r.left, at)
	}
}

// under marks what the jobs at some places stand on, directly or through others.
func (g *Graph) under(places []int) []bool {
	marked, wanted := make([]bool, len(g.nodes)), make([]bool, len(g.nodes))
	for _, at := range places {
		wanted[at] = true
	}
	for at, n := range slices.Backward(g.nodes) { // what is below has a lower place
		if !wanted[at] && !marked[at] {
			continue
		}
		for _, dep := range n.deps {
			marked[dep] = true
		}
	}
	return marked
}

// places finds jobs by their names.
func (g *Graph) places(setting string, names []string) ([]int, error) {
	var at []int
	for _, name := range names {
		p, ok := g.place[name]
		if !ok {
			return nil, wrong("", "%s: no job %q below goal %q%s", setting, name, g.name, g.nearest(name))
		}
		at = append(at, p)
	}
	return at, nil
}

// nearest proposes a job whose name differs in case only.
func (g *Graph) nearest(name string) string {
	for _, n := range g.nodes {
		if strings.EqualFold(n.job.Name, name) {
			return ": did you mean \"" + n.job.Name + "\"?"
		}
	}
	return ""
}
