package draw_test

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/jobgraph/draw"
)

// hostile are texts that break what does not quote.
var hostile = []string{
	`"`, `\`, `\\`, `a\`, `a\"`, `"]; evil [label="`, "a\nb", "a\r\nb", "\x00", "\xff\xfe", "<b>", "&amp;", "&", `\N`, `\G`, "end", "graph", "%%",
	"`md`", "1. one", "- one", "#35;", "[x]", "a --> b", "]]>", "<!--", "-->", "\u202e", "日本語", "👩‍👩‍👧", "﷽", "", " ", "\t", "'", "\ufffe", "{}|<>",
	"**bold**", "_it_", "click n0 \"javascript:1\"", "---", "n1", "\\x00", "style",
}

func anyText() *rapid.Generator[string] {
	piece := rapid.OneOf(rapid.SampledFrom(hostile), rapid.String())
	return rapid.Map(rapid.SliceOfN(piece, 0, 5), func(pieces []string) string { return strings.Join(pieces, "") })
}

// hostileGraph has such texts everywhere.
func hostileGraph(t *rapid.T) draw.Graph {
	g := draw.Graph{Name: anyText().Draw(t, "name"), Direction: draw.Direction(rapid.IntRange(0, 1).Draw(t, "direction"))}
	ids := rapid.SliceOfNDistinct(anyText().Filter(func(s string) bool { return s != "" }), 1, 8, rapid.ID).Draw(t, "ids")
	for i, id := range ids {
		g.Nodes = append(g.Nodes, draw.Node{
			ID: id, Label: anyText().Draw(t, "label"), State: anyText().Draw(t, "state"), Note: anyText().Draw(t, "note"), Look: draw.Look(i),
		})
		if i > 0 {
			g.Edges = append(g.Edges, draw.Edge{From: ids[i-1], To: id})
		}
	}
	g.Critical = ids[:len(ids)/2]
	return g
}

var (
	dotString = `"(?:[^"\\\n\x00]|\\["\\a-zA-Z])*"`
	dotLine   = regexp.MustCompile(`^(digraph ` + dotString + ` \{|\tnode \[shape=box\];|\trankdir=LR;|\}|` +
		`\t` + dotString + `( -> ` + dotString + `)?( \[[a-z]+=(` + dotString + `|[a-z0-9]+)(,[a-z]+=(` + dotString + `|[a-z0-9]+))*\])?;)$`)
	dotNode     = regexp.MustCompile(`^\t` + dotString + ` \[`)
	mermaidLine = regexp.MustCompile(`^(---|title: "([^"\\]|\\.)*"|flowchart (TB|LR)|  n\d+\["[^"]*"\]|  n\d+ (-->|==>) n\d+|` +
		`  class n\d+ [a-z-]+|  classDef [a-z-]+ [a-z#0-9:,. -]+)$`)
	mermaidLabel = regexp.MustCompile(`^(?:[ 0-9A-Za-z\x{80}-\x{10ffff}]|[0-9A-Za-z\x{80}-\x{10ffff}][-._/:,]|[-._/:,][0-9A-Za-z\x{80}-\x{10ffff}]|#\d+;|<br/>)*$`)
)

// TestAnyTextGivesLinesOfDOT reads what is written by the grammar: one statement on
// each line, whatever is quoted.
func TestAnyTextGivesLinesOfDOT(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := hostileGraph(t)
		var b bytes.Buffer
		require.NoError(t, draw.DOT(&b, g))
		names := map[string]bool{}
		for line := range strings.Lines(b.String()) {
			require.Regexp(t, dotLine, strings.TrimSuffix(line, "\n"))
			if name := dotNode.FindString(line); name != "" {
				names[name] = true
			}
		}
		require.Len(t, names, len(g.Nodes), "nodes with other IDs are other nodes")
	})
}

// TestGraphvizReadsAnyText asks dot itself for the graph that it has read.
func TestGraphvizReadsAnyText(t *testing.T) {
	if _, err := exec.LookPath("dot"); err != nil {
		t.Skip("needs Graphviz: apt-get install graphviz")
	}
	var all bytes.Buffer
	var want []int
	for seed := range 200 {
		g := rapid.Custom(hostileGraph).Example(seed)
		require.NoError(t, draw.DOT(&all, g))
		want = append(want, len(g.Nodes))
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "dot", "-Tplain")
	cmd.Stdin = &all
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	require.NoError(t, err, problems.String())
	require.NotContains(t, problems.String(), "syntax")
	var got []int
	for line := range strings.Lines(string(out)) {
		switch first, _, _ := strings.Cut(line, " "); first {
		case "graph":
			got = append(got, 0)
		case "node":
			got[len(got)-1]++
		}
	}
	require.Equal(t, want, got)
}

func TestAnyTextGivesLinesOfMermaid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b bytes.Buffer
		require.NoError(t, draw.Mermaid(&b, hostileGraph(t)))
		for line := range strings.Lines(b.String()) {
			line = strings.TrimSuffix(line, "\n")
			require.Regexp(t, mermaidLine, line)
			if _, label, isNode := strings.Cut(line, `["`); isNode {
				require.Regexp(t, mermaidLabel, strings.TrimSuffix(label, `"]`))
			}
		}
	})
}

// TestDOTHasTheFourLooksOfDoJobber says what its users look for in a file.
func TestDOTHasTheFourLooksOfDoJobber(t *testing.T) {
	for look, want := range map[draw.Look]string{
		draw.InPlace: "style=filled,color=green", draw.Achieved: "style=filled,color=darkgreen", draw.Failed: "style=filled,color=red",
	} {
		var b bytes.Buffer
		require.NoError(t, draw.DOT(&b, draw.Graph{Nodes: []draw.Node{{ID: "A", Look: look}}}))
		require.Contains(t, b.String(), fmt.Sprintf("\t\"A\" [label=\"A\",%s", want))
	}
	var b bytes.Buffer
	require.NoError(t, draw.DOT(&b, draw.Graph{Nodes: []draw.Node{{ID: "A", Look: draw.Blocked}}}))
	require.NotContains(t, b.String(), "color")
}

// TestDOTShowsEntitiesAsTheyAreWritten: Graphviz would show &lt; as a sign.
func TestDOTShowsEntitiesAsTheyAreWritten(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, draw.DOT(&b, draw.Graph{Nodes: []draw.Node{{ID: "a", Label: "R&D &lt;"}}}))
	require.Contains(t, b.String(), `[label="R&amp;D &amp;lt;"]`)
}
