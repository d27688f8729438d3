package draw_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/jobgraph/draw"
)

// faults are what is wrong with a layout: what overlaps, sticks out, or goes
// through what it must not.
func faults(g draw.Graph, l *draw.Layout) []string {
	var wrong []string
	if len(l.Boxes) != len(g.Nodes) || len(l.Routes) != len(g.Edges) {
		return []string{"not every node and edge has its place"}
	}
	for i, b := range l.Boxes {
		if b.X < 0 || b.Y < 0 || b.X+b.Width > l.Width || b.Y+b.Height > l.Height {
			wrong = append(wrong, fmt.Sprintf("box %s is outside of the drawing", g.Nodes[i].ID))
		}
	}
	wrong = append(wrong, overlaps(g, l)...)
	for i, e := range g.Edges {
		wrong = append(wrong, routeFaults(g, l, e, l.Routes[i])...)
	}
	return wrong
}

func overlaps(g draw.Graph, l *draw.Layout) []string {
	var wrong []string
	byX := make([]int, len(l.Boxes))
	for i := range byX {
		byX[i] = i
	}
	slices.SortFunc(byX, func(a, b int) int { return cmp.Compare(l.Boxes[a].X, l.Boxes[b].X) })
	for i, a := range byX {
		for _, b := range byX[i+1:] {
			p, q := l.Boxes[a], l.Boxes[b]
			if q.X >= p.X+p.Width+7 { // the ring of a critical node is outside of its box
				break
			}
			if q.Y < p.Y+p.Height+7 && p.Y < q.Y+q.Height+7 {
				wrong = append(wrong, fmt.Sprintf("boxes %s and %s overlap", g.Nodes[a].ID, g.Nodes[b].ID))
			}
		}
	}
	return wrong
}

// routeFaults follows a route in steps of at most two pixels.
func routeFaults(g draw.Graph, l *draw.Layout, e draw.Edge, r draw.Route) []string {
	if len(r) < 4 || (len(r)-1)%3 != 0 {
		return []string{fmt.Sprintf("edge %v has no route", e)}
	}
	place := map[string]draw.Box{}
	for i, n := range g.Nodes {
		place[n.ID] = l.Boxes[i]
	}
	from, to, start, end := place[e.From], place[e.To], r[0], r[len(r)-1]
	leaves := start.Y == from.Y+from.Height && start.X > from.X && start.X < from.X+from.Width
	reaches := end.Y == to.Y && end.X > to.X && end.X < to.X+to.Width
	if g.Direction == draw.Right {
		leaves = start.X == from.X+from.Width && start.Y > from.Y && start.Y < from.Y+from.Height
		reaches = end.X == to.X && end.Y > to.Y && end.Y < to.Y+to.Height
	}
	if !leaves || !reaches {
		return []string{fmt.Sprintf("edge %v does not go from box to box", e)}
	}
	for i := 1; i < len(r); i += 3 {
		for _, b := range crossedBoxes(l, r[i-1:i+3]) {
			return []string{fmt.Sprintf("edge %v goes through box %s", e, g.Nodes[b].ID)}
		}
	}
	return nil
}

// crossedBoxes are those with a point of a curve inside, which is looked for where the
// curve can be at all: in the frame of its four points.
func crossedBoxes(l *draw.Layout, c draw.Route) []int {
	left, right := min(c[0].X, c[1].X, c[2].X, c[3].X), max(c[0].X, c[1].X, c[2].X, c[3].X)
	top, bottom := min(c[0].Y, c[1].Y, c[2].Y, c[3].Y), max(c[0].Y, c[1].Y, c[2].Y, c[3].Y)
	var crossed []int
	for i, b := range l.Boxes {
		if right <= b.X || left >= b.X+b.Width || bottom <= b.Y || top >= b.Y+b.Height {
			continue
		}
		steps := math.Ceil((right-left+bottom-top)/2) + 1
		for k := 0.0; k <= steps; k++ {
			if p := at(c, k/steps); p.X > b.X && p.X < b.X+b.Width && p.Y > b.Y && p.Y < b.Y+b.Height {
				crossed = append(crossed, i)
				break
			}
		}
	}
	return crossed
}

// at is a point of a Bézier curve, by de Casteljau.
func at(c draw.Route, t float64) draw.Point {
	points := slices.Clone(c)
	for n := len(points) - 1; n > 0; n-- {
		for i := range n {
			points[i].X += (points[i+1].X - points[i].X) * t
			points[i].Y += (points[i+1].Y - points[i].Y) * t
		}
	}
	return points[0]
}

func requireSound(t require.TestingT, g draw.Graph) *draw.Layout {
	l, err := draw.Arrange(g)
	require.NoError(t, err)
	if wrong := faults(g, l); len(wrong) > 0 {
		require.Fail(t, "the layout is wrong", "%d faults, such as: %s", len(wrong), wrong[0])
	}
	return l
}

// TestNothingOverlapsInRandomGraphs is of up to 200 nodes, dense and sparse, in parts.
func TestNothingOverlapsInRandomGraphs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { requireSound(t, anyGraph(t)) })
}

func TestNothingOverlapsInGraphsOfEveryForm(t *testing.T) {
	for name, g := range forms() {
		for _, g.Direction = range []draw.Direction{draw.Down, draw.Right} {
			t.Run(fmt.Sprint(name, g.Direction), func(t *testing.T) { requireSound(t, g) })
		}
	}
}
