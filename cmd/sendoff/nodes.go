package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

type nodesCmd struct{ remote }

// Run lists nodes.
func (c *nodesCmd) Run(ctx context.Context, t *term.Terminal) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	nodes, err := client.Nodes.List(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(listOf(nodes))
	}
	rows := make([][]string, len(nodes))
	for i, n := range nodes {
		state := "running"
		if n.Draining {
			state = "stopping"
		}
		rows[i] = []string{n.ID, term.OneLine(n.Name, 40), state, strings.Join(n.Roles, ","), term.Ago(n.StartedAt), term.Ago(n.LeaseUntil)}
	}
	t.Table([]string{"ID", "NAME", "STATE", "ROLES", "UP", "LEASE ENDS"}, rows)
	return nil
}

type workersCmd struct{ remote }

// Run lists the worker processes of a server.
func (c *workersCmd) Run(ctx context.Context, t *term.Terminal) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	workers, err := client.Workers.List(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(listOf(workers))
	}
	rows := make([][]string, len(workers))
	for i := range workers {
		w := &workers[i]
		state := w.State
		if w.Stage != "" {
			state += " (" + w.Stage + ")"
		}
		memory := ""
		if w.Memory > 0 {
			memory = humanize.IBytes(uint64(w.Memory))
		}
		rows[i] = []string{strconv.Itoa(w.Number), strconv.Itoa(w.PID), state, term.Ago(w.Since), strconv.Itoa(w.Done), memory, term.OneLine(w.Process, 40), w.Task}
	}
	t.Table([]string{"WORKER", "PID", "STATE", "SINCE", "DONE", "MEMORY", "RUNS", "TASK"}, rows)
	return nil
}
