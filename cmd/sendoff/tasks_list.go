package main

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/actions"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

type tasksListCmd struct {
	remote
	actions.Filter
	View  string `placeholder:"NAME" help:"What a saved view of tasks selects, see sendoff views; flags beside it take the place of its parts."`
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
	filter := sendoff.Filter{Where: c.Where(), Sort: c.Sort, Limit: c.Limit}
	if c.View != "" {
		if err := c.saved(ctx, client, &filter); err != nil {
			return err
		}
	}
	found, err := term.Collect(client.Tasks.List(ctx, filter), 0)
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

// saved adds what a saved view selects to a filter, where that says nothing itself.
func (c *tasksListCmd) saved(ctx context.Context, client *sendoff.Client, f *sendoff.Filter) error {
	all, err := client.Views.List(ctx)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(all, func(v sendoff.View) bool { return v.Name == c.View })
	if at < 0 {
		names := make([]string, len(all))
		for i := range all {
			names[i] = strconv.Quote(all[i].Name)
		}
		return term.Usage("--view %q: there is no view of this name: want one of sendoff views, %s", c.View, cmp.Or(strings.Join(names, ", "), "which has none yet"))
	}
	if all[at].Path != "/tasks" {
		return term.Usage("--view %q: it is of the page %s, not of /tasks", c.View, all[at].Path)
	}
	query, err := url.ParseQuery(all[at].Query)
	if err != nil {
		return err
	}
	for name, values := range query {
		switch field := strings.TrimSuffix(name, "!"); {
		case name == "sort":
			f.Sort = cmp.Or(f.Sort, values[0])
		case name == "cursor" || name == "limit" || name == "count": // of a page
		case f.Where[field] == nil && f.Where[field+"!"] == nil:
			f.Where[name] = values
		}
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
