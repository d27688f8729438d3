package draw_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/jobgraph/draw"
)

var words = []string{"plain", "waiting", "running", "in place", "achieved", "failed", "blocked", "skipped"}

// anyGraph has edges from earlier to later nodes.
func anyGraph(t *rapid.T) draw.Graph {
	g := draw.Graph{
		Name:      rapid.String().Draw(t, "name"),
		Direction: rapid.SampledFrom([]draw.Direction{draw.Down, draw.Right}).Draw(t, "direction"),
	}
	n := rapid.IntRange(0, 200).Draw(t, "nodes")
	perNode := rapid.SampledFrom([]float64{0, 0.5, 1, 1.5, 3, 8}).Draw(t, "edges per node")
	reach := rapid.SampledFrom([]int{1, 3, 20, 200}).Draw(t, "reach")
	label := rapid.OneOf(rapid.StringN(0, 60, -1), rapid.StringMatching(`[a-z]{1,12}([-_/][a-z0-9]{1,12}){0,6}`))
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	labels := rapid.SliceOfN(label, 1, 12).Draw(t, "labels")
	for i := range n {
		look := r.IntN(len(words))
		g.Nodes = append(g.Nodes, draw.Node{
			ID: id(i), Label: labels[r.IntN(len(labels))], Look: draw.Look(look), State: words[look],
			Duration: time.Duration(r.Int64N(int64(time.Hour))), Note: labels[r.IntN(len(labels))],
		})
	}
	for range int(perNode * float64(n)) {
		from := r.IntN(n)
		if to := from + 1 + r.IntN(reach); to < n {
			g.Edges = append(g.Edges, draw.Edge{From: id(from), To: id(to)})
		}
	}
	return g
}

func id(i int) string { return fmt.Sprint("job-", i) }

// graph has plain nodes and the edges told, as numbers.
func graph(n int, edges ...[2]int) draw.Graph {
	g := draw.Graph{}
	for i := range n {
		g.Nodes = append(g.Nodes, draw.Node{ID: id(i), State: "achieved", Look: draw.Achieved})
	}
	for _, e := range edges {
		g.Edges = append(g.Edges, draw.Edge{From: id(e[0]), To: id(e[1])})
	}
	return g
}

// forms are graphs as programs make them.
func forms() map[string]draw.Graph {
	return map[string]draw.Graph{
		"empty":        {},
		"one":          graph(1),
		"apart":        graph(200),
		"chain":        graph(200, chain(0, 200)...),
		"fan":          graph(200, fan(1, 200)...),
		"fan and base": graph(201, append(fan(1, 200), fanIn(1, 200, 200)...)...),
		"fan in":       graph(200, fanIn(0, 199, 199)...),
		"diamonds":     graph(199, diamonds(66)...),
		"long edge":    graph(100, append(chain(0, 100), [2]int{0, 99}, [2]int{0, 50}, [2]int{30, 99})...),
		"all to all":   graph(24, complete(24)...),
		"layers":       graph(100, layered(10, 10)...),
		"tree":         graph(200, tree(200)...),
		"two chains":   graph(100, append(chain(0, 50), chain(50, 100)...)...),
		"twice":        graph(2, [2]int{0, 1}, [2]int{0, 1}),
	}
}

func chain(from, to int) (edges [][2]int) {
	for i := from + 1; i < to; i++ {
		edges = append(edges, [2]int{i - 1, i})
	}
	return edges
}

func fan(from, to int) (edges [][2]int) {
	for i := from; i < to; i++ {
		edges = append(edges, [2]int{0, i})
	}
	return edges
}

func fanIn(from, to, into int) (edges [][2]int) {
	for i := from; i < to; i++ {
		edges = append(edges, [2]int{i, into})
	}
	return edges
}

func diamonds(n int) (edges [][2]int) {
	for i := range n {
		edges = append(edges, [2]int{3 * i, 3*i + 1}, [2]int{3 * i, 3*i + 2})
		if i < n-1 {
			edges = append(edges, [2]int{3*i + 1, 3*i + 3}, [2]int{3*i + 2, 3*i + 3})
		}
	}
	return edges
}

func complete(n int) (edges [][2]int) {
	for i := range n {
		for j := i + 1; j < n; j++ {
			edges = append(edges, [2]int{i, j})
		}
	}
	return edges
}

func layered(layers, wide int) (edges [][2]int) {
	for l := 1; l < layers; l++ {
		for i := range wide {
			for j := range wide {
				edges = append(edges, [2]int{(l-1)*wide + i, l*wide + j})
			}
		}
	}
	return edges
}

func tree(n int) (edges [][2]int) {
	for i := 1; i < n; i++ {
		edges = append(edges, [2]int{(i - 1) / 3, i})
	}
	return edges
}

// random is like the graphs of real builds: most nodes stand on a few others of about
// their own age.
func random(n int, seed uint64) draw.Graph {
	r := rand.New(rand.NewPCG(seed, 1))
	verbs := []string{"fetch", "build", "check", "deploy", "migrate", "notify", "sync", "index", "render", "archive"}
	things := []string{"users", "orders-eu-west-1", "images", "search", "billing/invoices", "cache", "reports_2026", "dns", "mail", "tls"}
	g := draw.Graph{Name: "random"}
	for i := range n {
		look := r.IntN(len(words))
		g.Nodes = append(g.Nodes, draw.Node{
			ID: id(i), Label: fmt.Sprintf("%s-%s-%d", verbs[r.IntN(10)], things[r.IntN(10)], i),
			Look: draw.Look(look), State: words[look], Duration: time.Duration(r.IntN(60000)) * time.Millisecond,
		})
		for k := 1 + r.IntN(3)*r.IntN(2); i > 0 && k > 0; k-- {
			near := max(0, i-n/4)
			g.Edges = append(g.Edges, draw.Edge{From: id(near + r.IntN(i-near)), To: id(i)})
		}
	}
	g.Critical, _ = draw.CriticalPath(g)
	return g
}

// movieNight is the example of DoJobber, in the middle of a run.
func movieNight() draw.Graph {
	g := draw.Graph{Name: "Movie night"}
	add := func(id, state string, look draw.Look, took time.Duration, on ...string) {
		g.Nodes = append(g.Nodes, draw.Node{ID: id, State: state, Look: look, Duration: took})
		for _, other := range on {
			g.Edges = append(g.Edges, draw.Edge{From: id, To: other})
		}
	}
	add("Watch movie", "blocked", draw.Blocked, 0, "Find couch", "Popcorn", "Turn on TV", "Invite friends")
	add("Invite friends", "in place", draw.InPlace, 20*time.Millisecond)
	add("Find couch", "achieved", draw.Achieved, 1200*time.Millisecond, "Couch space")
	add("Couch space", "achieved", draw.Achieved, 3*time.Second)
	add("Popcorn", "failed", draw.Failed, 61*time.Second, "Fetch popcorn", "Microwave")
	add("Fetch popcorn", "achieved", draw.Achieved, 5*time.Second)
	add("Microwave", "in place", draw.InPlace, time.Millisecond, "Power")
	add("Power", "in place", draw.InPlace, time.Millisecond)
	add("Turn on TV", "running", draw.Running, 0, "Power", "Remote")
	add("Remote", "skipped", draw.Skipped, 0)
	add("Insert the disc of a film with a long and unwieldy title, part II", "waiting", draw.Waiting, 0, "Turn on TV")
	g.Nodes[4].Note = "the microwave says: no bag inside"
	g.Critical, _ = draw.CriticalPath(g)
	return g
}
