package draw

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Mermaid writes a graph as a flowchart for Mermaid, which GitHub and GitLab draw
// in Markdown. Nodes are n0, n1 and so on, in the order of the graph. It takes any graph whose
// edges are between its nodes. The errors are those of w, and one for other edges.
func Mermaid(w io.Writer, g Graph) error {
	number, err := g.number()
	if err != nil {
		return err
	}
	b := bufio.NewWriter(w)
	direction := "TB"
	if g.Direction == Right {
		direction = "LR"
	}
	fmt.Fprintf(b, "---\ntitle: %s\n---\nflowchart %s\n", strconv.QuoteToASCII(plainLine(g.name())), direction)
	m := g.marks()
	for i, n := range g.Nodes {
		mermaidNode(b, i, n, m.node(n.ID))
	}
	for _, e := range g.Edges {
		from, known := number[e.From]
		to, knownTo := number[e.To]
		if !known || !knownTo {
			return unknownEnd(e)
		}
		arrow := "-->"
		if m.edge(e) {
			arrow = "==>"
		}
		fmt.Fprintf(b, "  n%d %s n%d\n", from, arrow, to)
	}
	mermaidLooks(b, g.Nodes)
	if len(m) > 0 {
		fmt.Fprintf(b, "  classDef critical stroke:%s,stroke-width:4px\n", Light.Backdrop().Critical)
	}
	return b.Flush()
}

func mermaidNode(w io.Writer, i int, n Node, critical bool) {
	label := mermaidText(n.label())
	if state := n.stateAndTime(", "); state != "" {
		label += "<br/>" + mermaidText(state)
	}
	if label == "" {
		label = " "
	}
	fmt.Fprintf(w, "  n%d[\"%s\"]\n", i, label)
	if n.Look.known() != Plain {
		fmt.Fprintf(w, "  class n%d %s\n", i, n.Look)
	}
	if critical {
		fmt.Fprintf(w, "  class n%d critical\n", i)
	}
}

// mermaidLooks defines the classes that are used.
func mermaidLooks(w io.Writer, nodes []Node) {
	var used [len(lookNames)]bool
	for _, n := range nodes {
		used[n.Look.known()] = true
	}
	for l := Waiting; int(l) < len(used); l++ {
		if !used[l] {
			continue
		}
		p := l.Paint(Light)
		fmt.Fprintf(w, "  classDef %s fill:%s,stroke:%s,color:%s", l, p.Fill, p.Line, p.Text)
		if p.Dash != solid {
			fmt.Fprintf(w, ",stroke-dasharray:%s %s", px(p.Dash[0]), px(p.Dash[1]))
		}
		fmt.Fprintln(w)
	}
}

// mermaidText writes what Mermaid or its Markdown could take for a sign as its number;
// dots, dashes and the like stay within a word.
func mermaidText(text string) string {
	runes := []rune(plainLine(text))
	inWord := func(i int) bool { return i >= 0 && i < len(runes) && (plainMermaid(runes[i]) && runes[i] != ' ') }
	var b strings.Builder
	for i, r := range runes {
		switch {
		case plainMermaid(r), strings.ContainsRune("-._/:,", r) && inWord(i-1) && inWord(i+1):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "#%d;", r)
		}
	}
	return b.String()
}

func plainMermaid(r rune) bool {
	return r == ' ' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= 0x80
}
