package vet_test

import (
	"testing"

	"golang.org/x/tools/go/analysis/analysistest"

	"github.com/sendoff-dev/sendoff/vet"
)

// TestFixes runs the analyzer as other drivers do, over all dependencies, and
// applies the suggested fixes.
func TestFixes(t *testing.T) {
	if testing.Short() {
		t.Skip("type-checks all dependencies")
	}
	analysistest.RunWithSuggestedFixes(t, "..", vet.Analyzer, "./vet/testdata/fixes")
}
