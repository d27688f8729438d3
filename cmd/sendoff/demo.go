package main

import (
	"context"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/tour"
)

type demoCmd struct{ tour.Options }

// Run gives the tour.
func (c *demoCmd) Run(ctx context.Context, t *term.Terminal) error {
	return c.Options.Run(ctx, t, version)
}
