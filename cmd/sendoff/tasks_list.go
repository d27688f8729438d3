package main

import (
	"context"
	"strconv"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/actions"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

type tasksListCmd struct {
	remote
	actions.Filter
	Sort  string `placeholder:"ORDER" enum:",-created_at,-finished_at,next_at,position,started_at" default:"" help:"-finished_at for failed, next_at for scheduled, position for ready and started_at for running tasks; default the newest first."`
	Limit int    `short:"n" default:"50" placeholder:"N" help:"At most so many; 0 = all."`
}

// Run lists tasks.
func (c *tasksListCmd) Run(ctx context.Context, t *term.Terminal) error {
	if c.Limit < 0 {
		return term.Usage("--limit %d: want 0 or more", c.Limit)
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	found, err := term.Collect(client.Tasks.List(ctx, sendoff.Filter{Where: c.Where(), Sort: c.Sort, Limit: c.Limit}), 0)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(term.ListOf(found))
	}
	printTasks(t, found)
	if c.Limit > 0 && len(found) == c.Limit && t.Live {
		t.Printf("(the first %d; more with --limit)\n", c.Limit)
	}
	return nil
}

// printTasks prints tasks as one table.
func printTasks(t *term.Terminal, tasks []*sendoff.Task) {
	rows := make([][]string, len(tasks))
	for i, task := range tasks {
		rows[i] = []string{
			task.ID, string(task.State), task.Reason, task.Queue, term.OneLine(task.Name, 24),
			attemptsOfTask(task), term.Ago(task.CreatedAt), term.OneLine(targetText(task), 50),
		}
	}
	t.Table([]string{"ID", "STATE", "REASON", "QUEUE", "NAME", "ATTEMPTS", "AGE", "TARGET"}, rows)
}

// targetText is what a task calls.
func targetText(task *sendoff.Task) string {
	switch {
	case task.Function != "":
		return "function " + task.Function + " at " + task.Endpoint
	case task.Process != "":
		return "process " + task.Process
	case task.Handler != "":
		return "handler " + task.Handler
	}
	return task.URL
}

// attemptsOfTask is how many attempts were made, of how many.
func attemptsOfTask(task *sendoff.Task) string {
	if task.MaxAttempts == 0 {
		return strconv.Itoa(task.Attempts)
	}
	return strconv.Itoa(task.Attempts) + "/" + strconv.Itoa(task.MaxAttempts)
}
