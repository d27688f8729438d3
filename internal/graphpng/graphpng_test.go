package graphpng_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/graphpng"
	"github.com/sendoff-dev/sendoff/jobgraph/draw"
)

// looks has a node of each look, each standing on the next, and one over all.
func looks() draw.Graph {
	g := draw.Graph{Nodes: []draw.Node{{ID: "goal"}}}
	for l := draw.Plain; l <= draw.Skipped; l++ {
		from := g.Nodes[len(g.Nodes)-1].ID
		g.Nodes = append(g.Nodes, draw.Node{ID: l.String(), State: l.String(), Look: l, Duration: time.Second})
		g.Edges = append(g.Edges, draw.Edge{From: from, To: l.String()})
	}
	g.Edges = append(g.Edges, draw.Edge{From: "goal", To: "skipped"})
	g.Critical = []string{"goal", "plain"}
	return g
}

func picture(t testing.TB, g draw.Graph, o graphpng.Options) image.Image {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, graphpng.Encode(&b, g, o))
	p, err := png.Decode(&b)
	require.NoError(t, err)
	return p
}

// TestThePictureHasTheColorsOfTheDrawingInItsPlaces looks at single pixels: ground, boxes,
// edges, the ring of what is critical.
func TestThePictureHasTheColorsOfTheDrawingInItsPlaces(t *testing.T) {
	g := looks()
	l, err := draw.Arrange(g)
	require.NoError(t, err)
	for _, theme := range []draw.Theme{draw.Light, draw.Dark} {
		const scale = 3
		p := picture(t, g, graphpng.Options{Theme: theme, Scale: scale, Layout: l})
		require.Equal(t, image.Rect(0, 0, int(l.Width*scale), int(l.Height*scale)), p.Bounds())
		at := func(x, y float64) string {
			c := color.RGBAModel.Convert(p.At(int(x*scale), int(y*scale))).(color.RGBA)
			return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B)
		}
		colors := theme.Backdrop()
		require.Equal(t, colors.Ground, at(1, 1))
		for i, n := range g.Nodes {
			b, paint := l.Boxes[i], n.Look.Paint(theme)
			require.Equal(t, paint.Fill, at(b.X+b.Width-5, b.Y+b.Height/2), "inside of %s", n.ID)
			require.True(t, slices.ContainsFunc([]float64{8, 9, 10, 11, 12, 13, 14}, func(x float64) bool { // one is in a dash
				return at(b.X+x, b.Y) == paint.Line
			}), "outline of %s", n.ID)
		}
		plain := l.Routes[0]
		require.Equal(t, colors.Critical, at(plain[3].X, plain[3].Y-6), "the arrow of goal -> plain")
		require.Equal(t, colors.Critical, at(l.Boxes[0].X+9, l.Boxes[0].Y-draw.RingDistance))
		waiting := l.Routes[1]
		require.Equal(t, colors.Edge, at(waiting[3].X, waiting[3].Y-3), "the arrow of plain -> waiting")
	}
}

// TestTextIsWrittenInsideOfItsBox compares with the picture without text: what differs
// is in boxes, and is in all of them.
func TestTextIsWrittenInsideOfItsBox(t *testing.T) {
	g := looks()
	l, err := draw.Arrange(g)
	require.NoError(t, err)
	bare := looks()
	mute := *l
	mute.Boxes = append([]draw.Box(nil), l.Boxes...)
	for i := range bare.Nodes {
		bare.Nodes[i].State, bare.Nodes[i].Duration, mute.Boxes[i].Label = "", 0, ""
	}
	with, without := picture(t, g, graphpng.Options{Layout: l}), picture(t, bare, graphpng.Options{Layout: &mute})
	ink := make([]int, len(l.Boxes))
	for y := range with.Bounds().Dy() {
		for x := range with.Bounds().Dx() {
			if with.At(x, y) == without.At(x, y) {
				continue
			}
			box := boxAt(l, float64(x)/2, float64(y)/2)
			require.GreaterOrEqual(t, box, 0, "ink outside of all boxes, at %d, %d", x, y)
			ink[box]++
		}
	}
	for i, n := range ink {
		require.Greater(t, n, 50, "text of %s", g.Nodes[i].ID)
	}
}

// boxAt is the box that has a place 4 pixels or more inside of it, or -1.
func boxAt(l *draw.Layout, x, y float64) int {
	for i, b := range l.Boxes {
		if x >= b.X+4 && x <= b.X+b.Width-4 && y >= b.Y+4 && y <= b.Y+b.Height-4 {
			return i
		}
	}
	return -1
}

// TestALargePictureIsMadeSmaller and no picture takes more memory than told.
func TestALargePictureIsMadeSmaller(t *testing.T) {
	g := draw.Graph{}
	for i := range 20_000 {
		g.Nodes = append(g.Nodes, draw.Node{ID: fmt.Sprint(i)})
	}
	size := picture(t, g, graphpng.Options{Scale: 100}).Bounds()
	require.LessOrEqual(t, size.Dx()*size.Dy(), 32<<20)
	require.Greater(t, size.Dx()*size.Dy(), 30<<20)
}

func TestWhatCannotBeDrawnIsRefused(t *testing.T) {
	g := looks()
	l, err := draw.Arrange(g)
	require.NoError(t, err)
	require.ErrorContains(t, graphpng.Encode(io.Discard, draw.Graph{}, graphpng.Options{Layout: l}), "of another graph")
	g.Edges = append(g.Edges, draw.Edge{From: "skipped", To: "goal"})
	var circle *draw.CycleError
	require.ErrorAs(t, graphpng.Encode(io.Discard, g, graphpng.Options{}), &circle)
	require.Equal(t, image.Rect(0, 0, 64, 64), picture(t, draw.Graph{}, graphpng.Options{}).Bounds())
}
