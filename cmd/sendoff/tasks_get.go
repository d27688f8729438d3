package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/calltree"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

type tasksGetCmd struct {
	someTasks
	Web bool `help:"Print the address of its page in the console, and nothing else."`
}

// taskWithAttempts is what --json prints of one task.
type taskWithAttempts struct {
	task     *sendoff.Task
	attempts []*sendoff.Attempt
	steps    *sendoff.StepPage // the newest, oldest first; nil = it is no function
}

// Run shows tasks. With --json one id prints the task, several a list.
func (c *tasksGetCmd) Run(ctx context.Context, t *term.Terminal) error {
	if c.Web {
		for _, id := range c.IDs {
			t.Printf("%s\n", c.Page(id))
		}
		return nil
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	found, err := term.EachOf(c.IDs, func(id string) (taskWithAttempts, error) { return c.get(ctx, client, id) })
	if c.JSON && len(c.IDs) == 1 && err == nil {
		return t.JSON(found[0].task)
	}
	if c.JSON {
		tasks := make([]*sendoff.Task, len(found))
		for i, f := range found {
			tasks[i] = f.task
		}
		return cmp.Or(t.JSON(term.ListOf(tasks)), err)
	}
	for i, f := range found {
		if i > 0 {
			t.Printf("\n")
		}
		printTask(t, f.task)
		if f.steps != nil {
			printNewestSteps(t, f.steps)
		}
		term.PrintAttempts(t, f.attempts)
	}
	return err
}

func (c *tasksGetCmd) get(ctx context.Context, client *sendoff.Client, id string) (out taskWithAttempts, err error) {
	if out.task, err = client.Get(ctx, id); err != nil || c.JSON {
		return out, err
	}
	if out.attempts, err = calltree.AttemptsUpTo(ctx, client, id, 0); err != nil || out.task.Function == "" {
		return out, err
	}
	out.steps, err = calltree.LastSteps(ctx, client, id)
	return out, err
}

func printTask(t *term.Terminal, task *sendoff.Task) {
	line := func(name, value string) {
		if value != "" && value != "-" {
			t.Printf("%-12s%s\n", name, value)
		}
	}
	line("id", task.ID)
	line("state", t.Paint(string(task.State), term.State(task)))
	line("queue", task.Queue)
	line("name", term.Clean(task.Name))
	line("target", strings.TrimSpace(task.Method+" "+term.Clean(task.URL)))
	line("handler", task.Handler)
	line("process", term.Clean(task.Process))
	line("workers", task.Workers)
	line("function", term.Clean(task.Function))
	line("endpoint", term.Clean(task.Endpoint))
	line("parent", task.ParentID)
	line("root", task.RootID)
	line("priority", fmt.Sprint(task.Priority))
	line("group", term.Clean(task.Group))
	for _, k := range slices.Sorted(maps.Keys(task.Labels)) {
		line("label", term.Clean(k+"="+task.Labels[k]))
	}
	printOthers(line, task)
	line("attempts", attemptsLine(task))
	line("created", term.Clock(task.CreatedAt))
	line("run at", term.Clock(task.RunAt))
	line("next at", term.Clock(task.NextAt))
	line("expires", term.Clock(task.ExpiresAt))
	line("started", term.Clock(task.StartedAt))
	line("finished", term.Clock(task.FinishedAt))
	line("ack by", term.Clock(task.AckBy))
	if p := task.Progress; p != nil {
		line("progress", term.Progress(p)+", at "+term.Clock(p.At))
	}
	line("last error", term.Clean(task.LastError))
	if w := task.WaitingFor; w != nil {
		line("waits for", term.Clean(w.Text)+" ("+string(w.Cause)+")")
		for _, other := range w.Tasks {
			line("", term.Clean(other.ID)+" "+string(other.State))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(task.Headers)) {
		line("header", term.Clean(k+": "+task.Headers[k]))
	}
	switch {
	case len(task.Payload) > 0:
		line("payload", term.OneLine(string(task.Payload), 1000))
	case len(task.PayloadRaw) > 0:
		line("payload", fmt.Sprintf("%d bytes that are no text; see --json", len(task.PayloadRaw)))
	}
	line("result", term.OneLine(string(task.Result), 1000))
	if task.Error != nil {
		t.Printf("%s\n", strings.Join(term.FailureLines("error       ", task.Error), "\n"))
	}
}

// printOthers prints what a task has to do with others.
func printOthers(line func(name, value string), task *sendoff.Task) {
	for _, l := range task.Limits {
		line("limit", term.Clean(limitText(l)))
	}
	line("order key", term.Clean(task.OrderKey))
	line("duplicates", term.Clean(strings.TrimSpace(task.OnDuplicate+" "+task.DuplicateKey)))
	if len(task.DependsOn) > 0 {
		line("depends on", term.OneLine(strings.Join(task.DependsOn, " ")+" ("+task.When+")", 1000))
	}
	line("on success", callbackText(task.OnSuccess))
	line("on failure", callbackText(task.OnFailure))
	line("on complete", callbackText(task.OnComplete))
	line("callback of", term.Clean(task.CallbackOf))
}

// callbackText is what is called, and where it waits.
func callbackText(c *sendoff.Callback) string {
	if c == nil {
		return ""
	}
	return term.Clean(cmp.Or(c.URL, c.Function, c.Process, c.Handler)) + " (queue " + term.Clean(c.Queue) + ")"
}

// limitText is a limit as --limit takes it.
func limitText(l sendoff.Limit) string {
	var parts []string
	if l.Concurrency > 0 {
		parts = append(parts, strconv.Itoa(l.Concurrency))
	}
	if l.Rate != "" {
		parts = append(parts, fmt.Sprintf("%s:%d", l.Rate, max(l.Burst, 1)))
	}
	return l.Key + "=" + strings.Join(parts, ",")
}

func attemptsLine(task *sendoff.Task) string {
	if task.MaxAttempts == 0 {
		return fmt.Sprintf("%d, until it expires, %s each", task.Attempts, task.Timeout)
	}
	return fmt.Sprintf("%d of %d, %s each", task.Attempts, task.MaxAttempts, task.Timeout)
}
