package main

import (
	"context"
	"time"
)

type tasksTreeCmd struct {
	remote
	ID  string `arg:"" name:"id" help:"Id of a task."`
	All bool   `help:"Every call, also where one has more than 50."`
}

// Run prints a function with the calls made for it.
func (c *tasksTreeCmd) Run(ctx context.Context, t *terminal) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	tasks, err := client.Tasks.Tree(ctx, c.ID)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.json(listOf(tasks))
	}
	siblings := 50
	if c.All {
		siblings = 0
	}
	f := remoteForest(tasks)
	if err := f.readSteps(ctx, client, tasks); err != nil {
		return err
	}
	printTree(t, f, siblings, time.Now())
	return nil
}
