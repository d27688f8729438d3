package main

import (
	"context"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

type serveCmd struct {
	settings
}

// Help is printed under the flags.
func (serveCmd) Help() string {
	return `Stops on SIGTERM or Ctrl-C: it takes no more tasks, lets pushes under way end for --grace, and hands
the others back. A second signal hands back at once, a third one exits.

A flag wins over its variable, that over the file of --config, that over the default: see "sendoff config".`
}

// Run serves until a signal.
func (c *serveCmd) Run(ctx context.Context, t *terminal, command *kong.Context) error {
	// Before anything is opened: a signal at any later moment stops cleanly.
	signals, stop := serverSignals()
	defer stop()
	log := c.logger(t.stderr)
	if unknown := unknownVariables(command.Model, os.Environ()); len(unknown) > 0 {
		log.Warn("variables that are no settings have no effect, see sendoff config", "variables", unknown)
	}
	s, err := open(ctx, &c.settings, version, log)
	if err != nil {
		return err
	}
	defer s.close()
	c.greet(t, s)
	return s.run(signals)
}

func (c *serveCmd) greet(t *terminal, s *server) {
	db := "SQLite file " + c.DB
	if c.postgres() {
		db = "PostgreSQL " + redacted(c.DB)
	}
	t.printf("sendoff %s\n  address   %s\n  database  %s\n  roles     %s\n", version, s.url(), db, strings.Join(c.Roles, ", "))
	if t.live {
		t.printf("\nSubmit a first task from another terminal:\n\n"+
			"  curl -d '{\"url\":\"http://127.0.0.1:9000/hook\",\"payload\":{\"hello\":\"world\"}}' %s/v1/tasks\n"+
			"  sendoff enqueue http://127.0.0.1:9000/hook --payload '{\"hello\":\"world\"}' --wait\n\n", s.url())
	}
}
