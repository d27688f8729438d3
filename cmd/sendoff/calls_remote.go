package main

import (
	"cmp"
	"context"

	"github.com/sendoff-dev/sendoff"
)

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

// readSteps reads the newest steps of the first functions of a tree.
func (f *forest) readSteps(ctx context.Context, client *sendoff.Client, tasks []sendoff.Task) error {
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
	return nil
}

// remoteCall shows a task that a server told about.
func remoteCall(t *sendoff.Task) *call {
	c := &call{
		id: t.ID, key: t.ID, parent: t.ParentID, name: cmp.Or(t.Function, t.Name, t.URL, t.Handler), endpoint: t.Endpoint,
		state: t.State, reason: t.Reason, attempt: t.Attempts, began: t.CreatedAt, ended: t.FinishedAt, next: t.NextAt, err: t.LastError,
	}
	c.made, c.function, c.earlier = t.CreatedAt, t.Function != "", t.EarlierRun
	if t.State == "suspended" || t.State == "ready" && !t.StartedAt.IsZero() {
		c.attempt++
	}
	c.settle()
	return c
}
