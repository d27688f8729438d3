package graphfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/task"
)

func inFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestAFileIsWrittenAsJSONInItsOrder(t *testing.T) {
	for text, want := range map[string]string{
		"name: a\njobs:\n  Z: {run: [x, 'yes', '1', 1.10]}\n  A:\n    deps: [Z]":                                         `{"name":"a","jobs":{"Z":{"run":["x","yes","1",1.10]},"A":{"deps":["Z"]}}}`,
		"jobs:\n- {name: A, tries: 3}\nname: a":                                                                          `{"name":"a","jobs":[{"name":"A","tries":3}]}`,
		"name: a\nx-common: &c {tries: 3, timeout: 2m}\njobs:\n  A: {<<: *c, tries: 4}\n  B: *c\n  C:\n    deps: [A, B]": `{"name":"a","jobs":{"A":{"tries":4,"timeout":"2m"},"B":{"tries":3,"timeout":"2m"},"C":{"deps":["A","B"]}}}`,
		"name: a\njobs:\n  A:\n  B: {deps: [], labels: {}}\n  C: {deps: [A, B]}":                                         `{"name":"a","jobs":{"A":null,"B":{"deps":[],"labels":{}},"C":{"deps":["A","B"]}}}`,
		"name: \"\\u263a <&>\"\njobs: {A: {}}":                                                                           `{"name":"☺ \u003c\u0026\u003e","jobs":{"A":{}}}`,
	} {
		got, err := JSON(inFile(t, text), "")
		require.NoError(t, err, text)
		assert.Equal(t, want, string(got))
		assert.NoError(t, Check(got), text)
	}
	renamed, err := JSON(inFile(t, "name: a\njobs: {A: {}}"), "b")
	require.NoError(t, err)
	require.Equal(t, `{"name":"b","jobs":{"A":{}}}`, string(renamed))
	nameless, err := JSON(inFile(t, "jobs: {A: {}}"), "")
	require.NoError(t, err)
	require.Equal(t, `{"jobs":{"A":{}}}`, string(nameless))
}

func TestWhatJSONCannotSayIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"name: a\nenv: {UMASK: 0022}\njobs: {A: {}}":                       "f.yaml:2: 0022 is not how JSON writes a value: put it in quotes when it is a text, or write it as in 1.5 or true",
		"name: a\njobs: {A: {rum: [a]}}":                                   `f.yaml:2: job "A": unknown key "rum": did you mean "run"?`,
		"name: a\nx-a: &a " + long(200) + "\njobs:\n" + aliased(100, "*a"): "f.yaml: the graph has more than 1 MiB as JSON: want less",
	} {
		_, err := JSON(inFile(t, text), "")
		require.Error(t, err, text)
		assert.Equal(t, want, err.Error()[strings.Index(err.Error(), "f.yaml"):])
	}
}

// long is a list of so many hundreds of letters.
func long(n int) string { return `{run: [a, "` + strings.Repeat("x", n*100) + `"]}` }

func aliased(n int, alias string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "  J%d: %s\n", i, alias)
	}
	fmt.Fprintf(&b, "  Z: {deps: [")
	for i := range n {
		fmt.Fprintf(&b, "J%d,", i)
	}
	return b.String() + "]}\n"
}

func TestTheExamplesCanBeSaved(t *testing.T) {
	files, err := filepath.Glob("../../examples/graphs/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, path := range files {
		definition, err := JSON(path, "example")
		require.NoError(t, err, path)
		require.NoError(t, Check(definition), path)
	}
}

func TestADefinitionIsRefusedByItsFields(t *testing.T) {
	for text, want := range map[string]string{
		`{"jobs":{"A":{"rum":["a"]}}}`:                              `jobs: job "A": unknown key "rum": did you mean "run"?`,
		`{"jobs":{"A":{"deps":["B"]},"B":{"deps":["A"]}}}`:          `jobs: a cycle: A -> B -> A: take one of these deps away`,
		`{"jobs":{"A":{}},"goal":"B"}`:                              `goal: no job "B": did you mean "A"?`,
		`{"jobs":{"A":{}},"tries":0}`:                               `tries: want a whole number from 1 on, have "0"`,
		`{"jobs":{"A":{}},"inputs":{"n":{"type":"text"}}}`:          `inputs: input "n": type "text": want string, number, boolean, list`,
		`{"jobs":{"A":{}},"inputs":{"n":{"required":true}}}`:        "",
		`{"jobs":{"A":{"run":{"process":"app.f"}}}}`:                "",
		`{"jobs":{"A":{"run":["a","\ud83d\ude00"]}}}`:               `jobs: not YAML: found invalid Unicode character escape code`, // so whoever takes it joins them first
		`{"jobs":{"A":{"deps":["B"]},"B":{"run":["a"],"tries":0}}}`: `jobs: job "B": tries: want a whole number from 1 on, have "0"`,
	} {
		err := Check([]byte(text))
		if want == "" {
			assert.NoError(t, err, text)
			continue
		}
		var bad task.Invalid
		require.ErrorAs(t, err, &bad, text)
		require.Len(t, bad, 1)
		assert.Equal(t, want, bad[0].Field+": "+bad[0].Message, text)
	}
}

// TestAFewLinesDoNotMakeMillionsOfDeps: two matrices that need each other's jobs all.
func TestAFewLinesDoNotMakeMillionsOfDeps(t *testing.T) {
	axis := "["
	for i := range 220 {
		axis += fmt.Sprintf("%d,", i)
	}
	axis += "]"
	text := "jobs:\n  A: {matrix: {x: " + axis + ", y: " + axis + "}}\n  B: {deps: [A], matrix: {v: " + axis + ", w: " + axis + "}}\n  C: {deps: [B]}"
	require.ErrorContains(t, Check([]byte(text)), "the jobs have more than 1000000 deps: put a job without a run between")
}
