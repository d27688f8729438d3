package graph

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/internal/graphpy"
	"github.com/sendoff-dev/sendoff/jobgraph"
)

// isPython tells whether an argument names a class in a Python file: FILE.py:CLASS. A file
// alone is one too, so that its goals can be told.
func isPython(what string) bool {
	return strings.Contains(what, ".py:") || strings.HasSuffix(what, ".py")
}

// errPython is the answer to a class that a server is to run.
var errPython = term.Usage("a server runs graphs of files: classes of DoJobber run in this process, without --server")

// openPython starts a Python process with the jobs of a class.
func openPython(ctx context.Context, what string, g given) (*opened, error) {
	cfg := graphpy.Config{Parallel: g.parallel, Inputs: g.inputs, Output: g.stderr}
	for _, arg := range g.args {
		cfg.Args = append(cfg.Args, arg)
	}
	p, err := graphpy.Load(ctx, cfg, what)
	if err != nil {
		if raised, ok := errors.AsType[*graphpy.Error](err); ok && g.stderr != nil && strings.Count(raised.Trace(), "\n") > 1 {
			fmt.Fprint(g.stderr, raised.Trace())
		}
		return nil, err
	}
	o := &opened{Inputs: g.inputs, watch: p.Context, close: func() { _ = p.Close() }, kill: p.Kill}
	if o.Graph, err = jobgraph.New(p.Goal); err != nil {
		o.Close()
	}
	return o, err
}
