package graphpng

import (
	"image"
	"image/color"
	stddraw "image/draw"
	"math"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"

	"github.com/sendoff-dev/sendoff/jobgraph/draw"
)

// canvas paints in the coordinates of a layout.
type canvas struct {
	picture *image.RGBA
	scale   float64
	raster  vector.Rasterizer
	regular *opentype.Font
	faces   map[float64]face // by size
}

type face = font.Face

func (c *canvas) loadFont() (err error) {
	c.regular, err = opentype.Parse(goregular.TTF)
	return err
}

func (c *canvas) ground(ink color.Color) {
	stddraw.Draw(c.picture, c.picture.Bounds(), image.NewUniform(ink), image.Point{}, stddraw.Src)
}

// fill paints the inside of a polygon.
func (c *canvas) fill(polygon []draw.Point, ink color.Color) {
	c.paint(c.scaled(polygon), 0, ink, addPolygon)
}

// stroke paints a line of some weight, with round ends and joints. A line too thin to be
// seen is drawn as thin as can be. It is painted piece by piece, since what is rasterized is
// the whole rectangle around a piece.
func (c *canvas) stroke(line []draw.Point, weight float64, ink color.Color) {
	const piece = 12
	half := max(weight*c.scale, 0.5) / 2
	line = c.scaled(line)
	for from := 0; from == 0 || from < len(line)-1; from += piece {
		c.paint(line[from:min(from+piece+1, len(line))], half, ink, func(r *vector.Rasterizer, line []draw.Point) {
			for i, p := range line {
				addDisc(r, p, half)
				if i > 0 {
					addBar(r, line[i-1], p, half)
				}
			}
		})
	}
}

func (c *canvas) scaled(line []draw.Point) []draw.Point {
	scaled := make([]draw.Point, len(line))
	for i, p := range line {
		scaled[i] = draw.Point{X: p.X * c.scale, Y: p.Y * c.scale}
	}
	return scaled
}

// paint gives add a rasterizer that is as large as the line and what is beside it.
func (c *canvas) paint(line []draw.Point, beside float64, ink color.Color, add func(*vector.Rasterizer, []draw.Point)) {
	low, high := line[0], line[0]
	for _, p := range line {
		low, high = draw.Point{X: min(low.X, p.X), Y: min(low.Y, p.Y)}, draw.Point{X: max(high.X, p.X), Y: max(high.Y, p.Y)}
	}
	at := image.Pt(int(math.Floor(low.X-beside)), int(math.Floor(low.Y-beside)))
	area := image.Rectangle{Min: at, Max: image.Pt(int(math.Ceil(high.X+beside))+1, int(math.Ceil(high.Y+beside))+1)}
	moved := make([]draw.Point, len(line))
	for i, p := range line {
		moved[i] = draw.Point{X: p.X - float64(at.X), Y: p.Y - float64(at.Y)}
	}
	c.raster.Reset(area.Dx(), area.Dy())
	add(&c.raster, moved)
	c.raster.Draw(c.picture, area, image.NewUniform(ink), image.Point{})
}

func addPolygon(r *vector.Rasterizer, polygon []draw.Point) {
	r.MoveTo(float32(polygon[0].X), float32(polygon[0].Y))
	for _, p := range polygon[1:] {
		r.LineTo(float32(p.X), float32(p.Y))
	}
	r.ClosePath()
}

// addDisc and addBar turn the same way round, so that where they overlap they add up
// and do not cancel each other.
func addDisc(r *vector.Rasterizer, at draw.Point, radius float64) {
	const corners = 12
	var disc [corners]draw.Point
	for i := range disc {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / corners)
		disc[i] = draw.Point{X: at.X + radius*cos, Y: at.Y + radius*sin}
	}
	addPolygon(r, disc[:])
}

func addBar(r *vector.Rasterizer, a, b draw.Point, half float64) {
	length := math.Hypot(b.X-a.X, b.Y-a.Y)
	if length == 0 {
		return
	}
	x, y := (b.Y-a.Y)/length*half, (a.X-b.X)/length*half
	addPolygon(r, []draw.Point{{X: a.X + x, Y: a.Y + y}, {X: b.X + x, Y: b.Y + y}, {X: b.X - x, Y: b.Y - y}, {X: a.X - x, Y: a.Y - y}})
}

func (c *canvas) write(t draw.Text, ink color.Color) {
	d := font.Drawer{
		Dst: c.picture, Src: image.NewUniform(ink), Face: c.face(t.Size),
		Dot: fixed.Point26_6{X: fixed.Int26_6(t.At.X * c.scale * 64), Y: fixed.Int26_6(t.At.Y * c.scale * 64)},
	}
	d.DrawString(t.Content)
}

// face is the font in a size; below a pixel there is nothing to read.
func (c *canvas) face(size float64) face {
	f, made := c.faces[size]
	if !made {
		f, _ = opentype.NewFace(c.regular, &opentype.FaceOptions{Size: max(1, size*c.scale), DPI: 72}) // its only error is a size below zero
		c.faces[size] = f
	}
	return f
}
