package main

import (
	"context"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/host"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

type serveCmd struct {
	host.Settings
}

// Help is printed under the flags.
func (serveCmd) Help() string {
	return `Stops on SIGTERM or Ctrl-C: it takes no more tasks, lets pushes under way end for --grace, and hands
the others back. A second signal hands back at once, a third one exits.

A flag wins over its variable, that over the file of --config, that over the default: see "sendoff config".`
}

// Run serves until a signal.
func (c *serveCmd) Run(ctx context.Context, t *term.Terminal, command *kong.Context) error {
	// Before anything is opened: a signal at any later moment stops cleanly.
	signals, stop := host.Signals()
	defer stop()
	log := c.Log.Logger(t.Stderr)
	if unknown := unknownVariables(command.Model, os.Environ()); len(unknown) > 0 {
		log.Warn("variables that are no settings have no effect, see sendoff config", "variables", unknown)
	}
	// First, for those who want to see why opening takes long.
	stopDebug, err := c.Debug.Serve(log)
	if err != nil {
		return err
	}
	defer stopDebug()
	s, err := host.Open(ctx, &c.Settings, version, log)
	if err != nil {
		return err
	}
	defer s.Close()
	c.greet(t, s)
	return s.Run(signals)
}

func (c *serveCmd) greet(t *term.Terminal, s *host.Server) {
	db := "SQLite file " + c.DB.DSN
	if c.DB.Postgres() {
		db = "PostgreSQL " + host.Redacted(c.DB.DSN)
	}
	t.Printf("sendoff %s\n  address   %s\n  database  %s\n  roles     %s\n", version, s.URL(), db, strings.Join(c.Node.Roles, ", "))
	if c.Listen.Console != "off" {
		t.Printf("  console   %s%s/\n", s.URL(), strings.TrimRight(c.Listen.BasePath, "/"))
	}
	if t.Live {
		t.Printf("\nSubmit a first task from another terminal:\n\n"+
			"  curl -d '{\"url\":\"http://127.0.0.1:9000/hook\",\"payload\":{\"hello\":\"world\"}}' %s/v1/tasks\n"+
			"  sendoff enqueue http://127.0.0.1:9000/hook --payload '{\"hello\":\"world\"}' --wait\n\n", s.URL())
	}
}
