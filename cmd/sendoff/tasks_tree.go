package main

import (
	"context"
	"time"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/calltree"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

type tasksTreeCmd struct {
	remote
	ID  string `arg:"" name:"id" help:"Id of a task."`
	All bool   `help:"Every call, also where one has more than 50."`
}

// Run prints a function with the calls made for it.
func (c *tasksTreeCmd) Run(ctx context.Context, t *term.Terminal) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	tasks, err := client.Tasks.Tree(ctx, c.ID)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(term.ListOf(tasks))
	}
	siblings := 50
	if c.All {
		siblings = 0
	}
	f := calltree.Remote(tasks)
	if err := f.ReadSteps(ctx, client, tasks); err != nil {
		return err
	}
	calltree.Print(t, f, siblings, time.Now())
	return nil
}
