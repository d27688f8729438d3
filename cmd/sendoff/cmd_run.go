package main

import "context"

type runCmd struct{ devOptions }

// Run develops an app.
func (c *runCmd) Run(ctx context.Context, t *terminal) error {
	return c.develop(ctx, t, version)
}
