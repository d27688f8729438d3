// Package dev is sendoff run: a server in this process, an app beside it, and
// what is shown of its calls until one of them ends.
package dev

import (
	"context"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// Run runs the app beside a server until one of them ends.
func (c *Options) Run(ctx context.Context, t *term.Terminal, version string) error {
	if err := c.check(); err != nil {
		return err
	}
	if c.forURL() {
		return c.serveURL(ctx, t, version)
	}
	return c.runCommand(ctx, t, version)
}
