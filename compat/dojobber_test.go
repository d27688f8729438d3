//go:build linux

package compat_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// DoJobber 0.6.3 and the module that Sendoff has in its place run the same random
// graphs: the order of calls, what each call saw, lines, states, results and errors
// are the same.
func TestDoJobberRunsGraphsTheSameWay(t *testing.T) {
	t.Parallel()
	python := environment(t, "dojobber")
	graphs := 400
	if os.Getenv("SENDOFF_HEAVY") == "1" {
		graphs = 10000
	}
	script := []string{filepath.Join(python.dir, "bin", "python"), filepath.Join(python.apps, "graphs.py"), "0", fmt.Sprint(graphs)}
	want := outputOf(t, script...)
	got := outputOf(t, append([]string{sendoff(t), "graph", "exec", "--"}, script...)...)
	require.Equal(t, graphs, len(want), want[len(want)-1])
	require.Equal(t, graphs, len(got), got[len(got)-1])
	for i := range want {
		require.JSONEq(t, want[i], got[i])
	}
}

// The example prints the same with both.
func TestDoJobberRunsTheExampleTheSameWay(t *testing.T) {
	t.Parallel()
	python := environment(t, "dojobber")
	movie := filepath.Join("..", "examples", "dojobber", "movie.py")
	for name, args := range map[string][]string{
		"usual":         nil,
		"good":          {"--battery", "charged", "--couch", "free"},
		"plan":          {"--no-act"},
		"one bowl more": {"--bowl-ready", "9"},
		"one pan more":  {"--popcorn-ready", "6", "--pizza-ready", "4"},
		"forbidden":     {"--movie", "Zardoz"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := append([]string{filepath.Join(python.dir, "bin", "python"), movie, "--verbose"}, args...)
			require.Equal(t, outputOf(t, script...), outputOf(t, append([]string{sendoff(t), "graph", "exec", "--"}, script...)...))
		})
	}
}

// outputOf runs a command and returns the lines that it printed, with the exit status
// as the last one where it is not 0. What the real one complains of when it is
// imported is not its output.
func outputOf(t *testing.T, argv ...string) []string {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+t.TempDir(), "PYTHONWARNINGS=ignore")
	err := cmd.Run()
	var lines []string
	for line := range strings.Lines(out.String()) {
		if !strings.HasPrefix(line, "** ") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	if err != nil {
		lines = append(lines, err.Error())
	}
	return lines
}
