package draw

// Theme is for a light or a dark ground.
type Theme int

// The themes. Others are taken for Light.
const (
	Light Theme = iota
	Dark
)

// Paint is how a box is drawn. Colours are "#rrggbb".
type Paint struct {
	Fill, Line, Text string
	Weight           float64    // of the outline, in pixels
	Dash             [2]float64 // of the outline, drawn and not drawn; zero is solid
}

var solid = [2]float64{}

// paints are made so that text has a contrast of at least 4.5 to 1 with its box,
// and outlines 3 to 1 with the ground (WCAG 2.2, 1.4.3 and 1.4.11).
var paints = [2][len(lookNames)]Paint{
	Light: {
		Plain:    {"#ffffff", "#818b98", "#1f2328", 1.25, solid},
		Waiting:  {"#f3f5f7", "#818b98", "#4d5660", 1.25, solid},
		Running:  {"#ddf4ff", "#0969da", "#0a3069", 2, solid},
		InPlace:  {"#dafbe1", "#1a7f37", "#0b4a1c", 1.25, solid},
		Achieved: {"#1a7f37", "#0f5323", "#ffffff", 1.25, solid},
		Failed:   {"#cf222e", "#82071e", "#ffffff", 2, solid},
		Blocked:  {"#ffffff", "#59636e", "#1f2328", 1.5, [2]float64{6, 3}},
		Skipped:  {"#ffffff", "#818b98", "#59636e", 1.5, [2]float64{1.5, 3}},
	},
	Dark: {
		Plain:    {"#161b22", "#7d8590", "#e6edf3", 1.25, solid},
		Waiting:  {"#161b22", "#6e7681", "#a5afba", 1.25, solid},
		Running:  {"#0c2d6b", "#58a6ff", "#cae8ff", 2, solid},
		InPlace:  {"#0d2b17", "#3fb950", "#aff5b4", 1.25, solid},
		Achieved: {"#1a7f37", "#56d364", "#ffffff", 1.25, solid},
		Failed:   {"#b62324", "#ff7b72", "#ffffff", 2, solid},
		Blocked:  {"#0d1117", "#9198a1", "#e6edf3", 1.5, [2]float64{6, 3}},
		Skipped:  {"#0d1117", "#7d8590", "#a5afba", 1.5, [2]float64{1.5, 3}},
	},
}

// Backdrop are the colours of what is no box.
type Backdrop struct {
	Ground, Edge, Critical string
}

var backdrops = [2]Backdrop{
	Light: {"#ffffff", "#818b98", "#8250df"},
	Dark:  {"#0d1117", "#7d8590", "#d2a8ff"},
}

// Paint is how a look is drawn in a theme.
func (l Look) Paint(t Theme) Paint { return paints[t.known()][l.known()] }

// Backdrop are the colours of a theme.
func (t Theme) Backdrop() Backdrop { return backdrops[t.known()] }

func (t Theme) known() Theme {
	if t != Dark {
		return Light
	}
	return Dark
}

// icons are lines in a square of 14 by 14, drawn with round ends.
var icons = [len(lookNames)][][]Point{
	Waiting:  {{{3, 7}, {3, 7}}, {{7, 7}, {7, 7}}, {{11, 7}, {11, 7}}},
	Running:  {{{4, 2}, {12, 7}, {4, 12}, {4, 2}}},
	InPlace:  {{{1.5, 7.5}, {5.5, 11.5}, {12.5, 3}}},
	Achieved: {{{0, 7.5}, {3.5, 11.5}, {9, 3}}, {{6.5, 10.5}, {7.5, 11.5}, {14, 3}}},
	Failed:   {{{2.5, 2.5}, {11.5, 11.5}}, {{11.5, 2.5}, {2.5, 11.5}}},
	Blocked:  {{{2, 7}, {12, 7}}},
	Skipped:  {{{2, 3}, {6, 7}, {2, 11}}, {{8, 3}, {12, 7}, {8, 11}}},
}

// Icon is the sign of a look as lines of 2 pixels with round ends, in a square of 14
// by 14 pixels whose upper left corner is at a place. [Plain] has none.
func (l Look) Icon(at Point) [][]Point {
	var lines [][]Point
	for _, line := range icons[l.known()] {
		var moved []Point
		for _, p := range line {
			moved = append(moved, Point{at.X + p.X, at.Y + p.Y})
		}
		lines = append(lines, moved)
	}
	return lines
}

// RingDistance is how far outside of its box the ring of a critical node is, in pixels.
const RingDistance = 3.5

// ArrowHead is the triangle at the end of a route.
func ArrowHead(tip Point, d Direction) []Point {
	const long, half = 8, 4
	if d == Right {
		return []Point{{tip.X - long, tip.Y - half}, tip, {tip.X - long, tip.Y + half}}
	}
	return []Point{{tip.X - half, tip.Y - long}, tip, {tip.X + half, tip.Y - long}}
}

func (b Box) grow(by float64) Box {
	return Box{X: b.X - by, Y: b.Y - by, Width: b.Width + 2*by, Height: b.Height + 2*by}
}
