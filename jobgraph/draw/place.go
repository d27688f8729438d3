package draw

import (
	"cmp"
	"math"
	"slices"
)

// place gives every item its middle along its row. Rows begin packed; then each item
// is drawn to the mean of what it is linked to, row after row, downwards, upwards and
// to both sides. In a row, the places with the least sum of squared distances from
// what is wanted are found exactly, by pooling neighbours that would come too close
// (isotonic regression). What is in line but for a little is then set in line.
func (s *sheet) place(boxes float64) {
	s.packRows(boxes)
	rounds := min(48, max(4, 150_000/len(s.layer)))
	for round := range rounds {
		up, down := 1.0, 0.2
		if round%2 == 1 {
			up, down = down, up
		}
		if round >= rounds*2/3 {
			up, down = 1, 1
		}
		for i := range s.rows {
			if round%2 == 1 {
				i = len(s.rows) - 1 - i
			}
			s.settleRow(s.rows[i], up, down)
		}
		if round%8 == 7 {
			s.straighten() // else long lines would follow slowly, item by item
		}
	}
	for range 3 {
		s.straighten()
	}
	for i, x := range s.across {
		s.across[i] = math.Round(x) // sharp lines, short numbers
	}
}

// packRows fills across with rows that are as narrow as can be, about a common middle,
// and apart with the room that each item needs to the one before it.
func (s *sheet) packRows(boxes float64) {
	s.across, s.apart = make([]float64, len(s.layer)), make([]float64, len(s.layer))
	for _, row := range s.rows {
		for i := 1; i < len(row); i++ {
			a, b := row[i-1], row[i]
			s.apart[b] = (s.breadth[a]+s.breadth[b])/2 + s.gap(a, b, boxes)
			s.across[b] = s.across[a] + s.apart[b]
		}
		middle := s.across[row[len(row)-1]] / 2
		for _, item := range row {
			s.across[item] -= middle
		}
	}
}

// pool is a run of neighbours that touch: where its first item would be, and how
// strongly it is held there.
type pool struct {
	first         int // in the row
	place, weight float64
}

// settleRow finds the best places of a row, with links upwards and downwards as strong
// as told.
func (s *sheet) settleRow(row []int, up, down float64) {
	offset, pools := 0.0, make([]pool, 0, len(row))
	for i, item := range row {
		offset += s.apart[item]
		want, weight := s.wanted(item, up, down)
		p := pool{i, want - offset, weight}
		for len(pools) > 0 && pools[len(pools)-1].place > p.place {
			last := pools[len(pools)-1]
			sum := last.weight + p.weight
			p = pool{last.first, (last.place*last.weight + p.place*p.weight) / sum, sum}
			pools = pools[:len(pools)-1]
		}
		pools = append(pools, p)
	}
	offset = 0
	for i, item := range row {
		offset += s.apart[item]
		if len(pools) > 1 && pools[1].first <= i {
			pools = pools[1:]
		}
		s.across[item] = pools[0].place + offset
	}
}

// wanted is the mean place of what an item is linked to.
func (s *sheet) wanted(item int, up, down float64) (place, weight float64) {
	sum := 0.0
	for _, above := range s.up[item] {
		by := up * s.strength(above, item)
		sum, weight = sum+by*s.across[above], weight+by
	}
	for _, below := range s.down[item] {
		by := down * s.strength(item, below)
		sum, weight = sum+by*s.across[below], weight+by
	}
	if weight == 0 {
		return s.across[item], 0.01
	}
	return sum / weight, weight
}

// strength is how much a link wants to be straight: a trunk most, what stands alone
// on another some, and what branches off a trunk the less the more there are.
func (s *sheet) strength(above, below int) float64 {
	bendAbove, bendBelow := above >= s.nodes, below >= s.nodes
	switch {
	case bendAbove && bendBelow:
		return 8
	case bendAbove:
		return 1 / float64(len(s.down[above]))
	case bendBelow:
		return 1 / float64(len(s.up[below]))
	case len(s.down[above]) == 1 && len(s.up[below]) == 1:
		return 3
	}
	return 1
}

// straighten sets items in line, the longest lines first.
func (s *sheet) straighten() {
	lines := s.lines()
	slices.SortStableFunc(lines, func(a, b []int) int { return cmp.Compare(len(b), len(a)) })
	for _, line := range lines {
		for len(line) > 0 {
			line = line[s.alignFirst(line):]
		}
	}
}

// lines are the ways along which each item has only the next, and those of trunks.
func (s *sheet) lines() [][]int {
	taken := make([]bool, len(s.layer))
	var lines [][]int
	for _, row := range s.rows {
		for _, item := range row {
			var line []int
			for next := item; next >= 0 && !taken[next]; next = s.straightOn(next) {
				taken[next] = true
				line = append(line, next)
			}
			if len(line) > 1 {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// straightOn is the item below that ought to be in line with one, or -1.
func (s *sheet) straightOn(item int) int {
	down := s.down[item]
	if len(down) == 1 && (len(s.up[down[0]]) == 1 || item >= s.nodes && down[0] >= s.nodes) {
		return down[0]
	}
	if item >= s.nodes {
		for _, below := range down {
			if below >= s.nodes {
				return below
			}
		}
	}
	return -1
}

// alignFirst sets the first items of a line in line, as many as their neighbours
// leave room for, and says how many.
func (s *sheet) alignFirst(line []int) int {
	low, high, sum := math.Inf(-1), math.Inf(1), 0.0
	n := 0
	for _, item := range line {
		l, h := s.freedom(item)
		if max(low, l) > min(high, h) {
			break
		}
		low, high, sum, n = max(low, l), min(high, h), sum+s.across[item], n+1
	}
	at := min(max(s.near(line[:n], sum/float64(n)), low), high)
	for _, item := range line[:n] {
		s.across[item] = at
	}
	return n
}

// near is a place, or the end of a trunk that is next to it, so that the trunk leaves or
// arrives without a bend.
func (s *sheet) near(line []int, place float64) float64 {
	first, last := line[0], line[len(line)-1]
	if first >= s.nodes && len(s.up[first]) == 1 && math.Abs(s.across[s.up[first][0]]-place) < 20 {
		return s.across[s.up[first][0]]
	}
	if last >= s.nodes && len(s.down[last]) == 1 && math.Abs(s.across[s.down[last][0]]-place) < 20 {
		return s.across[s.down[last][0]]
	}
	return place
}

// freedom is where an item can be between its neighbours.
func (s *sheet) freedom(item int) (low, high float64) {
	row, at := s.rows[s.layer[item]], s.at[item]
	low, high = math.Inf(-1), math.Inf(1)
	if at > 0 {
		low = s.across[row[at-1]] + s.apart[item]
	}
	if at < len(row)-1 {
		high = s.across[row[at+1]] - s.apart[row[at+1]]
	}
	return min(low, s.across[item]), max(high, s.across[item]) // what was rounded is no reason to move
}
