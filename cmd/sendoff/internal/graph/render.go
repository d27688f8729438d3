package graph

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/internal/graphpng"
	"github.com/sendoff-dev/sendoff/jobgraph"
	"github.com/sendoff-dev/sendoff/jobgraph/draw"
)

// renderCmd draws a graph.
type renderCmd struct {
	options
	Format string `enum:",svg,png,dot,mermaid" default:"" placeholder:"FORMAT" help:"svg, png, dot or mermaid; default that of the output's name, or svg."`
	Output string `short:"o" placeholder:"FILE" help:"Write it there; default stdout."`
	Plan   bool   `help:"With what a plan says; the checks are called."`
	Bare   bool   `help:"Without states."`
	RunID  string `name:"run" placeholder:"ID" help:"With the states of this run; default the last one of the file, and none where there was none."`
}

// Run draws it.
func (c *renderCmd) Run(ctx context.Context, t *term.Terminal) error {
	write, err := c.writer()
	if err != nil {
		return err
	}
	d, err := c.drawing(ctx)
	if err != nil {
		return refused(err)
	}
	var b bytes.Buffer
	if err := write(&b, d); err != nil {
		return fmt.Errorf("draw the graph: %w", err)
	}
	if c.Output == "" || c.Output == "-" {
		_, err = t.Stdout.Write(b.Bytes())
		return err
	}
	return os.WriteFile(c.Output, b.Bytes(), 0o644)
}

// formats are what a graph is drawn as.
var formats = map[string]func(io.Writer, draw.Graph) error{
	"svg":     func(w io.Writer, d draw.Graph) error { return draw.SVG(w, d, draw.Options{}) },
	"png":     func(w io.Writer, d draw.Graph) error { return graphpng.Encode(w, d, graphpng.Options{}) },
	"dot":     draw.DOT,
	"mermaid": draw.Mermaid,
}

// writer is that of the format.
func (c *renderCmd) writer() (func(io.Writer, draw.Graph) error, error) {
	format := c.Format
	if format == "" {
		format = map[string]string{"": "svg", ".svg": "svg", ".png": "png", ".dot": "dot", ".gv": "dot", ".mmd": "mermaid", ".mermaid": "mermaid"}[strings.ToLower(filepath.Ext(c.Output))]
	}
	if write := formats[format]; write != nil {
		return write, nil
	}
	return nil, term.Usage("--output %s: the name tells no format: add --format svg, png, dot or mermaid", c.Output)
}

// drawing is the graph with the states that are asked for.
func (c *renderCmd) drawing(ctx context.Context) (draw.Graph, error) {
	if !c.Plan && !c.Bare {
		run, err := lastRun(c.What, c.RunID)
		if err == nil {
			return run.drawing(), nil
		}
		if c.RunID != "" || !errors.Is(err, errNoRuns) {
			return draw.Graph{}, err
		}
	}
	what := c.given()
	what.drawn = !c.Plan
	g, err := open(ctx, c.What, what)
	if err != nil {
		return draw.Graph{}, err
	}
	defer g.Close()
	if !c.Plan {
		return g.Drawing(), nil
	}
	ctx, _, stop := interruptible(ctx, g.Kill)
	defer stop()
	plan, err := g.Plan(ctx, c.selection(g))
	if err != nil {
		return draw.Graph{}, err
	}
	return plan.Drawing(), nil
}

// lastRun is the run with an id, or the last one of what was run.
func lastRun(what, id string) (*keptRun, error) {
	if id != "" {
		return findRun(id)
	}
	return findRun(wholePath(what))
}

// drawing is the run as it ended, or was when it was killed.
func (r *keptRun) drawing() draw.Graph {
	t := r.tally()
	res := jobgraph.Result{Goal: t.goal}
	for _, row := range t.rows {
		j := jobgraph.JobResult{Name: row.Name, Deps: row.Deps, State: row.State, How: row.How, Took: row.Took, Reason: row.Said}
		res.Jobs = append(res.Jobs, j)
	}
	return res.Drawing()
}
