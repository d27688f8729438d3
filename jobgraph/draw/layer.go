package draw

import (
	"cmp"
	"math"
	"slices"
)

// layers gives each node the layer it is drawn in: below all that stand on it, as
// high as can be, at most limit to a layer, so that a fan of a thousand becomes
// a block and not a line. Nodes with much below them come first (the list scheduling
// of Coffman and Graham). Then nodes that are tied to what is below them go down
// to it, which makes edges shorter.
func (d *dag) layers(limit int) []int {
	layer := d.schedule(limit)
	count := make([]int, slices.Max(layer)+1)
	for _, l := range layer {
		count[l]++
	}
	d.sink(layer, count, limit)
	highest := slices.Min(layer)
	for n := range layer {
		layer[n] -= highest
	}
	return layer
}

// layerLimit lets a drawing be some wider than high.
func layerLimit(nodes int, direction Direction) int {
	if direction == Right {
		return max(16, int(2.5*math.Sqrt(float64(nodes))))
	}
	return max(12, int(1.7*math.Sqrt(float64(nodes))))
}

func (d *dag) schedule(limit int) []int {
	layer, height, open := make([]int, len(d.up)), d.heights(), make([]int, len(d.up))
	var ready, freed []int
	for n, up := range d.up {
		if open[n] = len(up); open[n] == 0 {
			freed = append(freed, n)
		}
	}
	for l := 0; len(ready)+len(freed) > 0; l++ {
		if len(freed) > 0 {
			ready = append(ready, freed...)
			slices.SortStableFunc(ready, func(a, b int) int { return cmp.Compare(height[b], height[a]) })
			freed = freed[:0]
		}
		now := ready[:min(limit, len(ready))]
		ready = ready[len(now):]
		for _, n := range now {
			layer[n] = l
			for _, below := range d.down[n] {
				if open[below]--; open[below] == 0 {
					freed = append(freed, below)
				}
			}
		}
	}
	return layer
}

// heights are the longest ways down.
func (d *dag) heights() []int {
	height := make([]int, len(d.up))
	for _, n := range slices.Backward(d.order) {
		for _, below := range d.down[n] {
			height[n] = max(height[n], height[below]+1)
		}
	}
	return height
}

// sink moves nodes down as long as edges become shorter by it: a node, with all
// below it that must give way. Of what is below it all but the nearest stay.
func (d *dag) sink(layer, count []int, limit int) {
	s := &sinking{dag: d, layer: layer, count: count, limit: limit, mark: make([]int, len(layer)), work: 200 * len(layer)}
	for moved := true; moved && s.work > 0; {
		moved = false
		for _, n := range slices.Backward(d.order) {
			for s.work > 0 && s.lower(n) {
				moved = true
			}
		}
	}
}

type sinking struct {
	*dag
	layer, count []int
	limit        int
	mark         []int // of nodes: the last set they were in
	set          int
	work         int // steps that are left
}

// lower moves a node and what is in its way down by one layer, if that helps.
func (s *sinking) lower(n int) bool {
	s.set++
	s.mark[n] = s.set
	group, gain := []int{n}, 0
	for i := 0; i < len(group); i++ {
		at := group[i]
		if s.layer[at] == len(s.count)-1 {
			return false
		}
		for _, below := range s.down[at] {
			if s.mark[below] != s.set && s.layer[below] == s.layer[at]+1 {
				s.mark[below] = s.set
				group = append(group, below)
			}
		}
		s.work -= 1 + len(s.down[at]) + len(s.up[at])
	}
	for _, at := range group {
		gain += s.outside(s.down[at]) - s.outside(s.up[at])
	}
	return gain > 0 && s.move(group)
}

func (s *sinking) outside(nodes []int) int {
	n := 0
	for _, node := range nodes {
		if s.mark[node] != s.set {
			n++
		}
	}
	return n
}

// move does it where no layer becomes too wide.
func (s *sinking) move(group []int) bool {
	by := func(step int) (fits bool) {
		fits = true
		for _, n := range group {
			s.count[s.layer[n]] -= step
			s.count[s.layer[n]+1] += step
			fits = fits && s.count[s.layer[n]+1] <= s.limit
		}
		return fits
	}
	if !by(1) {
		by(-1)
		return false
	}
	for _, n := range group {
		s.layer[n]++
	}
	return true
}
