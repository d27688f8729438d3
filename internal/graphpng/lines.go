package graphpng

import (
	"math"

	"github.com/sendoff-dev/sendoff/jobgraph/draw"
)

// flatten makes a route a line of short straight pieces.
func flatten(r draw.Route) []draw.Point {
	line := []draw.Point{r[0]}
	for i := 1; i < len(r); i += 3 {
		from, a, b, to := r[i-1], r[i], r[i+1], r[i+2]
		steps := 1.0
		if from.X != to.X && from.Y != to.Y {
			steps = math.Ceil(math.Hypot(to.X-from.X, to.Y-from.Y)/4) + 8
		}
		for k := 1.0; k <= steps; k++ {
			line = append(line, bezier(from, a, b, to, k/steps))
		}
	}
	return line
}

func bezier(from, a, b, to draw.Point, t float64) draw.Point {
	u := 1 - t
	f, g, h, i := u*u*u, 3*u*u*t, 3*u*t*t, t*t*t
	return draw.Point{X: f*from.X + g*a.X + h*b.X + i*to.X, Y: f*from.Y + g*a.Y + h*b.Y + i*to.Y}
}

// frame is the outline of a box, so much larger on all sides, with round corners. Its
// last point is its first.
func frame(b draw.Box, larger, radius float64) []draw.Point {
	left, top, right, bottom := b.X-larger, b.Y-larger, b.X+b.Width+larger, b.Y+b.Height+larger
	corners := []draw.Point{
		{X: right - radius, Y: top + radius},
		{X: right - radius, Y: bottom - radius},
		{X: left + radius, Y: bottom - radius},
		{X: left + radius, Y: top + radius},
	}
	var line []draw.Point
	for quarter, center := range corners {
		for k := range 9 {
			sin, cos := math.Sincos((float64(quarter) - 1 + float64(k)/8) * math.Pi / 2)
			line = append(line, draw.Point{X: center.X + radius*cos, Y: center.Y + radius*sin})
		}
	}
	return append(line, line[0])
}

// dashes cuts a line into what is drawn of it.
func dashes(line []draw.Point, dash [2]float64) [][]draw.Point {
	if dash[0] <= 0 {
		return [][]draw.Point{line}
	}
	drawn, left := true, dash[0]
	lines, at := [][]draw.Point{{line[0]}}, line[0]
	for _, to := range line[1:] {
		for length := math.Hypot(to.X-at.X, to.Y-at.Y); length > left; length = math.Hypot(to.X-at.X, to.Y-at.Y) {
			at = draw.Point{X: at.X + (to.X-at.X)*left/length, Y: at.Y + (to.Y-at.Y)*left/length}
			if drawn {
				last := len(lines) - 1
				lines[last] = append(lines[last], at)
				left = dash[1]
			} else {
				lines = append(lines, []draw.Point{at})
				left = dash[0]
			}
			drawn = !drawn
		}
		left -= math.Hypot(to.X-at.X, to.Y-at.Y)
		if at = to; drawn {
			last := len(lines) - 1
			lines[last] = append(lines[last], at)
		}
	}
	return lines
}
