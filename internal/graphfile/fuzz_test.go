package graphfile

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/jobgraph"
)

// FuzzAFileIsReadOrRefused: whatever the text is, it ends with a graph that jobgraph takes,
// or with mistakes that name the file.
func FuzzAFileIsReadOrRefused(f *testing.F) {
	evening, err := os.ReadFile("../../examples/graphs/movienight.yaml")
	require.NoError(f, err)
	for _, seed := range []string{
		string(evening), "jobs: {A: {deps: [A]}}", "jobs: {A: &a {<<: *a}}", "jobs: {? {a: b} : {}}", "a: &a [*a]", "jobs: {A: {run: {process: a, args: [*x]}}}",
		"inputs: {l: [1]}\njobs: {'a${matrix.x}': {matrix: {x: '${inputs.l}'}}}", "jobs: {A: {check: {http: {url: 'http://x', json: {a: ['${job}']}}}}}",
		"jobs:\n  A: {matrix: {x: []}}", "--- \n...\n---\n", "jobs: {A: !!binary aGk=}", "jobs: {A: {timeout: .inf, retry_delay: 1e308}}",
	} {
		f.Add(seed)
	}
	host := Host{Task: func(context.Context, *TaskCall, io.Writer) (json.RawMessage, error) { return nil, nil }}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Parse("f.yaml", "/", []byte(text))
		if err != nil {
			require.True(t, strings.HasPrefix(err.Error(), "f.yaml:"), err)
			return
		}
		goal, err := file.Goal(nil, host)
		if err != nil {
			require.True(t, strings.HasPrefix(err.Error(), "f.yaml:"), err)
			return
		}
		if _, err := jobgraph.New(goal); err != nil {
			t.Fatal(err)
		}
	})
}
