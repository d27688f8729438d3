package main

import "context"

type demoCmd struct{ tourOptions }

// Run gives the tour.
func (c *demoCmd) Run(ctx context.Context, t *terminal) error {
	return c.show(ctx, t, version)
}
