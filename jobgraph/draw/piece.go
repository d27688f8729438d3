package draw

import "math"

// piece is a part of a graph whose nodes hang together, laid out by itself: along is
// the way of the edges, across is the way of the layers.
type piece struct {
	members       []int // nodes of the graph, by their numbers in the piece
	direction     Direction
	d             *dag
	sheet         *sheet
	bands         []band // of layers
	corner        Point
	width, height float64
}

// band is where the boxes of a layer are, along.
type band struct{ from, to float64 }

// The room between boxes of a layer, and between layers.
const (
	besideDown, besideRight = 24.0, 16.0
	leastGap, mostGap       = 44.0, 132.0
)

func (p *piece) arrange(d *dag, boxes []Box, room *int) error {
	p.d = d
	breadth, thick, beside := make([]float64, len(p.members)), make([]float64, len(p.members)), besideDown
	for i, n := range p.members {
		breadth[i], thick[i] = boxes[n].Width, boxes[n].Height
		if p.direction == Right {
			breadth[i], thick[i], beside = thick[i], breadth[i], besideRight
		}
	}
	s, err := newSheet(d, d.layers(layerLimit(len(p.members), p.direction)), breadth, room)
	if err != nil {
		return err
	}
	p.sheet = s
	s.arrangeRows(d)
	s.place(beside)
	p.width = s.toZero()
	p.height = p.stack(thick)
	if p.direction == Right {
		p.width, p.height = p.height, p.width
	}
	return nil
}

// toZero moves all so that nothing is left of 0, and returns the breadth of it all.
func (s *sheet) toZero() float64 {
	left, right := s.across[0], s.across[0]
	for i, x := range s.across {
		left, right = min(left, x-s.breadth[i]/2), max(right, x+s.breadth[i]/2)
	}
	left, right = math.Floor(left), math.Ceil(right)
	for i := range s.across {
		s.across[i] -= left
	}
	return right - left
}

// stack sets the layers one after another, farther apart where links go far to the side.
func (p *piece) stack(thick []float64) float64 {
	p.bands = make([]band, len(p.sheet.rows))
	end := 0.0
	for l, row := range p.sheet.rows {
		b, aside := band{from: end, to: end}, 0.0
		for _, item := range row {
			if item < p.sheet.nodes {
				b.to = max(b.to, end+thick[item])
			}
			for _, below := range p.sheet.down[item] {
				aside = max(aside, abs(p.sheet.across[below]-p.sheet.across[item]))
			}
		}
		p.bands[l] = b
		end = b.to + math.Round(min(mostGap, leastGap+aside/14))
	}
	return p.bands[len(p.bands)-1].to
}

func abs(x float64) float64 { return max(x, -x) }

// put writes down the places of the boxes and the lines of the edges.
func (p *piece) put(boxes []Box, routes map[way]Route) {
	for i, n := range p.members {
		b, layer := &boxes[n], p.bands[p.sheet.layer[i]]
		middle := p.point(p.sheet.across[i], layer.from)
		b.X, b.Y = middle.X-b.Width/2, middle.Y
		if p.direction == Right {
			b.X, b.Y = middle.X, middle.Y-b.Height/2
		}
	}
	for from := range p.members {
		for _, to := range p.d.down[from] {
			routes[way{p.members[from], p.members[to]}] = p.route(from, to, boxes[p.members[from]])
		}
	}
}

// point is a place of the drawing, from one across and along.
func (p *piece) point(across, along float64) Point {
	if p.direction == Right {
		across, along = along, across
	}
	return Point{p.corner.X + across, p.corner.Y + along}
}

// route goes straight through the bands, beside the boxes, and in curves through
// the gaps, where there are no boxes.
func (p *piece) route(from, to int, start Box) Route {
	s := p.sheet
	across, end := s.across[from], p.bands[s.layer[from]]
	leave := end.from + start.Height
	if p.direction == Right {
		leave = end.from + start.Width
	}
	r := Route{p.point(across, leave)}
	r = p.straight(r, across, leave, end.to)
	for _, item := range append(s.passes(from, to), to) {
		next := p.bands[s.layer[item]]
		r = p.curve(r, across, end.to, s.across[item], next.from)
		across, end = s.across[item], next
		if item != to {
			r = p.straight(r, across, end.from, end.to)
		}
	}
	return r
}

func (p *piece) straight(r Route, across, from, to float64) Route {
	if from == to {
		return r
	}
	return p.curve(r, across, from, across, to)
}

// curve leaves and arrives in the direction of the drawing; the control points are
// between the two ends, so the curve is too. A straight one continues a straight one.
func (p *piece) curve(r Route, a, from, b, to float64) Route {
	middle := (from + to) / 2
	if a == b && len(r) >= 4 && p.across(r[len(r)-4]) == p.across(r[len(r)-1]) && p.across(r[len(r)-1]) == p.across(p.point(a, from)) {
		start := r[len(r)-4]
		return append(r[:len(r)-3], start, p.point(b, to), p.point(b, to))
	}
	return append(r, p.point(a, middle), p.point(b, middle), p.point(b, to))
}

func (p *piece) across(pt Point) float64 {
	if p.direction == Right {
		return pt.Y
	}
	return pt.X
}
