package main

import (
	"cmp"
	"context"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// someTasks are the arguments of commands that take ids.
type someTasks struct {
	remote
	IDs []string `arg:"" name:"id" help:"Ids of tasks."`
}

type (
	tasksCancelCmd struct {
		someTasks
		term.Why
		Now bool `help:"End functions at once: what they have to undo is not undone."`
	}
	tasksRetryCmd struct {
		someTasks
		term.Why
		Followers bool `help:"Tasks that were canceled because these did not succeed wait for them again."`
	}
	tasksRunCmd struct {
		someTasks
		term.Why
		IgnoreLimits bool `help:"Whatever limits, order and duplicates say."`
	}
	tasksDeleteCmd struct {
		someTasks
		term.Why
	}
)

// Run cancels tasks.
func (c *tasksCancelCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	if c.Now {
		return c.act(ctx, t, sendoff.Tasks.CancelNow)
	}
	return c.act(ctx, t, sendoff.Tasks.Cancel)
}

// Run starts ended tasks anew.
func (c *tasksRetryCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	if c.Followers {
		return c.act(ctx, t, sendoff.Tasks.RetryFollowers)
	}
	return c.act(ctx, t, sendoff.Tasks.Retry)
}

// Run runs scheduled tasks now.
func (c *tasksRunCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	if c.IgnoreLimits {
		return c.act(ctx, t, sendoff.Tasks.RunBeyond)
	}
	return c.act(ctx, t, sendoff.Tasks.Run)
}

// act does one thing to each task and prints what became of them.
func (c *someTasks) act(ctx context.Context, t *term.Terminal, do func(sendoff.Tasks, context.Context, string) (*sendoff.Task, error)) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	done, err := term.EachOf(c.IDs, func(id string) (*sendoff.Task, error) { return do(client.Tasks, ctx, id) })
	switch {
	case c.JSON && len(c.IDs) == 1 && err == nil:
		return t.JSON(done[0])
	case c.JSON:
		return cmp.Or(t.JSON(term.ListOf(done)), err)
	}
	for _, task := range done {
		t.Printf("%s  %s\n", task.ID, t.Paint(string(task.State), term.State(task)))
	}
	return err
}

// Run erases tasks.
func (c *tasksDeleteCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	client, err := c.client()
	if err != nil {
		return err
	}
	done, err := term.EachOf(c.IDs, func(id string) (string, error) { return id, client.Tasks.Delete(ctx, id) })
	if c.JSON {
		return cmp.Or(t.JSON(struct {
			Deleted []string `json:"deleted"`
		}{append([]string{}, done...)}), err)
	}
	for _, id := range done {
		t.Printf("%s  deleted\n", id)
	}
	return err
}
