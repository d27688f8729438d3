package main

import (
	"context"
	"strings"

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
