package main

import (
	"cmp"
	"context"

	"github.com/sendoff-dev/sendoff"
)

type (
	tasksCancelCmd struct {
		someTasks
		Now bool `help:"End functions at once: what they have to undo is not undone."`
	}
	tasksRetryCmd  struct{ someTasks }
	tasksRunCmd    struct{ someTasks }
	tasksDeleteCmd struct{ someTasks }
)

// Run cancels tasks.
func (c *tasksCancelCmd) Run(ctx context.Context, t *terminal) error {
	if c.Now {
		return c.act(ctx, t, sendoff.Tasks.CancelNow)
	}
	return c.act(ctx, t, sendoff.Tasks.Cancel)
}

// Run starts ended tasks anew.
func (c *tasksRetryCmd) Run(ctx context.Context, t *terminal) error {
	return c.act(ctx, t, sendoff.Tasks.Retry)
}

// Run runs scheduled tasks now.
func (c *tasksRunCmd) Run(ctx context.Context, t *terminal) error {
	return c.act(ctx, t, sendoff.Tasks.Run)
}

// act does one thing to each task and prints what became of them.
func (c *someTasks) act(ctx context.Context, t *terminal, do func(sendoff.Tasks, context.Context, string) (*sendoff.Task, error)) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	done, err := eachOf(c.IDs, func(id string) (*sendoff.Task, error) { return do(client.Tasks, ctx, id) })
	switch {
	case c.JSON && len(c.IDs) == 1 && err == nil:
		return t.json(done[0])
	case c.JSON:
		return cmp.Or(t.json(listOf(done)), err)
	}
	for _, task := range done {
		t.printf("%s  %s\n", task.ID, t.paint(task.State, stateText(task)))
	}
	return err
}

// Run erases tasks.
func (c *tasksDeleteCmd) Run(ctx context.Context, t *terminal) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	done, err := eachOf(c.IDs, func(id string) (string, error) { return id, client.Tasks.Delete(ctx, id) })
	if c.JSON {
		return cmp.Or(t.json(struct {
			Deleted []string `json:"deleted"`
		}{append([]string{}, done...)}), err)
	}
	for _, id := range done {
		t.printf("%s  deleted\n", id)
	}
	return err
}
