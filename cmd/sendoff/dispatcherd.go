package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/host"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/dispatcherd"
	"github.com/sendoff-dev/sendoff/internal/dispatcherd/pgnotify"
	"github.com/sendoff-dev/sendoff/internal/exec/process"
)

// dispatcherdFile is where dispatcherd's configuration is.
type dispatcherdFile struct {
	Config   string `default:"dispatcher.yml" placeholder:"FILE" help:"Configuration of dispatcherd, - = stdin; default ${default}, or what DISPATCHERD_CONFIG_FILE names."`
	LogLevel string `default:"DEBUG" enum:"DEBUG,INFO,WARNING,ERROR,CRITICAL" help:"Least level that is logged (${enum})."`
}

// read reads the configuration. The variable counts while the flag is at its default, as
// with dispatcherd.
func (f *dispatcherdFile) read() (*dispatcherd.Config, error) {
	path := f.Config
	if env := os.Getenv("DISPATCHERD_CONFIG_FILE"); env != "" && path == "dispatcher.yml" {
		path = env
	}
	if path == "-" {
		path = "/dev/stdin"
	}
	cfg, err := dispatcherd.ReadConfig(path)
	if err != nil {
		return nil, term.Usage("%w", err)
	}
	return cfg, nil
}

type dispatcherdCmd struct {
	dispatcherdFile
	Python   string   `env:"SENDOFF_PROCESS_PYTHON" placeholder:"FILE" help:"Interpreter of the workers. Default: that of VIRTUAL_ENV, then python3 of the PATH."`
	Allow    []string `placeholder:"NAME" help:"What workers may run: dotted names, each with all below it. Default: everything."`
	NoLambda bool     `help:"Do not run texts that begin with lambda."`
}

// Help is printed under the flags.
func (dispatcherdCmd) Help() string {
	return `Reads the configuration of dispatcherd as it is, and serves its publishers, tasks and dispatcherctl. Workers
get the environment and the directory of this program. SIGTERM or Ctrl-C cancels what runs, and ends.`
}

// Run serves until a signal.
func (c *dispatcherdCmd) Run(ctx context.Context, t *term.Terminal) error {
	signals, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	cfg, err := c.read()
	if err != nil {
		return err
	}
	var level slog.LevelVar
	least, _ := dispatcherd.ParseLevel(c.LogLevel) // the grammar knows the levels
	level.Set(least)
	log := slog.New(slog.NewTextHandler(t.Stderr, &slog.HandlerOptions{Level: &level}))
	for _, w := range cfg.Warnings {
		log.Warn("a setting has no effect", "setting", w)
	}
	if err := c.processes(&cfg.Pool); err != nil {
		return err
	}
	log.Info("who can publish to these brokers can run code here", "allowed", strings.Join(cfg.Pool.Allow, ","), "lambda", cfg.Pool.Eval)
	brokers, err := brokersOf(cfg, log)
	if err != nil {
		return err
	}
	service, err := dispatcherd.New(cfg, brokers, log, &level)
	if err != nil {
		return err
	}
	return service.Run(signals)
}

func (c *dispatcherdCmd) processes(p *process.Config) (err error) {
	if p.Worker, err = process.Python(c.Python); err != nil {
		return err
	}
	if len(c.Allow) > 0 {
		p.Allow = c.Allow
	}
	p.Eval = p.Eval && !c.NoLambda
	p.Env = os.Environ()
	out := host.PassOn()
	p.Output = func(l process.Line) { out(engine.Line(l)) }
	self, err := os.Executable()
	if err == nil {
		p.Guard = []string{self, host.Guard}
	}
	return nil
}

func brokersOf(cfg *dispatcherd.Config, log *slog.Logger) (all []dispatcherd.Broker, err error) {
	if cfg.Notify != nil {
		b, err := pgnotify.New(*cfg.Notify, log)
		if err != nil {
			return nil, term.Usage("%w", err)
		}
		all = append(all, b)
	}
	if cfg.SocketPath != "" {
		all = append(all, dispatcherd.NewSocket(cfg.SocketPath, log))
	}
	return all, nil
}
