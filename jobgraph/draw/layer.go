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
	for range 4 {
		if !d.sink(layer, count, limit) {
			break
		}
	}
	return layer
}

// layerLimit lets a drawing be some wider than high.
func layerLimit(nodes int, direction Direction) int {
	if direction == Right {
		return max(16, int(2.5*math.Sqrt(float64(nodes))))
	}
	return max(10, int(1.3*math.Sqrt(float64(nodes))))
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

// sink moves nodes down whose edges become shorter by it, and says whether any moved.
func (d *dag) sink(layer, count []int, limit int) bool {
	moved := false
	for _, n := range slices.Backward(d.order) {
		if len(d.down[n]) <= len(d.up[n]) {
			continue
		}
		to := len(count) - 1
		for _, below := range d.down[n] {
			to = min(to, layer[below]-1)
		}
		for to > layer[n] && count[to] >= limit {
			to--
		}
		if to > layer[n] {
			count[layer[n]]--
			count[to]++
			layer[n], moved = to, true
		}
	}
	return moved
}
