package main

import (
	"context"
	"strings"
)

type nodesCmd struct{ remote }

// Run lists nodes.
func (c *nodesCmd) Run(ctx context.Context, t *terminal) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	nodes, err := client.Nodes.List(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.json(listOf(nodes))
	}
	rows := make([][]string, len(nodes))
	for i, n := range nodes {
		state := "running"
		if n.Draining {
			state = "stopping"
		}
		rows[i] = []string{n.ID, oneLine(n.Name, 40), state, strings.Join(n.Roles, ","), ago(n.StartedAt), ago(n.LeaseUntil)}
	}
	t.table([]string{"ID", "NAME", "STATE", "ROLES", "UP", "LEASE ENDS"}, rows)
	return nil
}
