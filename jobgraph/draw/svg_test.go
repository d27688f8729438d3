package draw_test

import (
	"bytes"
	"encoding/xml"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/jobgraph/draw"
)

var update = flag.Bool("update", false, "write testdata anew")

// element is an element of an SVG.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Children []element  `xml:",any"`
}

func (e element) attr(name string) string {
	for _, a := range e.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func (e element) number(name string, otherwise float64) float64 {
	if n, err := strconv.ParseFloat(e.attr(name), 64); err == nil {
		return n
	}
	return otherwise
}

// all are the elements below one that are of a kind.
func (e element) all(are func(element) bool) (found []element) {
	for _, c := range e.Children {
		if are(c) {
			found = append(found, c)
		}
		found = append(found, c.all(are)...)
	}
	return found
}

func tag(name string) func(element) bool {
	return func(e element) bool { return e.XMLName.Local == name }
}

func class(name string) func(element) bool {
	return func(e element) bool {
		for _, c := range strings.Fields(e.attr("class")) {
			if c == name {
				return true
			}
		}
		return false
	}
}

func svgOf(t require.TestingT, g draw.Graph, o draw.Options) (element, string) {
	var b bytes.Buffer
	require.NoError(t, draw.SVG(&b, g, o))
	var root element
	require.NoError(t, xml.Unmarshal(b.Bytes(), &root))
	return root, b.String()
}

// TestAnyTextGivesAnSVGWithAllTextInItsBox is of labels, states, notes, names and links
// of any characters, and of bytes that are none.
func TestAnyTextGivesAnSVGWithAllTextInItsBox(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.StringN(0, 200, -1), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
	rapid.Check(t, func(t *rapid.T) {
		g := draw.Graph{Name: text.Draw(t, "name")}
		for i := range rapid.IntRange(0, 6).Draw(t, "nodes") {
			g.Nodes = append(g.Nodes, draw.Node{
				ID: fmt.Sprint(i) + text.Draw(t, "id"), Label: text.Draw(t, "label"), State: text.Draw(t, "state"), Note: text.Draw(t, "note"),
				Link: text.Draw(t, "link"), Look: draw.Look(rapid.IntRange(-1, 9).Draw(t, "look")),
				Duration: time.Duration(rapid.Int64().Draw(t, "duration")),
			})
			if i > 0 {
				g.Edges = append(g.Edges, draw.Edge{From: g.Nodes[i-1].ID, To: g.Nodes[i].ID})
			}
		}
		root, _ := svgOf(t, g, draw.Options{Embedded: rapid.Bool().Draw(t, "embedded"), Hidden: rapid.Bool().Draw(t, "hidden")})
		jobs := root.all(class("job"))
		require.Len(t, jobs, len(g.Nodes))
		for _, job := range jobs {
			requireTextInBox(t, job)
		}
	})
}

func requireTextInBox(t require.TestingT, job element) {
	box := job.all(class("box"))
	require.Len(t, box, 1)
	left, top := box[0].number("x", math.NaN()), box[0].number("y", math.NaN())
	right, bottom := left+box[0].number("width", math.NaN()), top+box[0].number("height", math.NaN())
	texts := job.all(tag("text"))
	require.NotEmpty(t, texts)
	for _, text := range texts {
		x, y, size := text.number("x", math.NaN()), text.number("y", math.NaN()), text.number("font-size", 13)
		require.True(t, x >= left+6 && x+draw.TextWidth(text.Text, size) <= right-6, "%q is wider than its box", text.Text)
		require.True(t, y-size >= top && y+size/4 <= bottom, "%q is higher than its box", text.Text)
	}
}

func TestALongLabelIsShortenedInTheMiddleAndWholeInTheTitle(t *testing.T) {
	long := "deploy/eu-west-1/customers-of-the-north/orders/production-7"
	root, _ := svgOf(t, draw.Graph{Nodes: []draw.Node{{ID: long, State: "failed", Note: "port 80 closed"}}}, draw.Options{})
	shown := root.all(tag("text"))[0].Text
	require.Regexp(t, regexp.MustCompile(`^deploy/eu-west-1/.*….*duction-7$`), shown)
	require.Equal(t, long+"\nfailed\nport 80 closed", root.all(class("job"))[0].all(tag("title"))[0].Text)
}

// TestADrawingIsGoodForThoseWhoDoNotSeeIt says that it has a name, a description, and
// that links are reached, except where the page says the same in another way.
func TestADrawingIsGoodForThoseWhoDoNotSeeIt(t *testing.T) {
	g := movieNight()
	root, _ := svgOf(t, g, draw.Options{})
	require.Equal(t, "img", root.attr("role"))
	require.Equal(t, "Movie night", root.Children[0].Text)
	require.Equal(t, "11 jobs: 1 blocked, 3 in place, 3 achieved, 1 failed, 1 running, 1 skipped, 1 waiting. "+
		"Critical path: Watch movie, Popcorn, Fetch popcorn.", root.Children[1].Text)

	g.Nodes[0].Link = "/tasks/1?a=1&b=2"
	root, _ = svgOf(t, g, draw.Options{})
	require.Equal(t, "group", root.attr("role"), "what is inside an image is not there for a screen reader")
	require.Equal(t, "/tasks/1?a=1&b=2", root.all(tag("a"))[0].attr("href"))
	require.Empty(t, root.all(tag("a"))[0].attr("tabindex"))

	root, _ = svgOf(t, g, draw.Options{Hidden: true})
	require.Equal(t, "true", root.attr("aria-hidden"))
	require.Equal(t, "-1", root.all(tag("a"))[0].attr("tabindex"), "nothing hidden is reached by the Tab key")
}

// TestAnEmbeddedDrawingKeepsAStrictPolicy has nothing that style-src 'self' and
// script-src 'self' refuse.
func TestAnEmbeddedDrawingKeepsAStrictPolicy(t *testing.T) {
	g := movieNight()
	g.Nodes[0].Link, g.Nodes[1].Link = "javascript:alert(1)", "data:text/html,x"
	root, text := svgOf(t, g, draw.Options{Embedded: true})
	require.Empty(t, root.all(tag("style")))
	require.Empty(t, root.all(tag("a")))
	require.Empty(t, root.all(func(e element) bool { return e.attr("style") != "" }))
	require.NotContains(t, text, "javascript:")
	require.Equal(t, "Watch movie", root.all(class("job"))[0].attr("data-id"))
	for _, l := range []draw.Look{draw.Plain, draw.Skipped} {
		require.Contains(t, draw.Stylesheet(), "."+l.String()+" .box{fill:light-dark(")
	}
}

// TestAStateIsSeenWithoutColors says that every look has an icon or outline of its own.
func TestAStateIsSeenWithoutColors(t *testing.T) {
	seen := map[string]draw.Look{}
	for l := draw.Plain; l <= draw.Skipped; l++ {
		form := fmt.Sprint(l.Icon(draw.Point{}))
		require.NotContains(t, seen, form, "%s has the icon of %s", l, seen[form])
		seen[form] = l
	}
}

// TestColorsHaveContrast is WCAG 2.2: 1.4.3 for text, 1.4.11 for outlines and lines.
func TestColorsHaveContrast(t *testing.T) {
	for _, theme := range []draw.Theme{draw.Light, draw.Dark} {
		b := theme.Backdrop()
		require.GreaterOrEqual(t, contrast(b.Edge, b.Ground), 3.0)
		require.GreaterOrEqual(t, contrast(b.Critical, b.Ground), 3.0)
		for l := draw.Plain; l <= draw.Skipped; l++ {
			p := l.Paint(theme)
			require.GreaterOrEqual(t, contrast(p.Text, p.Fill), 4.5, "text of %s, theme %d", l, theme)
			require.GreaterOrEqual(t, contrast(p.Line, b.Ground), 3.0, "outline of %s, theme %d", l, theme)
		}
	}
}

func contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(color string) float64 {
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, _ := strconv.ParseUint(color[1+2*i:3+2*i], 16, 8)
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

// TestGolden holds all bytes of small drawings. Look at what changed before -update.
func TestGolden(t *testing.T) {
	diamond := graph(4, diamonds(1)...)
	diamond.Edges = append(diamond.Edges, draw.Edge{From: id(1), To: id(3)}, draw.Edge{From: id(2), To: id(3)}, draw.Edge{From: id(0), To: id(3)})
	diamond.Direction, diamond.Nodes[2].Label = draw.Right, `a "quoted" <label> & more`
	for name, g := range map[string]draw.Graph{"movienight": movieNight(), "diamond": diamond} {
		var svg, dot, mermaid bytes.Buffer
		require.NoError(t, draw.SVG(&svg, g, draw.Options{}))
		require.NoError(t, draw.DOT(&dot, g))
		require.NoError(t, draw.Mermaid(&mermaid, g))
		for ext, text := range map[string]string{".svg": svg.String(), ".dot": dot.String(), ".mmd": mermaid.String()} {
			path := filepath.Join("testdata", name+ext)
			if *update {
				require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(want), text, path)
		}
	}
}

// TestALayoutServesAsLongAsOnlyStatesChange and is refused for another graph.
func TestALayoutServesAsLongAsOnlyStatesChange(t *testing.T) {
	g := movieNight()
	l, err := draw.Arrange(g)
	require.NoError(t, err)
	for i := range g.Nodes {
		g.Nodes[i].State, g.Nodes[i].Look, g.Nodes[i].Duration = "achieved", draw.Achieved, time.Hour
	}
	_, again := svgOf(t, g, draw.Options{Layout: l})
	_, fresh := svgOf(t, g, draw.Options{})
	require.Equal(t, fresh, again)
	require.ErrorContains(t, draw.SVG(&bytes.Buffer{}, graph(2), draw.Options{Layout: l}), "of another graph")
}
