package draw

import "fmt"

// sheet is one part of a graph in layers. Its items are the nodes, by their
// numbers, and after them the bends: where edges pass a layer. Links join items
// of neighbouring layers. Breadth is along a layer, whatever the direction.
type sheet struct {
	nodes    int         // items below it are nodes
	breadth  []float64   // of items; a bend has none
	layer    []int       // of items
	rows     [][]int     // items of each layer, in order
	at       []int       // of items: the place in their row
	up, down [][]int     // of items: to what they are linked
	ways     map[way]way // of an edge over several layers: the first bend and the way on
	trunks   [][]int     // the bends of each trunk, from above
	across   []float64   // of items: where the middle is
	apart    []float64   // of items: the least distance from the middle of the one before
}

// way is an edge by its nodes; as a value, a trunk and how much of it is passed.
type way struct{ a, b int }

// newSheet makes the bends. Edges over several layers that leave one node, or reach
// one, share a trunk: of its two ends an edge takes the one with more such edges.
// A trunk has one node at its end, so that it is plain what is joined to what.
func newSheet(d *dag, layer []int, breadth []float64, room *int) (*sheet, error) {
	s := &sheet{nodes: len(layer), breadth: breadth, layer: layer, ways: map[way]way{}}
	s.up, s.down = make([][]int, s.nodes), make([][]int, s.nodes)
	longDown, longUp := make([][]int, s.nodes), make([][]int, s.nodes)
	for n := range d.down {
		for _, to := range d.down[n] {
			span := layer[to] - layer[n]
			if span == 1 {
				s.link(n, to)
				continue
			}
			longDown[n], longUp[to] = append(longDown[n], to), append(longUp[to], n)
			if *room -= span - 1; *room < 0 {
				return nil, fmt.Errorf("%w: its edges pass more than %d layers together", ErrTooLarge, maxBends)
			}
		}
	}
	fromAbove := func(n, to int) bool { return len(longDown[n]) >= len(longUp[to]) }
	for n := range s.nodes {
		s.trunkDown(n, longDown[n], fromAbove)
		s.trunkUp(n, longUp[n], fromAbove)
	}
	return s, nil
}

func (s *sheet) link(above, below int) {
	s.down[above] = append(s.down[above], below)
	s.up[below] = append(s.up[below], above)
}

func (s *sheet) bend(layer int) int {
	s.layer = append(s.layer, layer)
	s.breadth = append(s.breadth, 0)
	s.up, s.down = append(s.up, nil), append(s.down, nil)
	return len(s.layer) - 1
}

// trunk makes the bends between two layers.
func (s *sheet) trunk(above, below int) []int {
	var bends []int
	for l := above + 1; l < below; l++ {
		bends = append(bends, s.bend(l))
		if i := len(bends) - 1; i > 0 {
			s.link(bends[i-1], bends[i])
		}
	}
	s.trunks = append(s.trunks, bends)
	return bends
}

// trunkDown leads from n to the targets that share its trunk.
func (s *sheet) trunkDown(n int, targets []int, fromAbove func(n, to int) bool) {
	deepest, top := 0, s.layer[n]
	for _, to := range targets {
		if fromAbove(n, to) {
			deepest = max(deepest, s.layer[to])
		}
	}
	if deepest == 0 {
		return
	}
	bends := s.trunk(top, deepest)
	s.link(n, bends[0])
	for _, to := range targets {
		if fromAbove(n, to) {
			s.link(bends[s.layer[to]-top-2], to)
			s.ways[way{n, to}] = way{len(s.trunks) - 1, 0}
		}
	}
}

// trunkUp leads from the sources that share the trunk of n to n.
func (s *sheet) trunkUp(n int, sources []int, fromAbove func(n, to int) bool) {
	highest, bottom := s.layer[n], s.layer[n]
	for _, from := range sources {
		if !fromAbove(from, n) {
			highest = min(highest, s.layer[from])
		}
	}
	if highest == bottom {
		return
	}
	bends := s.trunk(highest, bottom)
	s.link(bends[len(bends)-1], n)
	for _, from := range sources {
		if !fromAbove(from, n) {
			skip := s.layer[from] - highest
			s.link(from, bends[skip])
			s.ways[way{from, n}] = way{len(s.trunks) - 1, skip}
		}
	}
}

// passes are the bends of an edge, from above.
func (s *sheet) passes(from, to int) []int {
	w, long := s.ways[way{from, to}]
	if !long {
		return nil
	}
	end := w.b + s.layer[to] - s.layer[from] - 1
	return s.trunks[w.a][w.b:end:end]
}

// gap is the room between neighbours of a row.
func (s *sheet) gap(a, b int, boxes float64) float64 {
	switch {
	case a < s.nodes && b < s.nodes:
		return boxes
	case a < s.nodes || b < s.nodes:
		return min(boxes, 18)
	}
	return 14
}
