// Command nats is the service of dispatcherd with NATS as one of its transports: it runs
// tasks in Python that are published on subjects, records them in an SQLite file before they
// begin, and answers dispatcherd's control commands there.
//
//	go run . dispatcher.yml
//	nats pub tasks '{"task": "jobs.greet", "args": ["world"]}'
//	nats request tasks '{"control": "running"}'
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/sendoff-dev/sendoff/dispatcherd"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "guard" {
		exit(engine.ProcessGuard())
	}
	path := "dispatcher.yml"
	if len(os.Args) > 1 {
		path = os.Args[1]
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	settings, err := os.ReadFile(path)
	if err != nil {
		exit(err)
	}
	self, err := os.Executable()
	if err != nil {
		exit(err)
	}
	exit(serve(ctx, "tasks.db", dispatcherd.Config{
		Settings: settings, Guard: []string{self, "guard"}, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Output: func(l engine.Line) { fmt.Printf("%s\n", l.Text) },
	}))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serve serves until ctx ends.
func serve(ctx context.Context, file string, cfg dispatcherd.Config) error {
	db, err := sqlite.Open(ctx, file, sqlite.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	cfg.Store, cfg.Brokers = db, map[string]dispatcherd.Open{"nats": open}
	return dispatcherd.Run(ctx, cfg)
}
