package draw

import (
	"slices"
	"strconv"
	"strings"
)

// CriticalPath is the chain of nodes, each standing on the next, whose durations
// are the most together: no amount of parallelism makes it shorter. Of chains that
// are as long it takes the one whose nodes come first. It is empty for an empty
// graph and where nothing took time. The errors are those of [Arrange].
func CriticalPath(g Graph) ([]string, error) {
	d, err := g.check()
	if err != nil {
		return nil, err
	}
	sum, next, best := make([]int64, len(g.Nodes)), make([]int, len(g.Nodes)), -1
	for _, n := range slices.Backward(d.order) {
		next[n] = -1
		for _, below := range d.down[n] {
			if next[n] < 0 || sum[below] > sum[next[n]] {
				next[n] = below
			}
		}
		sum[n] = int64(max(0, g.Nodes[n].Duration))
		if next[n] >= 0 {
			sum[n] += sum[next[n]]
		}
	}
	for n := range sum {
		if sum[n] > 0 && (best < 0 || sum[n] > sum[best]) {
			best = n
		}
	}
	var path []int
	for n := best; n >= 0 && sum[n] > 0; n = next[n] {
		path = append(path, n)
	}
	return g.ids(path), nil
}

// marks are the critical nodes, with their places on the path.
type marks map[string]int

func (g Graph) marks() marks {
	m := marks{}
	for i, id := range g.Critical {
		m[id] = i
	}
	return m
}

func (m marks) node(id string) bool { _, on := m[id]; return on }

func (m marks) edge(e Edge) bool {
	from, on := m[e.From]
	to, too := m[e.To]
	return on && too && to == from+1
}

// OnCriticalPath says which nodes and edges of a graph are drawn as critical, by
// their places in Nodes and Edges.
func (g Graph) OnCriticalPath() (nodes, edges []bool) {
	m := g.marks()
	for _, n := range g.Nodes {
		nodes = append(nodes, m.node(n.ID))
	}
	for _, e := range g.Edges {
		edges = append(edges, m.edge(e))
	}
	return nodes, edges
}

// Summary says in a sentence what a drawing shows, for those who do not see it: how many
// nodes are in each state, and the critical path.
func (g Graph) Summary() string {
	count, states := map[string]int{}, []string(nil)
	for _, n := range g.Nodes {
		if n.State == "" {
			continue
		}
		if count[n.State]++; count[n.State] == 1 {
			states = append(states, n.State)
		}
	}
	for i, s := range states {
		states[i] = strconv.Itoa(count[s]) + " " + s
	}
	text := strconv.Itoa(len(g.Nodes)) + " jobs"
	if len(g.Nodes) == 1 {
		text = "1 job"
	}
	if len(states) > 0 {
		text += ": " + strings.Join(states, ", ")
	}
	text += "."
	if len(g.Critical) > 0 {
		text += " Critical path: " + strings.Join(g.labels(g.Critical), ", ") + "."
	}
	return text
}

// labels are the labels of nodes by their IDs.
func (g Graph) labels(ids []string) []string {
	label := make(map[string]string, len(g.Nodes))
	for _, n := range g.Nodes {
		label[n.ID] = n.label()
	}
	var labels []string
	for _, id := range ids {
		labels = append(labels, label[id])
	}
	return labels
}

// title is what is known of a node, in lines.
func (n Node) title(critical bool) string {
	lines := []string{n.label()}
	if state := n.stateAndTime(", "); state != "" {
		lines = append(lines, state)
	}
	if n.Note != "" {
		lines = append(lines, n.Note)
	}
	if critical {
		lines = append(lines, "on the critical path")
	}
	return strings.Join(lines, "\n")
}
