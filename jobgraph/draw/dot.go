package draw

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// dotColors are DoJobber's: white, that is no colour, for what was not attempted.
var dotColors = [len(lookNames)]string{InPlace: "green", Achieved: "darkgreen", Failed: "red", Running: "lightblue"}

// DOT writes a graph for Graphviz: nodes by their IDs, labels with the state below, an
// edge from a node to what it stands on. It takes any graph, even one that no layout is
// made of. The errors are those of w.
func DOT(w io.Writer, g Graph) error {
	b := bufio.NewWriter(w)
	m := g.marks()
	fmt.Fprintf(b, "digraph %s {\n\tnode [shape=box];\n", dotQuote(g.name()))
	if g.Direction == Right {
		fmt.Fprint(b, "\trankdir=LR;\n")
	}
	for _, n := range g.Nodes {
		fmt.Fprintf(b, "\t%s [%s];\n", dotQuote(n.ID), dotAttributes(n, m.node(n.ID)))
	}
	for _, e := range g.Edges {
		bold := ""
		if m.edge(e) {
			bold = " [style=bold]"
		}
		fmt.Fprintf(b, "\t%s -> %s%s;\n", dotQuote(e.From), dotQuote(e.To), bold)
	}
	fmt.Fprint(b, "}\n")
	return b.Flush()
}

func dotAttributes(n Node, critical bool) string {
	label := dotText(n.label())
	if state := n.stateAndTime(", "); state != "" {
		label += `\n` + dotText(state)
	}
	attributes := `label="` + label + `"`
	if color := dotColors[n.Look.known()]; color != "" {
		attributes += ",style=filled,color=" + color
	}
	switch n.Look.known() {
	case Achieved, Failed:
		attributes += ",fontcolor=white"
	case Blocked:
		attributes += ",style=dashed"
	case Skipped:
		attributes += ",style=dotted"
	}
	if critical {
		attributes += ",penwidth=3"
	}
	if n.Note != "" {
		attributes += `,tooltip="` + dotText(n.Note) + `"`
	}
	return attributes
}

// dotQuote is a quoted string that differs for texts that differ.
func dotQuote(text string) string { return `"` + dotEscape(text) + `"` }

// dotText is for attributes, in which Graphviz also reads entities as HTML has.
func dotText(text string) string {
	return dotEscape(strings.ReplaceAll(plainLine(text), "&", "&amp;"))
}

// dotEscape leaves a text without what Graphviz takes for an end or for no text
// at all. A backslash that stands for itself is there twice.
func dotEscape(text string) string {
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)):
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case r < ' ' || r == 0x7f || !inXML(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// inXML says that XML 1.0 has this character.
func inXML(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r <= 0xd7ff || r >= 0xe000 && r <= 0xfffd || r >= 0x10000 && r <= 0x10ffff
}
