package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sendoff-dev/sendoff"
)

type tasksGetCmd struct{ someTasks }

// taskWithAttempts is what --json prints of one task.
type taskWithAttempts struct {
	task     *sendoff.Task
	attempts []*sendoff.Attempt
	steps    *sendoff.StepPage // the newest, oldest first; nil = it is no function
}

// Run shows tasks. With --json one id prints the task, several a list.
func (c *tasksGetCmd) Run(ctx context.Context, t *terminal) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	found, err := eachOf(c.IDs, func(id string) (taskWithAttempts, error) { return c.get(ctx, client, id) })
	if c.JSON && len(c.IDs) == 1 && err == nil {
		return t.json(found[0].task)
	}
	if c.JSON {
		tasks := make([]*sendoff.Task, len(found))
		for i, f := range found {
			tasks[i] = f.task
		}
		return cmp.Or(t.json(listOf(tasks)), err)
	}
	for i, f := range found {
		if i > 0 {
			t.printf("\n")
		}
		printTask(t, f.task)
		if f.steps != nil {
			printNewestSteps(t, f.steps)
		}
		printAttempts(t, f.attempts)
	}
	return err
}

func (c *tasksGetCmd) get(ctx context.Context, client *sendoff.Client, id string) (out taskWithAttempts, err error) {
	if out.task, err = client.Get(ctx, id); err != nil || c.JSON {
		return out, err
	}
	if out.attempts, err = attemptsUpTo(ctx, client, id, 0); err != nil || out.task.Kind != "function" {
		return out, err
	}
	out.steps, err = lastSteps(ctx, client, id)
	return out, err
}

func printTask(t *terminal, task *sendoff.Task) {
	line := func(name, value string) {
		if value != "" && value != "-" {
			t.printf("%-12s%s\n", name, value)
		}
	}
	line("id", task.ID)
	line("state", t.paint(task.State, stateText(task)))
	line("queue", task.Queue)
	line("name", clean(task.Name))
	line("target", strings.TrimSpace(task.Method+" "+clean(task.URL)))
	line("handler", task.Handler)
	line("function", clean(task.Function))
	line("endpoint", clean(task.Endpoint))
	line("parent", task.ParentID)
	line("root", task.RootID)
	line("priority", fmt.Sprint(task.Priority))
	line("group", clean(task.Group))
	for _, k := range slices.Sorted(maps.Keys(task.Labels)) {
		line("label", clean(k+"="+task.Labels[k]))
	}
	line("attempts", attemptsLine(task))
	line("created", clock(task.CreatedAt))
	line("run at", clock(task.RunAt))
	line("next at", clock(task.NextAt))
	line("expires", clock(task.ExpiresAt))
	line("started", clock(task.StartedAt))
	line("finished", clock(task.FinishedAt))
	line("last error", clean(task.LastError))
	for _, k := range slices.Sorted(maps.Keys(task.Headers)) {
		line("header", clean(k+": "+task.Headers[k]))
	}
	switch {
	case len(task.Payload) > 0:
		line("payload", oneLine(string(task.Payload), 1000))
	case len(task.PayloadRaw) > 0:
		line("payload", fmt.Sprintf("%d bytes that are no text; see --json", len(task.PayloadRaw)))
	}
	line("result", oneLine(string(task.Result), 1000))
	if task.Error != nil {
		t.printf("%s\n", strings.Join(failureLines("error       ", task.Error), "\n"))
	}
}

func attemptsLine(task *sendoff.Task) string {
	if task.MaxAttempts == 0 {
		return fmt.Sprintf("%d, until it expires, %s each", task.Attempts, task.Timeout)
	}
	return fmt.Sprintf("%d of %d, %s each", task.Attempts, task.MaxAttempts, task.Timeout)
}
