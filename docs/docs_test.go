// Package docs_test keeps the documentation true: the API reference is made from
// the OpenAPI document, the diagram of states is compared with the table of
// transitions, Go code in a page is code that is compiled here, and links lead
// somewhere.
//
//	go test ./docs            # is everything up to date?
//	go test ./docs -update    # write docs/api-reference.md anew
package docs_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/task"
)

var update = flag.Bool("update", false, "write the generated pages")

// pages are the README and all pages of docs/, by path.
func pages(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("*.md")
	require.NoError(t, err)
	out := map[string]string{}
	for _, name := range append(names, "../README.md") {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		out[name] = string(text)
	}
	return out
}

func TestTheAPIReferenceIsMadeFromTheOpenAPIDocument(t *testing.T) {
	want := apiReference(t)
	if *update {
		require.NoError(t, os.WriteFile("api-reference.md", []byte(want), 0o644))
	}
	got, err := os.ReadFile("api-reference.md")
	require.NoError(t, err)
	require.Equal(t, want, string(got), "docs/api-reference.md is stale: go test ./docs -update")
}

var arrow = regexp.MustCompile(`(?m)^\s*(\S+) --> ([^\s:]+)`)

func TestTheDiagramOfStatesIsTheTableOfTransitions(t *testing.T) {
	text, err := os.ReadFile("states.md")
	require.NoError(t, err)
	var want []string
	for _, from := range task.States {
		for _, to := range task.States {
			if from.CanBecome(to) {
				want = append(want, from.String()+" --> "+to.String())
			}
		}
	}
	var got []string
	for _, block := range blocks(string(text), "mermaid") {
		for _, m := range arrow.FindAllStringSubmatch(block, -1) {
			if m[1] != "[*]" && m[2] != "[*]" {
				got = append(got, m[1]+" --> "+m[2])
			}
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	require.Equal(t, want, got)
}

func TestEveryReasonIsExplained(t *testing.T) {
	text, err := os.ReadFile("states.md")
	require.NoError(t, err)
	for r := task.Delayed; r <= task.Acknowledging; r++ {
		require.Contains(t, string(text), "| `"+r.String()+"` |")
	}
}

// blocks returns the fenced blocks of a language.
func blocks(text, language string) (out []string) {
	for _, part := range strings.Split("\n"+text, "\n```"+language+"\n")[1:] {
		block, _, _ := strings.Cut(part, "\n```")
		out = append(out, block)
	}
	return out
}

// TestGoCodeInThePagesIsCompiled finds each Go block of a page, line by line and
// without regard to indentation, in the examples beside it and in the program of
// the tutorial.
func TestGoCodeInThePagesIsCompiled(t *testing.T) {
	names, err := filepath.Glob("*example*_test.go")
	require.NoError(t, err)
	names = append(names, "../examples/orders/main.go", "../examples/orders/main_test.go", "../examples/nats/main.go")
	var source strings.Builder
	for _, name := range names {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		source.WriteString(flat(string(text)))
	}
	for name, text := range pages(t) {
		for _, block := range blocks(text, "go") {
			require.Contains(t, source.String(), flat(block), "%s has Go code that no example compiles", name)
		}
	}
}

func flat(code string) string {
	var b strings.Builder
	for line := range strings.Lines(code) {
		if line = strings.TrimSpace(line); line != "" {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

var (
	link = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	code = regexp.MustCompile("(?ms)^```.*?^```|`[^`\n]+`") // may look like links: NewPromise[bool](ctx)
)

func TestLinksLeadSomewhere(t *testing.T) {
	for name, text := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			path := name
			if target != "" {
				path = filepath.Join(filepath.Dir(name), target)
			}
			info, err := os.Stat(path)
			require.NoError(t, err, "%s links to %s", name, m[1])
			if anchor != "" && !info.IsDir() {
				there, err := os.ReadFile(path)
				require.NoError(t, err)
				require.Contains(t, anchors(string(there)), anchor, "%s links to %s", name, m[1])
			}
		}
	}
}

var heading = regexp.MustCompile(`(?m)^#+ (.+)$`)

// anchors are the names that headings get on the web.
func anchors(text string) (out []string) {
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
				return r
			}
			return -1
		}, strings.ToLower(m[1]))
		out = append(out, name)
	}
	return out
}
