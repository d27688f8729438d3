package draw

import (
	"cmp"
	"slices"
)

// arrangeRows orders the rows so that few links cross, by the method of Sugiyama,
// Tagawa and Toda as Gansner, North and others improved it: items go to the mean
// place of what they are linked to, row after row, downwards and upwards, then
// neighbours are exchanged where that helps. It is done again until nothing is gained
// or the work, which grows with the links, is spent; from an order that comes from above,
// and from one that comes from below.
func (s *sheet) arrangeRows(d *dag) {
	links := 0
	for _, down := range s.down {
		links += len(down)
	}
	rounds := min(48, max(2, 100_000/(links+1)))
	s.firstRows(d.order, s.down)
	best, fewest := s.improve(rounds)
	if fewest > 0 {
		fromBelow := slices.Clone(d.order)
		slices.Reverse(fromBelow)
		s.firstRows(fromBelow, s.up)
		if other, crossings := s.improve(rounds); crossings < fewest {
			best = other
		}
	}
	s.rows = best
	s.number()
}

// improve returns the best rows that it comes to from those that there are, and how
// many links cross in them.
func (s *sheet) improve(rounds int) (best [][]int, fewest int) {
	best, fewest = s.copyRows(), s.crossings()
	for round, idle := 0, 0; round < rounds && idle < 12 && fewest > 0; round++ {
		s.sweep(round%2 == 0, round%4 < 2)
		s.exchange(round%4 >= 2)
		if c := s.crossings(); c < fewest {
			best, fewest, idle = s.copyRows(), c, 0
		} else {
			idle++
		}
	}
	return best, fewest
}

func (s *sheet) copyRows() [][]int {
	rows := make([][]int, len(s.rows))
	for i, row := range s.rows {
		rows[i] = slices.Clone(row)
	}
	return rows
}

// firstRows takes items as a walk in depth comes to them, which keeps families together.
func (s *sheet) firstRows(order []int, links [][]int) {
	s.rows = make([][]int, slices.Max(s.layer)+1)
	s.at = make([]int, len(s.layer))
	seen := make([]bool, len(s.layer))
	var stack []int
	for _, root := range order {
		stack = append(stack, root)
		for len(stack) > 0 {
			item := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if seen[item] {
				continue
			}
			seen[item] = true
			s.rows[s.layer[item]] = append(s.rows[s.layer[item]], item)
			stack = append(stack, s.bendsFirst(links[item])...)
		}
	}
	s.number()
}

// bendsFirst turns items round and sets the bends before the nodes: in a stack, they
// come last. So a trunk leaves at the right of what else hangs on its node, and one that
// leads to a node at the left; with a fan that stands on one node, none cross.
func (s *sheet) bendsFirst(items []int) []int {
	items = slices.Clone(items)
	slices.Reverse(items)
	slices.SortStableFunc(items, func(a, b int) int {
		switch {
		case a >= s.nodes && b < s.nodes:
			return -1
		case a < s.nodes && b >= s.nodes:
			return 1
		}
		return 0
	})
	return items
}

func (s *sheet) number() {
	for _, row := range s.rows {
		s.numberRow(row)
	}
}

func (s *sheet) numberRow(row []int) {
	for i, item := range row {
		s.at[item] = i
	}
}

// sweep sorts every row but the first by the row before it. Of items whose places are
// equal, the order is kept or turned round.
func (s *sheet) sweep(downwards, keep bool) {
	for i := 1; i < len(s.rows); i++ {
		if downwards {
			s.sortRow(s.rows[i], s.up, keep)
		} else {
			s.sortRow(s.rows[len(s.rows)-1-i], s.down, keep)
		}
	}
}

// sortRow leaves items that have no links on that side where they are.
func (s *sheet) sortRow(row []int, links [][]int, keep bool) {
	type placed struct {
		item int
		mean float64
	}
	var movable []placed
	for _, item := range row {
		if n := len(links[item]); n > 0 {
			sum := 0
			for _, other := range links[item] {
				sum += s.at[other]
			}
			movable = append(movable, placed{item, float64(sum) / float64(n)})
		}
	}
	if !keep {
		slices.Reverse(movable)
	}
	slices.SortStableFunc(movable, func(a, b placed) int { return cmp.Compare(a.mean, b.mean) })
	next := 0
	for i, item := range row {
		if len(links[item]) > 0 {
			row[i] = movable[next].item
			next++
		}
	}
	s.numberRow(row)
}

// exchange swaps neighbours as long as that takes crossings away, and once where it
// makes no difference, if told, which opens ways to better orders. After the first time,
// it looks only at rows beside which something was swapped.
func (s *sheet) exchange(even bool) {
	look := make([]bool, len(s.rows)+2) // of each row, and one before and after all
	for i := range look {
		look[i] = true
	}
	for again, round := true, 0; again && round < 8; round++ {
		again = false
		for i, row := range s.rows {
			if !look[i+1] {
				continue
			}
			look[i+1] = false
			if s.exchangeIn(row, even && round == 0) {
				again, look[i], look[i+1], look[i+2] = true, true, true, true
			}
		}
	}
}

// exchangeIn swaps neighbours in a row, and says whether that took crossings away.
func (s *sheet) exchangeIn(row []int, even bool) bool {
	better := false
	s.sortLinks(row)
	for i := 1; i < len(row); i++ {
		a, b := row[i-1], row[i]
		gain := s.gain(s.up[a], s.up[b]) + s.gain(s.down[a], s.down[b])
		if gain > 0 || even && gain == 0 {
			row[i-1], row[i] = b, a
			better = better || gain > 0
		}
	}
	s.numberRow(row)
	return better
}

func (s *sheet) sortLinks(row []int) {
	byPlace := func(a, b int) int { return cmp.Compare(s.at[a], s.at[b]) }
	for _, item := range row {
		slices.SortFunc(s.up[item], byPlace)
		slices.SortFunc(s.down[item], byPlace)
	}
}

// gain is by how much fewer links cross when what has these links, left and right of each
// other, changes places.
func (s *sheet) gain(left, right []int) int {
	sum, below, upTo := 0, 0, 0 // links on the right that end before one on the left, and before or with it
	for _, l := range left {
		at := s.at[l]
		for below < len(right) && s.at[right[below]] < at {
			below++
		}
		for upTo = max(upTo, below); upTo < len(right) && s.at[right[upTo]] == at; {
			upTo++
		}
		sum += below - (len(right) - upTo)
	}
	return sum
}

// crossings counts all, with a Fenwick tree over each row (Barth, Jünger, Mutzel).
func (s *sheet) crossings() int {
	sum := 0
	for i := 1; i < len(s.rows); i++ {
		s.sortLinks(s.rows[i-1])
		tree, links := make([]int, len(s.rows[i])+1), 0
		for _, item := range s.rows[i-1] {
			for _, below := range s.down[item] {
				sum += links
				for k := s.at[below] + 1; k > 0; k &= k - 1 {
					sum -= tree[k]
				}
				for k := s.at[below] + 1; k < len(tree); k += k & -k {
					tree[k]++
				}
				links++
			}
		}
	}
	return sum
}
