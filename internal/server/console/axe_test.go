package console_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// finding is what axe has against a page.
type finding struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	} `json:"nodes"`
}

// axe is the source of axe-core, which scripts/setup-browser fetches.
func axe(t *testing.T) string {
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	found, err := filepath.Glob(filepath.Join(cache, "sendoff-test", "axe-core-*", "package", "axe.min.js"))
	require.NoError(t, err)
	if len(found) == 0 {
		missing(t, "there is no axe-core: scripts/setup-browser fetches it")
	}
	source, err := os.ReadFile(found[len(found)-1])
	require.NoError(t, err)
	return string(source)
}

const rules = `{runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], resultTypes: ["violations"]}`

// colors are the rules that a theme can break.
const colors = `{runOnly: {type: "rule", values: ["color-contrast", "link-in-text-block"]}, resultTypes: ["violations"]}`

// findings are what axe has against the page that is shown.
func (b *browser) findings(t *testing.T, which string) []finding {
	t.Helper()
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]finding](`axe.run(document, `+which+`).then(r => r.violations)`, chromedp.EvalAwaitPromise))
	require.NoError(t, err)
	return found
}

// clean has axe look at the page that is shown, in both themes, with all that can be opened.
func (b *browser) clean(t *testing.T, source, path string) {
	t.Helper()
	b.do(t, chromedp.Evaluate[chromedp.Void](source))
	for theme, which := range map[string]string{"light": rules, "dark": colors} {
		b.do(t, chromedp.Evaluate[chromedp.Void](`document.documentElement.dataset.theme = "`+theme+`"; document.querySelectorAll("details").forEach(d => d.open = true)`))
		for _, f := range b.findings(t, which) {
			for _, n := range f.Nodes {
				t.Errorf("%s, %s: %s (%s)\n  %.300s\n  %s", path, theme, f.ID, f.Help, n.HTML, strings.ReplaceAll(n.Summary, "\n", " "))
			}
		}
	}
}

// TestEveryPageIsForAll: axe has nothing against any page in any state, light or dark.
func TestEveryPageIsForAll(t *testing.T) {
	source := axe(t)
	b := browse(t)
	b.still(t)
	for _, at := range empty() {
		b.show(t, at.path)
		b.clean(t, source, "empty "+at.path)
	}
	b.do(t, chromedp.Evaluate[chromedp.Void](`document.documentElement.removeAttribute("lang"); document.querySelector("h1").style.setProperty("color", "#ccc"); document.documentElement.dataset.theme = "light"`))
	var wrong []string
	for _, f := range b.findings(t, rules) {
		wrong = append(wrong, f.ID)
	}
	require.ElementsMatch(t, []string{"color-contrast", "html-has-lang"}, wrong, "it finds what is wrong")
	w := peopled(t, b)
	for _, at := range w.pages(t) {
		b.show(t, at.path)
		b.clean(t, source, at.path)
	}
}
