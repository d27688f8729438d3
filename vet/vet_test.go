package vet_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/analysis"

	"github.com/sendoff-dev/sendoff/vet"
)

var (
	want    = regexp.MustCompile("// want((?: `[^`]*`)+)")
	pattern = regexp.MustCompile("`([^`]*)`")
)

// expected are the patterns of the want comments of a file, by line.
func expected(t *testing.T, path string) map[int][]string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	out := map[int][]string{}
	for i, line := range strings.Split(string(text), "\n") {
		if m := want.FindStringSubmatch(line); m != nil {
			for _, p := range pattern.FindAllStringSubmatch(m[1], -1) {
				out[i+1] = append(out[i+1], p[1])
			}
		}
	}
	return out
}

// TestRules compares what is found in testdata/rules, which uses the real SDK,
// with the want comments there. Each package has code that must not be reported.
func TestRules(t *testing.T) {
	entries, err := os.ReadDir("testdata/rules")
	require.NoError(t, err)
	var patterns []string
	for _, e := range entries {
		patterns = append(patterns, "./testdata/rules/"+e.Name())
	}
	found, err := vet.Packages(t.Context(), vet.Config{}, patterns...)
	require.NoError(t, err)
	byFile := map[string]map[int][]string{}
	for _, f := range found {
		if byFile[f.File] == nil {
			byFile[f.File] = map[int][]string{}
		}
		byFile[f.File][f.Line] = append(byFile[f.File][f.Line], f.Message)
	}
	files, err := filepath.Glob("testdata/rules/*/*.go")
	require.NoError(t, err)
	for _, name := range files {
		t.Run(strings.TrimPrefix(name, "testdata/rules/"), func(t *testing.T) {
			path, err := filepath.Abs(name)
			require.NoError(t, err)
			compare(t, expected(t, path), byFile[path])
		})
	}
}

func compare(t *testing.T, wanted, found map[int][]string) {
	t.Helper()
	for line, messages := range found {
		for _, m := range messages {
			if !take(wanted, line, m) {
				t.Errorf("line %d: not wanted: %s", line, m)
			}
		}
	}
	for line, left := range wanted {
		for _, p := range left {
			t.Errorf("line %d: not found: %s", line, p)
		}
	}
}

// take removes the pattern that a message matches.
func take(wanted map[int][]string, line int, message string) bool {
	for i, p := range wanted[line] {
		if regexp.MustCompile(p).MatchString(message) {
			wanted[line] = append(wanted[line][:i:i], wanted[line][i+1:]...)
			return true
		}
	}
	return false
}

func TestEveryRuleHasATest(t *testing.T) {
	files, err := filepath.Glob("testdata/rules/*/*.go")
	require.NoError(t, err)
	var all strings.Builder
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		all.Write(text)
	}
	for _, r := range vet.Rules {
		require.Contains(t, all.String(), "`"+r.Code, "no testdata for %s", r.Title)
		require.NotEmpty(t, r.Why)
		require.NotEmpty(t, r.Fix)
		require.Equal(t, "docs/determinism.md#"+strings.ToLower(r.Code), r.Docs())
		got, ok := vet.RuleOf(r.Code)
		require.True(t, ok)
		require.Equal(t, r, got)
	}
}

func TestTheExamplesAreClean(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the engine")
	}
	found, err := vet.Packages(t.Context(), vet.Config{Dir: ".."}, "./examples/...")
	require.NoError(t, err)
	require.Empty(t, found)
}

func TestWhatCannotBeLoadedIsAnError(t *testing.T) {
	_, err := vet.Packages(t.Context(), vet.Config{}, "./nowhere")
	require.ErrorContains(t, err, "nowhere")
	_, err = vet.Packages(t.Context(), vet.Config{}, "./testdata/broken")
	require.ErrorContains(t, err, "undefined: missing")
}

func TestTheAnalyzerIsValid(t *testing.T) {
	require.NoError(t, analysis.Validate([]*analysis.Analyzer{vet.Analyzer}))
}
