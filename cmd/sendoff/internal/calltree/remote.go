package calltree

import (
	"context"

	"github.com/sendoff-dev/sendoff"
)

// Remote is the tree that a server told about. The first task is its top,
// wherever that is in a larger tree; it may go by an id that a client chose.
func Remote(tasks []sendoff.Task) *forest {
	f := newForest(len(tasks))
	known := map[string]bool{}
	for i := range tasks {
		known[tasks[i].ID] = true
	}
	for i := range tasks {
		c := remoteCall(&tasks[i])
		switch {
		case i == 0:
			c.Parent = ""
		case !known[c.Parent]:
			c.Parent = tasks[0].ID
		}
		f.put(c)
	}
	return f
}

// ReadSteps reads the newest steps of the first functions of a tree.
func (f *forest) ReadSteps(ctx context.Context, client *sendoff.Client, tasks []sendoff.Task) error {
	for i := range tasks[:min(len(tasks), maxStepped)] {
		if tasks[i].Function == "" {
			continue
		}
		page, err := LastSteps(ctx, client, tasks[i].ID)
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
func remoteCall(t *sendoff.Task) *Call {
	c := &Call{
		ID: t.ID, key: t.ID, Parent: t.ParentID, Name: title(t.Function, t.Name, t.URL, t.Handler), Endpoint: t.Endpoint,
		State: t.State, Reason: t.Reason, Attempt: t.Attempts, Began: t.CreatedAt, Ended: t.FinishedAt, Next: t.NextAt, Err: t.LastError,
	}
	c.made, c.function, c.earlier = t.CreatedAt, t.Function != "", t.EarlierRun
	if t.State == sendoff.StateSuspended || t.State == sendoff.StateReady && !t.StartedAt.IsZero() {
		c.Attempt++
	}
	c.settle()
	return c
}
