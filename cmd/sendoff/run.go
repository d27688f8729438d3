package main

import (
	"context"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/dev"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

type runCmd struct{ dev.Options }

// Run develops an app.
func (c *runCmd) Run(ctx context.Context, t *term.Terminal) error {
	return c.Options.Run(ctx, t, version)
}
