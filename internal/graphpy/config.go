package graphpy

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/sendoff-dev/sendoff/jobgraph"
)

// Config of a Host. Its zero value runs the graphs of scripts as jobgraph does.
type Config struct {
	// Parallel is how many calls a process makes at once, 1 for 0. With more each
	// attempt has a thread: all share the current directory, which is not restored.
	Parallel int

	// Python is the interpreter for Load; "" is that of VIRTUAL_ENV, or python3.
	Python string

	// Inputs and Args are the keyword and the positional arguments of the calls of a
	// loaded class. A script sets those of its own. They are given as JSON.
	Inputs map[string]any
	Args   []any

	// Output is where a loaded process prints while no call is under way, or several are;
	// nil is nowhere. What it prints in a call goes to the log of the attempt.
	Output io.Writer

	// Run runs a graph of a script; nil is [jobgraph.Graph.Run]. cfg is what the script
	// asks for; an Observe there must still be told.
	Run func(ctx context.Context, g *jobgraph.Graph, cfg jobgraph.Config) (*jobgraph.Result, error)

	// Draw makes a picture of a graph for a script, as png, svg or dot. The result is that
	// of its last run, nil before. nil refuses.
	Draw func(g *jobgraph.Graph, r *jobgraph.Result, format string) ([]byte, error)
}

// interpreter finds Python.
func (c *Config) interpreter() (string, error) {
	candidates := []string{"python3", "python"}
	if env := os.Getenv("VIRTUAL_ENV"); env != "" {
		candidates = []string{filepath.Join(env, "bin", "python")}
	}
	if c.Python != "" {
		candidates = []string{c.Python}
	}
	for _, name := range candidates {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no Python interpreter %q: want CPython 3.8 or later", candidates)
}
