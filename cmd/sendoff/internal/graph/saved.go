package graph

import (
	"cmp"
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/internal/graphfile"
)

// saveCmd has a server keep a graph.
type saveCmd struct {
	remote
	File string `arg:"" placeholder:"FILE" help:"A YAML file."`
	Name string `placeholder:"NAME" help:"Keep it under this name; default that of the file."`
}

// Run saves it.
func (c *saveCmd) Run(ctx context.Context, t *term.Terminal) error {
	definition, err := c.definition()
	if err != nil {
		return refused(err)
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	g, made, err := client.Graphs.Save(ctx, json.RawMessage(definition))
	switch {
	case err != nil:
		return err
	case c.JSON:
		return t.JSON(g)
	case made:
		t.Printf("%s  revision %d saved\n", term.Clean(g.Name), g.Rev)
	default:
		t.Printf("%s  revision %d is the same\n", term.Clean(g.Name), g.Rev)
	}
	return nil
}

// definition is the graph with its name.
func (c *saveCmd) definition() ([]byte, error) {
	if isPython(c.File) {
		return nil, errPython
	}
	f, err := graphfile.Load(c.File)
	if err != nil {
		return nil, err
	}
	if cmp.Or(c.Name, f.Name) == "" {
		return nil, &graphfile.Problem{File: c.File, Text: "the graph has no name: want name: with one, or --name"}
	}
	return graphfile.JSON(c.File, c.Name)
}

// listCmd lists the graphs that a server keeps.
type listCmd struct{ remote }

// Run lists them.
func (c *listCmd) Run(ctx context.Context, t *term.Terminal) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	all, err := term.Collect(client.Graphs.List(ctx), 0)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(term.ListOf(all))
	}
	rows := make([][]string, len(all))
	for i, g := range all {
		rows[i] = []string{term.Clean(g.Name), strconv.Itoa(g.Rev), g.CreatedAt.Local().Format(time.DateTime)}
	}
	t.Table([]string{"GRAPH", "REV", "SAVED"}, rows)
	return nil
}

// forgetCmd has a server forget graphs.
type forgetCmd struct {
	remote
	Names []string `arg:"" name:"name" help:"Names of graphs."`
}

// forgotten is what --json prints of one.
type forgotten struct {
	Name string `json:"name"`
}

// Run forgets them, and goes on after a failure.
func (c *forgetCmd) Run(ctx context.Context, t *term.Terminal) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	done, err := term.EachOf(c.Names, func(name string) (forgotten, error) { return forgotten{name}, client.Graphs.Delete(ctx, name) })
	if c.JSON {
		return cmp.Or(t.JSON(term.ListOf(done)), err)
	}
	for _, d := range done {
		t.Printf("%s  forgotten\n", term.Clean(d.Name))
	}
	return err
}
