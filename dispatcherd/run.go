package dispatcherd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/dispatcherd"
	"github.com/sendoff-dev/sendoff/internal/exec/process"
	"github.com/sendoff-dev/sendoff/internal/record"
	"github.com/sendoff-dev/sendoff/store"
)

// Open makes a broker of its settings, which are what the configuration has under its name.
// The error says which of them is wrong. Nothing is connected yet.
type Open func(settings map[string]any) (Broker, error)

// Config of a service. Settings is required, and at least one broker in it.
type Config struct {
	// Settings is the configuration of dispatcherd, version 2, as YAML or JSON. Its brokers are
	// socket, which is there already, and those of Brokers by their names.
	Settings []byte
	Brokers  map[string]Open

	// Store is where tasks are recorded before they begin; nil = they are held in memory. The
	// configuration names the node then (main_kwargs.node_id): what waits goes on after a
	// restart under the same name.
	Store store.Store

	Python   string            // interpreter of the workers; default that of $VIRTUAL_ENV, then python3 of the PATH
	Allow    []string          // what workers may run: dotted names, each with all below it; default everything
	NoLambda bool              // texts that begin with lambda are not run
	Guard    []string          // see engine.Processes
	Output   func(engine.Line) // what tasks print, line by line; nil = it is kept with their attempts only
	Log      *slog.Logger      // default none
}

// Run serves until ctx ends. Then what runs is canceled, what waits and is recorded goes on
// waiting, and nil is returned within 10 seconds. Workers get the environment and the
// directory of this process. Unix only.
func Run(ctx context.Context, cfg Config) error {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	settings, err := dispatcherd.ParseConfig(cfg.Settings, slices.Sorted(maps.Keys(cfg.Brokers))...)
	if err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	for _, w := range settings.Warnings {
		cfg.Log.Warn("a setting has no effect", "setting", w)
	}
	if err := cfg.processes(&settings.Pool); err != nil {
		return err
	}
	brokers, err := cfg.brokers(settings)
	if err != nil {
		return err
	}
	open, err := cfg.open(settings)
	if err != nil {
		return err
	}
	service, err := dispatcherd.New(settings, brokers, open, cfg.Log, new(slog.LevelVar))
	if err != nil {
		return err
	}
	return service.Run(ctx)
}

func (c *Config) processes(p *process.Config) (err error) {
	if p.Worker, err = process.Python(c.Python); err != nil {
		return err
	}
	if len(c.Allow) > 0 {
		p.Allow = c.Allow
	}
	p.Eval, p.Env, p.Guard = p.Eval && !c.NoLambda, os.Environ(), c.Guard
	if out := c.Output; out != nil {
		p.Output = func(l process.Line) { out(engine.Line(l)) }
	}
	return nil
}

func (c *Config) brokers(settings *dispatcherd.Config) (all []dispatcherd.Broker, err error) {
	if settings.Notify != nil {
		return nil, errors.New("settings: brokers.pg_notify: is not linked here: the command sendoff dispatcherd has it")
	}
	if settings.SocketPath != "" {
		all = append(all, dispatcherd.NewSocket(settings.SocketPath, c.Log))
	}
	for _, name := range slices.Sorted(maps.Keys(settings.Others)) {
		b, err := c.Brokers[name](settings.Others[name])
		if err != nil {
			return nil, fmt.Errorf("settings: brokers.%s: %w", name, err)
		}
		all = append(all, named{name, b})
	}
	return all, nil
}

// open has tasks recorded in the store; nil = they are not.
func (c *Config) open(settings *dispatcherd.Config) (dispatcherd.Open, error) {
	switch {
	case c.Store == nil:
		return nil, nil //nolint:nilnil // there is nothing to be opened, which is no fault
	case settings.Generated:
		return nil, errors.New("settings: service.main_kwargs.node_id: is missing: want a name that this service has after a restart too, since its tasks are recorded")
	}
	return func(_ context.Context, s *dispatcherd.Service) (dispatcherd.Recorder, error) {
		return record.New(record.Config{Store: c.Store, Own: record.OwnWorkers(settings.NodeID), Service: settings, Log: c.Log}, s)
	}, nil
}
