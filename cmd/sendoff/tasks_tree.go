package main

import (
	"context"
	"time"

	"github.com/sendoff-dev/sendoff"
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
	tasks, err := client.Tree(ctx, c.ID)
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
	for i := range tasks[:min(len(tasks), maxStepped)] {
		if tasks[i].Kind != "function" {
			continue
		}
		page, err := lastSteps(ctx, client, tasks[i].ID)
		if sendoff.IsNotFound(err) {
			continue // it was deleted meanwhile
		}
		if err != nil {
			return err
		}
		f.calls[tasks[i].ID].steps = stepsInTree(page)
	}
	printTree(t, f, siblings, time.Now())
	return nil
}

// maxStepped is how many functions of a tree are shown with their steps.
const maxStepped = 100

// remoteForest is the tree that a server told about. The first task is its top,
// wherever that is in a larger tree; it may go by an id that a client chose.
func remoteForest(tasks []sendoff.Task) *forest {
	f := newForest(len(tasks))
	known := map[string]bool{}
	for i := range tasks {
		known[tasks[i].ID] = true
	}
	for i := range tasks {
		c := remoteCall(&tasks[i])
		switch {
		case i == 0:
			c.parent = ""
		case !known[c.parent]:
			c.parent = tasks[0].ID
		}
		f.put(c)
	}
	return f
}
