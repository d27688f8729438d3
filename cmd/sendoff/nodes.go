package main

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/screen"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

type nodesCmd struct {
	List    nodesListCmd    `cmd:"" default:"withargs" help:"List the servers that share the database."`
	Drain   nodesDrainCmd   `cmd:"" help:"Have servers claim nothing more until that is taken back or they are started anew: they finish what they run."`
	Undrain nodesUndrainCmd `cmd:"" help:"Have servers claim again that were told to drain."`
}

type nodesListCmd struct{ remote }

// Run lists nodes.
func (c *nodesListCmd) Run(ctx context.Context, t *term.Terminal) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	nodes, err := client.Nodes.List(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(term.ListOf(nodes))
	}
	rows := make([][]string, len(nodes))
	for i, n := range nodes {
		state := "running"
		if n.Draining {
			state = "draining"
		}
		rows[i] = []string{n.ID, term.OneLine(n.Name, 40), state, strings.Join(n.Roles, ","), term.Ago(n.StartedAt), term.Ago(n.LeaseUntil)}
	}
	t.Table([]string{"ID", "NAME", "STATE", "ROLES", "UP", "LEASE ENDS"}, rows)
	return nil
}

type nodesDrainCmd struct {
	remote
	term.Why
	IDs []string `arg:"" name:"id" help:"Ids of nodes, as listed."`
}

// Run has nodes claim nothing more.
func (c *nodesDrainCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	client, err := c.client()
	if err != nil {
		return err
	}
	var done []sendoff.Node
	for _, id := range c.IDs {
		n, err := client.Nodes.Drain(ctx, id)
		if err != nil {
			return err
		}
		done = append(done, n)
		if !c.JSON {
			t.Printf("%s (%s) claims nothing more; what it still runs: sendoff tasks list --state running --node %s\n", n.ID, term.OneLine(n.Name, 40), n.ID)
		}
	}
	if c.JSON {
		return t.JSON(term.ListOf(done))
	}
	return nil
}

type nodesUndrainCmd struct {
	remote
	term.Why
	IDs []string `arg:"" name:"id" help:"Ids of nodes, as listed."`
}

// Run has nodes claim again.
func (c *nodesUndrainCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	client, err := c.client()
	if err != nil {
		return err
	}
	done, err := term.EachOf(c.IDs, func(id string) (sendoff.Node, error) { return client.Nodes.Undrain(ctx, id) })
	if c.JSON {
		return cmp.Or(t.JSON(term.ListOf(done)), err)
	}
	for _, n := range done {
		t.Printf("%s (%s) claims again\n", n.ID, term.OneLine(n.Name, 40))
	}
	return err
}

type workersCmd struct {
	List    workersListCmd    `cmd:"" default:"withargs" help:"List the worker processes of all servers."`
	Replace workersReplaceCmd `cmd:"" help:"Have workers end when their task has; others are started when they are needed."`
}

type workersReplaceCmd struct {
	remote
	term.Why
	IDs []string `arg:"" name:"id" help:"Ids of workers, as listed."`
}

// Run replaces workers.
func (c *workersReplaceCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	client, err := c.client()
	if err != nil {
		return err
	}
	var done []sendoff.Worker
	for _, id := range c.IDs {
		w, err := client.Workers.Replace(ctx, id)
		if err != nil {
			return err
		}
		done = append(done, w)
		if !c.JSON {
			when := "now"
			if w.Task != "" {
				when = "when task " + w.Task + " has ended"
			}
			t.Printf("worker %d of %s ends %s\n", w.Number, term.OneLine(w.Node, 30), term.Clean(when))
		}
	}
	if c.JSON {
		return t.JSON(term.ListOf(done))
	}
	return nil
}

type workersListCmd struct {
	remote
	Once bool `help:"Print them once, also on a terminal."`
}

// Run lists the worker processes of all servers over one database; on a terminal, until q is pressed.
func (c *workersListCmd) Run(ctx context.Context, t *term.Terminal) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	if !t.Live || c.Once || c.JSON {
		return c.list(ctx, client, t)
	}
	last, err := screen.Watch(ctx, time.Second, func(ctx context.Context) ([]string, error) {
		var text strings.Builder
		if err := c.list(ctx, client, t.To(&text)); err != nil {
			return nil, err
		}
		return append(strings.Split(text.String(), "\n"), "q ends"), nil
	})
	if err == nil {
		t.Printf("%s\n", strings.Join(last[:len(last)-2], "\n"))
	}
	return err
}

func (c *workersListCmd) list(ctx context.Context, client *sendoff.Client, t *term.Terminal) error {
	workers, err := client.Workers.List(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(term.ListOf(workers))
	}
	rows := make([][]string, len(workers))
	for i := range workers {
		rows[i] = workerRow(&workers[i])
	}
	t.Table([]string{"NODE", "WORKER", "PID", "STATE", "SINCE", "DONE", "MEMORY", "RUNS", "TASK", "ID"}, rows)
	return nil
}

func workerRow(w *sendoff.Worker) []string {
	state, memory := w.State, ""
	if w.Stage != "" {
		state += " (" + w.Stage + ")"
	}
	if w.Replaced {
		state += ", then ends"
	}
	if w.Memory > 0 {
		memory = humanize.IBytes(uint64(w.Memory))
	}
	return []string{term.OneLine(w.Node, 30), strconv.Itoa(w.Number), strconv.Itoa(w.PID), state, term.Ago(w.Since), strconv.Itoa(w.Done), memory, term.OneLine(w.Process, 40), w.Task, w.ID}
}
