package draw

import (
	"bufio"
	"cmp"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Options of an SVG. The zero value draws a file of its own: it is light or dark as
// its reader's system is, and where no style sheet is known, light.
type Options struct {
	// Layout is one that [Arrange] made of the same nodes and edges before; by default
	// it is made anew.
	Layout *Layout

	// Embedded is for a drawing within a page: no ground, no style of its own, and
	// data-id, data-from and data-to for scripts. The page has [Stylesheet] in its own
	// sheet, so that a policy without unsafe-inline lets it in.
	Embedded bool

	// Hidden takes the drawing from assistive technology and its links from the order
	// of the Tab key: for a page that has the same as a list.
	Hidden bool

	// Zoom is the size on the page, compared with that of the layout. Default 1.
	Zoom float64
}

// SVG writes a drawing as one svg element. The errors are those of [Arrange] and w.
func SVG(w io.Writer, g Graph, o Options) error {
	if o.Layout == nil {
		l, err := Arrange(g)
		if err != nil {
			return err
		}
		o.Layout = l
	}
	if len(o.Layout.Boxes) != len(g.Nodes) || len(o.Layout.Routes) != len(g.Edges) {
		return errors.New("this layout is of another graph: it has other numbers of boxes and routes")
	}
	s := &svg{w: bufio.NewWriter(w), g: g, o: o, marks: g.marks()}
	s.open()
	s.edges()
	s.nodes()
	s.print("</svg>\n")
	return s.w.Flush()
}

// svg writes; what goes wrong with the writer comes out at Flush.
type svg struct {
	w     *bufio.Writer
	g     Graph
	o     Options
	marks marks
}

const fonts = `system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif`

func (s *svg) open() {
	zoom := cmp.Or(s.o.Zoom, 1)
	width, height := s.o.Layout.Width, s.o.Layout.Height
	s.print(`<svg xmlns="http://www.w3.org/2000/svg" class="jobgraph"`)
	s.print(` width="`, px(width*zoom), `" height="`, px(height*zoom), `" viewBox="0 0 `, px(width), " ", px(height), `"`)
	switch {
	case s.o.Hidden:
		s.print(` aria-hidden="true"`)
	case slices.ContainsFunc(s.g.Nodes, func(n Node) bool { return n.href() != "" }):
		s.print(` role="group"`) // an image would hide its links
	default:
		s.print(` role="img"`)
	}
	s.print(` direction="ltr" font-family="`, fonts, `" font-size="`, px(labelSize), "\">\n")
	s.print("<title>", escape(s.g.name()), "</title>\n<desc>", escape(s.g.Summary()), "</desc>\n")
	if !s.o.Embedded {
		s.print("<style>", standaloneStyle(), "</style>\n")
		s.print(`<rect class="ground" width="100%" height="100%" fill="`, Light.Backdrop().Ground, "\"/>\n")
	}
}

// edges draws the critical ones last, so that they are above the others.
func (s *svg) edges() {
	colors := Light.Backdrop()
	s.edgesOf(`edges`, colors.Edge, "1.25", func(e Edge) bool { return !s.marks.edge(e) })
	if len(s.marks) > 0 {
		s.edgesOf(`edges critical`, colors.Critical, "2.5", s.marks.edge)
	}
}

// edgesOf draws some edges. The points of their arrows are one path, each once.
func (s *svg) edgesOf(class, color, weight string, are func(Edge) bool) {
	s.print(`<g class="`, class, `" fill="none" stroke="`, color, `" stroke-width="`, weight, "\">\n")
	var heads strings.Builder
	drawn, pointed := map[Edge]bool{}, map[Point]bool{}
	for i, e := range s.g.Edges {
		if !are(e) || drawn[e] {
			continue
		}
		drawn[e] = true
		s.print(`<path`)
		if s.o.Embedded {
			s.print(` data-from="`, escape(e.From), `" data-to="`, escape(e.To), `"`)
		}
		route := s.o.Layout.Routes[i]
		s.print(` d="`, pathData(route), "\"/>\n")
		if tip := route[len(route)-1]; !pointed[tip] {
			pointed[tip] = true
			heads.WriteString(polygonData(ArrowHead(tip, s.g.Direction)))
		}
	}
	if heads.Len() > 0 {
		s.print(`<path class="heads" stroke="none" fill="`, color, `" d="`, heads.String(), "\"/>\n")
	}
	s.print("</g>\n")
}

func (s *svg) nodes() {
	s.print(`<g class="nodes" stroke-linecap="round" stroke-linejoin="round">`, "\n")
	for i, n := range s.g.Nodes {
		s.node(n, s.o.Layout.Boxes[i])
	}
	s.print("</g>\n")
}

func (s *svg) node(n Node, b Box) {
	paint, critical := n.Look.Paint(Light), ""
	if s.marks.node(n.ID) {
		critical = " critical"
	}
	s.print(`<g class="job `, n.Look.String(), critical, `" fill="`, paint.Text, `"`)
	if s.o.Embedded {
		s.print(` data-id="`, escape(n.ID), `"`)
	}
	s.print("><title>", escape(n.title(critical != "")), "</title>")
	href := n.href()
	if href != "" {
		s.print(`<a href="`, escape(href), `"`)
		if s.o.Hidden {
			s.print(` tabindex="-1"`)
		}
		s.print(">")
	}
	if critical != "" {
		s.rect("ring", b.grow(RingDistance), 9, `fill="none" stroke="`+Light.Backdrop().Critical+`" stroke-width="2.5"`)
	}
	s.rect("box", b, 6, paint.attributes())
	s.face(n, b.Face(n), paint)
	if href != "" {
		s.print("</a>")
	}
	s.print("</g>\n")
}

func (s *svg) rect(class string, b Box, radius float64, paint string) {
	s.print(`<rect class="`, class, `" x="`, px(b.X), `" y="`, px(b.Y), `" width="`, px(b.Width), `" height="`, px(b.Height),
		`" rx="`, px(radius), `" `, paint, "/>")
}

func (s *svg) face(n Node, f Face, paint Paint) {
	if icon := n.Look.Icon(f.Icon); icon != nil {
		s.print(`<path fill="none" stroke="`, paint.Text, `" stroke-width="2" d="`)
		for _, line := range icon {
			s.print(lineData(line))
		}
		s.print(`"/>`)
	}
	s.text(f.Label)
	if f.State.Content != "" {
		s.text(f.State)
	}
}

func (s *svg) text(t Text) {
	s.print(`<text x="`, px(t.At.X), `" y="`, px(t.At.Y), `"`)
	if t.Size != labelSize {
		s.print(` font-size="`, px(t.Size), `"`)
	}
	s.print(">", escape(t.Content), "</text>")
}

func (s *svg) print(parts ...string) {
	for _, p := range parts {
		s.w.WriteString(p) //nolint:errcheck // Flush says it
	}
}

func (p Paint) attributes() string {
	a := `fill="` + p.Fill + `" stroke="` + p.Line + `" stroke-width="` + px(p.Weight) + `"`
	if p.Dash != solid {
		a += ` stroke-dasharray="` + px(p.Dash[0]) + " " + px(p.Dash[1]) + `"`
	}
	return a
}

// href is the link of a node where it leads to a page: no script, no data.
func (n Node) href() string {
	u, err := url.Parse(n.Link)
	if err != nil || u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	return n.Link
}

// pathData is a route in absolute coordinates, with short forms for straight lines.
func pathData(r Route) string {
	d := "M" + pair(r[0])
	for i := 1; i < len(r); i += 3 {
		from, a, b, to := r[i-1], r[i], r[i+1], r[i+2]
		switch {
		case from.X == a.X && a.X == b.X && b.X == to.X:
			d += "V" + px(to.Y)
		case from.Y == a.Y && a.Y == b.Y && b.Y == to.Y:
			d += "H" + px(to.X)
		default:
			d += "C" + pair(a) + " " + pair(b) + " " + pair(to)
		}
	}
	return d
}

func polygonData(corners []Point) string { return lineData(corners) + "z" }

func lineData(line []Point) string {
	d := "M" + pair(line[0])
	for _, p := range line[1:] {
		d += "L" + pair(p)
	}
	return d
}

func pair(p Point) string { return px(p.X) + " " + px(p.Y) }

// px is a number with at most two digits behind the point.
func px(x float64) string {
	return strconv.FormatFloat(math.Round(x*100)/100, 'f', -1, 64)
}

// escape makes a text fit for XML; what XML has no character for becomes U+FFFD.
func escape(text string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(text)) //nolint:errcheck // a Builder has none
	return b.String()
}
