package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/task"
)

type tasksListCmd struct {
	remote
	State          []sendoff.State   `placeholder:"STATE" enum:"scheduled,ready,running,suspended,blocked,succeeded,failed,canceled" help:"One or more of ${enum}."`
	Queue          choice            `short:"q" placeholder:"NAME"`
	Name           choice            `placeholder:"NAME"`
	Function       choice            `placeholder:"NAME" help:"Runs of this function."`
	Root           choice            `placeholder:"ID" help:"The calls below this first function of a tree."`
	Label          map[string]string `mapsep:"none" placeholder:"K=V" help:"All of them."`
	TargetHost     choice            `placeholder:"HOST" help:"Host, or host:port, of the URL."`
	CreatedAfter   moment            `placeholder:"TIME|AGO" help:"RFC 3339, or a duration before now such as 1h."`
	CreatedBefore  moment            `placeholder:"TIME|AGO"`
	FinishedAfter  moment            `placeholder:"TIME|AGO"`
	FinishedBefore moment            `placeholder:"TIME|AGO"`
	Limit          int               `short:"n" default:"50" placeholder:"N" help:"At most so many; 0 = all."`
}

// choice is a filter. An empty one is a variable that somebody forgot to set, and
// would select everything.
type choice string

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *choice) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		return errors.New("it is empty: leave the flag out to have all")
	}
	*c = choice(b)
	return nil
}

// moment is a time, or a duration before now.
type moment struct{ time.Time }

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *moment) UnmarshalText(b []byte) error {
	if d, err := time.ParseDuration(string(b)); err == nil {
		m.Time = time.Now().Add(-max(d, -d))
		return nil
	}
	at, err := task.ParseTime(string(b))
	if err != nil {
		return fmt.Errorf("%q: want a time such as 2026-01-31T12:00:00Z, or a duration before now such as 1h30m", b)
	}
	m.Time = at
	return nil
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
	var found []*sendoff.Task
	for task, err := range client.Tasks.List(ctx, c.filter()) {
		if err != nil {
			return err
		}
		found = append(found, task)
	}
	if c.JSON {
		return t.JSON(listOf(found))
	}
	printTasks(t, found)
	if c.Limit > 0 && len(found) == c.Limit && t.Live {
		t.Printf("(the newest %d; more with --limit)\n", c.Limit)
	}
	return nil
}

func (c *tasksListCmd) filter() sendoff.Filter {
	return sendoff.Filter{
		States: c.State, Queue: string(c.Queue), Name: string(c.Name), Function: string(c.Function), Root: string(c.Root),
		Labels: c.Label, TargetHost: string(c.TargetHost), Limit: c.Limit,
		CreatedAfter: c.CreatedAfter.Time, CreatedBefore: c.CreatedBefore.Time,
		FinishedAfter: c.FinishedAfter.Time, FinishedBefore: c.FinishedBefore.Time,
	}
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
