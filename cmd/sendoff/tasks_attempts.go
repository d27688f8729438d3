package main

import (
	"cmp"
	"context"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/calltree"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

type tasksAttemptsCmd struct {
	someTasks
	Limit int `short:"n" default:"0" placeholder:"N" help:"At most so many of each, from the oldest; 0 = all that are kept."`
}

// attemptsOf is what --json prints for each task when several are asked for.
type attemptsOf struct {
	Task  string             `json:"task"`
	Items []*sendoff.Attempt `json:"items"`
}

// Run lists attempts.
func (c *tasksAttemptsCmd) Run(ctx context.Context, t *term.Terminal) error {
	if c.Limit < 0 {
		return term.Usage("--limit %d: want 0 or more", c.Limit)
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	found, err := term.EachOf(c.IDs, func(id string) (attemptsOf, error) {
		attempts, err := calltree.AttemptsUpTo(ctx, client, id, c.Limit)
		return attemptsOf{id, attempts}, err
	})
	switch {
	case c.JSON && len(c.IDs) == 1 && err == nil:
		return t.JSON(term.ListOf(found[0].Items))
	case c.JSON:
		return cmp.Or(t.JSON(term.ListOf(found)), err)
	}
	for i, f := range found {
		if len(c.IDs) > 1 {
			if i > 0 {
				t.Printf("\n")
			}
			t.Printf("%s\n", f.Task)
		}
		term.PrintAttempts(t, f.Items)
	}
	return err
}
