package draw

import (
	"math"
	"slices"
)

// Layout is where everything of a graph is, in pixels from the upper left corner. It
// depends on the IDs, labels and edges and the direction, and on nothing else.
type Layout struct {
	Width, Height float64
	Boxes         []Box   // Boxes[i] is of Nodes[i]
	Routes        []Route // Routes[i] is of Edges[i]
}

// Box is the frame of a node.
type Box struct {
	X, Y, Width, Height float64
	Label               string // as it fits into the box
}

// Point is a place in a drawing.
type Point struct{ X, Y float64 }

// Route is the line of an edge: a start and then cubic Bézier curves, each by its
// two control points and its end.
type Route []Point

// Sizes of a drawing, in pixels.
const (
	margin    = 16.0
	boxHeight = 44.0
	narrowest = 144.0 // room for an icon and such as "achieved · 12.3 s"
	textLeft  = 34.0  // from the left side of a box, behind the icon
	textRight = 12.0
	widest    = 224.0 // of a label
	labelSize = 13.0
	stateSize = 11.0
	parted    = 36.0 // between parts that do not hang together
)

// Arrange lays a graph out. The errors are [ErrTooLarge], a *[CycleError], and those
// that name an ID which is missing, empty or there twice.
func Arrange(g Graph) (*Layout, error) {
	d, err := g.check()
	if err != nil {
		return nil, err
	}
	l := &Layout{Boxes: make([]Box, len(g.Nodes)), Routes: make([]Route, len(g.Edges))}
	for i, n := range g.Nodes {
		label := fit(n.label(), labelSize, widest)
		width := max(narrowest, textLeft+2*math.Ceil(TextWidth(label, labelSize)/2)+textRight) // even: half of it is whole
		l.Boxes[i] = Box{Width: width, Height: boxHeight, Label: label}
	}
	routes := map[way]Route{}
	pieces, room, renumber := []*piece(nil), maxBends, make([]int, len(g.Nodes))
	for _, members := range d.parts() {
		p := &piece{members: members, direction: g.Direction}
		if err := p.arrange(d.only(members, renumber), l.Boxes, &room); err != nil {
			return nil, err
		}
		pieces = append(pieces, p)
	}
	l.shelve(pieces)
	for _, p := range pieces {
		p.put(l.Boxes, routes)
	}
	for i, e := range g.Edges {
		l.Routes[i] = routes[way{d.number[e.From], d.number[e.To]}]
	}
	return l, nil
}

// shelve sets the pieces side by side, the high ones first, in shelves of about
// the width that makes a drawing some wider than high.
func (l *Layout) shelve(pieces []*piece) {
	slices.SortStableFunc(pieces, func(a, b *piece) int { return int(b.height - a.height) })
	area, shelf := 0.0, 0.0
	for _, p := range pieces {
		area += (p.width + parted) * (p.height + parted)
		shelf = max(shelf, p.width)
	}
	shelf = max(shelf, math.Sqrt(1.6*area))
	at, high := Point{margin, margin}, 0.0
	for _, p := range pieces {
		if at.X > margin && at.X+p.width > margin+shelf {
			at, high = Point{margin, at.Y + high + parted}, 0
		}
		p.corner = at
		l.Width, l.Height = max(l.Width, at.X+p.width+margin), max(l.Height, at.Y+p.height+margin)
		high = max(high, p.height)
		at.X += p.width + parted
	}
	l.Width, l.Height = max(l.Width, 2*margin), max(l.Height, 2*margin)
}
