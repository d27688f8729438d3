// Package graphpng draws a graph of jobs as a PNG: the picture that jobgraph/draw
// draws as an SVG, for those who want pixels, without Graphviz. Package draw itself
// stays with the standard library.
//
// Its font is Go Regular, which has Latin, Greek and Cyrillic letters; other
// characters are drawn as empty frames.
package graphpng

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"

	"github.com/sendoff-dev/sendoff/jobgraph/draw"
)

// Options of a picture. The zero value is light and has two pixels where the SVG has one.
type Options struct {
	Theme  draw.Theme
	Scale  float64      // pixels for one of the layout; default 2, made less where a picture would have over 32 million
	Layout *draw.Layout // one that was made before; by default it is made anew
}

const maxPixels = 32 << 20

// Encode writes a picture. The errors are those of [draw.Arrange] and w.
func Encode(w io.Writer, g draw.Graph, o Options) error {
	l := o.Layout
	if l == nil {
		var err error
		if l, err = draw.Arrange(g); err != nil {
			return err
		}
	}
	if len(l.Boxes) != len(g.Nodes) || len(l.Routes) != len(g.Edges) {
		return fmt.Errorf("this layout is of another graph: it has %d boxes and %d routes", len(l.Boxes), len(l.Routes))
	}
	c, err := newCanvas(l, o)
	if err != nil {
		return err
	}
	paintGraph(c, g, l, o.Theme)
	return png.Encode(w, c.picture)
}

func newCanvas(l *draw.Layout, o Options) (*canvas, error) {
	scale := o.Scale
	if scale <= 0 {
		scale = 2
	}
	scale = min(scale, math.Sqrt(maxPixels/(l.Width*l.Height)))
	size := image.Rect(0, 0, max(1, int(l.Width*scale)), max(1, int(l.Height*scale)))
	c := &canvas{picture: image.NewRGBA(size), scale: scale, faces: map[float64]face{}}
	return c, c.loadFont()
}

// paintGraph paints what is below first, as the SVG does.
func paintGraph(c *canvas, g draw.Graph, l *draw.Layout, theme draw.Theme) {
	colors := theme.Backdrop()
	c.ground(parse(colors.Ground))
	nodes, edges := g.OnCriticalPath()
	for _, critical := range []bool{false, true} {
		ink, weight := parse(colors.Edge), 1.25
		if critical {
			ink, weight = parse(colors.Critical), 2.5
		}
		for i, r := range l.Routes {
			if edges[i] == critical {
				c.stroke(flatten(r), weight, ink)
				c.fill(draw.ArrowHead(r[len(r)-1], g.Direction), ink)
			}
		}
	}
	for i, n := range g.Nodes {
		b := l.Boxes[i]
		if nodes[i] {
			c.stroke(frame(b, draw.RingDistance, 9), 2.5, parse(colors.Critical))
		}
		paintNode(c, n, b, n.Look.Paint(theme))
	}
}

func paintNode(c *canvas, n draw.Node, b draw.Box, p draw.Paint) {
	outline, ink := frame(b, 0, 6), parse(p.Text)
	c.fill(outline, parse(p.Fill))
	for _, line := range dashes(outline, p.Dash) {
		c.stroke(line, p.Weight, parse(p.Line))
	}
	f := b.Face(n)
	for _, line := range n.Look.Icon(f.Icon) {
		c.stroke(line, 2, ink)
	}
	c.write(f.Label, ink)
	c.write(f.State, ink)
}

// parse reads "#rrggbb", which package draw has as constants.
func parse(hex string) color.RGBA {
	c := color.RGBA{A: 255}
	if _, err := fmt.Sscanf(hex, "#%02x%02x%02x", &c.R, &c.G, &c.B); err != nil {
		panic("color " + hex + ": " + err.Error())
	}
	return c
}
