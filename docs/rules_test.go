package docs_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/vet"
)

const (
	rulesPage  = "determinism.md"
	rulesBegin = "<!-- rules: from vet/rules.go, by go test ./docs -update -->\n"
	rulesEnd   = "<!-- end of rules -->"
)

// TestTheRulesOfTheAnalyzerAreExplained compares the section that is made of the
// analyzer's table: what it prints links there.
func TestTheRulesOfTheAnalyzerAreExplained(t *testing.T) {
	text, err := os.ReadFile(rulesPage)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(text), rulesBegin)
	require.True(t, ok)
	_, after, ok := strings.Cut(rest, rulesEnd)
	require.True(t, ok)
	var b strings.Builder
	for _, r := range vet.Rules {
		fmt.Fprintf(&b, "\n### %s\n\n%s: %s. Instead: %s.\n", r.Code, title(r.Title), r.Why, r.Fix)
	}
	want := before + rulesBegin + b.String() + "\n" + rulesEnd + after
	if *update {
		require.NoError(t, os.WriteFile(rulesPage, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(text), "docs/%s is stale: go test ./docs -update", rulesPage)
}

func title(text string) string { return strings.ToUpper(text[:1]) + text[1:] }
