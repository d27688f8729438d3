// Package tail is the command sendoff tasks tail: what happens to tasks, as it happens.
package tail

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// Command is the grammar of sendoff tasks tail.
type Command struct {
	term.Remote
	IDs      []string `arg:"" optional:"" name:"id" help:"Only these tasks."`
	Queue    []string `short:"q" placeholder:"NAME" help:"Only tasks of this queue. Repeatable."`
	Schedule []string `placeholder:"NAME" help:"Only this schedule, and the tasks that it makes. Repeatable."`
	Action   []string `placeholder:"ID" help:"Only this action on many tasks: when it has changed or came further. Repeatable."`
	Nodes    bool     `help:"Servers that come, go and drain."`
	Count    int      `short:"n" placeholder:"N" help:"End after so many; default none."`
}

// Run prints events, a line each, until it is interrupted.
func (c *Command) Run(ctx context.Context, t *term.Terminal) error {
	client, err := c.Connect("sendoff-cli")
	if err != nil {
		return err
	}
	var topics []string
	for _, id := range c.IDs {
		topics = append(topics, "task:"+id)
	}
	for _, q := range c.Queue {
		topics = append(topics, "queue:"+q)
	}
	for _, name := range c.Schedule {
		topics = append(topics, "schedule:"+name)
	}
	for _, id := range c.Action {
		topics = append(topics, "action:"+id)
	}
	if c.Nodes {
		topics = append(topics, "nodes")
	}
	left := c.Count
	for e, err := range client.Tasks.Tail(ctx, topics...) {
		if err != nil {
			return err
		}
		if c.JSON {
			line, _ := json.Marshal(e) // plain data cannot fail
			t.Printf("%s\n", line)
		} else {
			print(t, e)
		}
		if left--; left == 0 {
			return nil
		}
	}
	return nil
}

func print(t *term.Terminal, e *sendoff.Event) {
	if e.Type == sendoff.EventReset {
		t.Printf("some events are missing here: look with sendoff tasks list\n")
		return
	}
	at := e.At.Local().Format("15:04:05.000")
	switch {
	case e.Schedule != nil:
		t.Printf("%s  %s  %s\n", at, e.Type, term.Clean(e.Schedule.Name))
		return
	case e.Action != nil:
		t.Printf("%s  %s  %s\n", at, e.Type, term.Clean(e.Action.ID))
		return
	case e.Node != nil:
		t.Printf("%s  %s  %s  %s\n", at, e.Type, term.Clean(e.Node.ID), term.Clean(e.Node.Name))
		return
	}
	what := strings.TrimPrefix(e.Type, "task.")
	about := []string{t.Paint(what, what+strings.Repeat(" ", max(10-len(what), 0))), term.Clean(e.Task.ID), "queue " + term.Clean(e.Task.Queue)}
	if e.Task.Reason != "" {
		about = append(about, "("+term.Clean(e.Task.Reason)+")")
	}
	if e.Task.Attempt > 0 {
		about = append(about, "attempt "+strconv.Itoa(e.Task.Attempt))
	}
	if e.Task.Name != "" {
		about = append(about, term.OneLine(e.Task.Name, 60))
	}
	t.Printf("%s  %s\n", at, strings.Join(about, "  "))
}
