package draw

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrTooLarge is for a graph that no drawing can show: more than 20,000 nodes, or
// edges that cross half a million layers together. Fold it, or draw a part.
var ErrTooLarge = errors.New("the graph is too large to be drawn")

const (
	maxNodes = 20_000
	maxBends = 500_000
)

// CycleError names nodes that stand on each other in a circle.
type CycleError struct {
	Path []string // IDs; the last is the first again
}

func (e *CycleError) Error() string {
	return "jobs stand on each other in a circle: " + strings.Join(e.Path, " -> ")
}

// dag is a graph whose nodes are numbers and whose edges are there once.
type dag struct {
	down, up [][]int        // by node: what it stands on, what stands on it
	order    []int          // each node after all that stand on it
	number   map[string]int // by ID; only of a whole graph
}

// check numbers the nodes of a graph as they come.
func (g Graph) check() (*dag, error) {
	if len(g.Nodes) > maxNodes {
		return nil, fmt.Errorf("%w: %d nodes, at most %d can be", ErrTooLarge, len(g.Nodes), maxNodes)
	}
	number, err := g.number()
	if err != nil {
		return nil, err
	}
	d := newDAG(len(g.Nodes))
	d.number = number
	seen := make(map[[2]int]bool, len(g.Edges))
	for _, e := range g.Edges {
		from, known := number[e.From]
		to, knownTo := number[e.To]
		if !known || !knownTo {
			return nil, unknownEnd(e)
		}
		if ends := [2]int{from, to}; !seen[ends] {
			seen[ends] = true
			d.add(from, to)
		}
	}
	if circle := d.sort(); circle != nil {
		return nil, &CycleError{Path: g.ids(circle)}
	}
	return d, nil
}

func unknownEnd(e Edge) error {
	return fmt.Errorf("edge %q -> %q: both ends must be nodes of the graph", e.From, e.To)
}

// number gives each ID its place in Nodes.
func (g Graph) number() (map[string]int, error) {
	number := make(map[string]int, len(g.Nodes))
	for i, n := range g.Nodes {
		if n.ID == "" {
			return nil, fmt.Errorf("node %d has no ID", i)
		}
		if _, twice := number[n.ID]; twice {
			return nil, fmt.Errorf("node %q is there twice", n.ID)
		}
		number[n.ID] = i
	}
	return number, nil
}

func (g Graph) ids(nodes []int) []string {
	ids := make([]string, len(nodes))
	for i, n := range nodes {
		ids[i] = g.Nodes[n].ID
	}
	return ids
}

func newDAG(nodes int) *dag {
	return &dag{down: make([][]int, nodes), up: make([][]int, nodes)}
}

func (d *dag) add(from, to int) {
	d.down[from] = append(d.down[from], to)
	d.up[to] = append(d.up[to], from)
}

// sort fills order, or returns a circle.
func (d *dag) sort() []int {
	open := make([]int, len(d.up)) // how many that stand on it are not in order yet
	for n, up := range d.up {
		if open[n] = len(up); open[n] == 0 {
			d.order = append(d.order, n)
		}
	}
	for i := 0; i < len(d.order); i++ {
		for _, n := range d.down[d.order[i]] {
			if open[n]--; open[n] == 0 {
				d.order = append(d.order, n)
			}
		}
	}
	if len(d.order) == len(d.up) {
		return nil
	}
	return d.circle(open)
}

// circle walks upward through open nodes, each of which has an open one above it,
// until it comes to one for the second time.
func (d *dag) circle(open []int) []int {
	n := slices.IndexFunc(open, func(o int) bool { return o > 0 })
	place := map[int]int{}
	var path []int
	for {
		if first, again := place[n]; again {
			path = append(path[first:], n)
			slices.Reverse(path)
			return path
		}
		place[n] = len(path)
		path = append(path, n)
		n = d.up[n][slices.IndexFunc(d.up[n], func(u int) bool { return open[u] > 0 })]
	}
}

// parts are the nodes that hang together, each in the order of numbers.
func (d *dag) parts() [][]int {
	part := make([]int, len(d.up)) // 0 is none yet
	var parts [][]int
	for n := range part {
		if part[n] != 0 {
			continue
		}
		part[n] = len(parts) + 1
		members := []int{n}
		for i := 0; i < len(members); i++ {
			for _, next := range slices.Concat(d.up[members[i]], d.down[members[i]]) {
				if part[next] == 0 {
					part[next] = part[n]
					members = append(members, next)
				}
			}
		}
		slices.Sort(members)
		parts = append(parts, members)
	}
	return parts
}

// only is the graph of some nodes, with new numbers: their places in members.
func (d *dag) only(members []int, renumber []int) *dag {
	for i, n := range members {
		renumber[n] = i
	}
	part := newDAG(len(members))
	for i, n := range members {
		for _, to := range d.down[n] {
			part.add(i, renumber[to])
		}
	}
	part.sort()
	return part
}
