package jobgraph

import (
	"slices"
	"strings"
)

// choose decides which jobs are part of the run, and which of them count as done
// before it begins.
func (b *Board) choose() error {
	only, err := b.graph.places("only", b.cfg.Only)
	if err != nil {
		return err
	}
	from, err := b.graph.places("from", b.cfg.From)
	if err != nil {
		return err
	}
	except, err := b.graph.places("except", b.cfg.Except)
	if err != nil {
		return err
	}
	if len(only) == 0 {
		only = []int{len(b.graph.nodes) - 1}
	} else {
		b.goal = strings.Join(b.cfg.Only, ", ")
	}
	b.chosen = b.graph.under(only)
	for _, at := range only {
		b.chosen[at] = true
	}
	if err := b.leaveBelow(from); err != nil {
		return err
	}
	for _, at := range except {
		b.leave(at, "left out")
	}
	return nil
}

// leaveBelow takes what the jobs at these places stand on as done, except for what
// is one of them or above one of them.
func (b *Board) leaveBelow(from []int) error {
	if len(from) == 0 {
		return nil
	}
	above := make([]bool, len(b.graph.nodes))
	for _, at := range from {
		if !b.chosen[at] {
			return wrong(b.graph.nodes[at].job.Name, "from: it is no part of this run")
		}
		above[at] = true
	}
	for at, n := range b.graph.nodes {
		for _, dep := range n.deps {
			above[at] = above[at] || above[dep]
		}
	}
	for at, below := range b.graph.under(from) {
		if below && !above[at] {
			b.leave(at, "taken as done")
		}
	}
	return nil
}

// leave has a job skipped, with a reason: it counts as done.
func (b *Board) leave(at int, reason string) {
	if b.chosen[at] && b.jobs[at].State == Waiting {
		b.jobs[at].State, b.jobs[at].Reason = Skipped, reason
		b.left = append(b.left, at)
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
