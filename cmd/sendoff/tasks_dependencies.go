package main

import (
	"cmp"
	"context"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

type tasksDependenciesCmd struct {
	remote
	ID string `arg:"" name:"id" help:"Id of the task."`
}

// Run lists what a task depends on.
func (c *tasksDependenciesCmd) Run(ctx context.Context, t *term.Terminal) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	all, err := term.Collect(client.Tasks.Dependencies(ctx, c.ID), 0)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(term.ListOf(all))
	}
	rows := make([][]string, len(all))
	for i, d := range all {
		state := term.State(&sendoff.Task{State: cmp.Or(d.State, "gone"), Reason: d.Reason})
		answer := ""
		if d.Attempt != nil {
			answer = term.OneLine(cmp.Or(string(d.Attempt.Result), d.Attempt.Body, d.Attempt.Error), 60)
		}
		rows[i] = []string{term.Clean(d.ID), state, cmp.Or(d.CountsAs, "-"), answer}
	}
	t.Table([]string{"DEPENDS ON", "STATE", "COUNTS AS", "ANSWER"}, rows)
	return nil
}
