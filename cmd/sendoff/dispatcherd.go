package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/ctl"
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

// ctlCmd is dispatcherctl: the same commands, flags, output and exit status.
type ctlCmd struct {
	dispatcherdFile
	ExpectedReplies int `default:"1" placeholder:"N" help:"Answers to wait for, a second at most."`

	Running     ctlFilter `cmd:"" help:"List what runs, waits and is delayed."`
	Cancel      ctlFilter `cmd:"" help:"Cancel tasks; all of them without a filter."`
	Alive       struct{}  `cmd:"" help:"Ask whether the service answers."`
	AioTasks    ctlLimit  `cmd:"" name:"aio_tasks" help:"List its loops."`
	Workers     struct{}  `cmd:"" help:"List its workers."`
	Producers   struct{}  `cmd:"" help:"List where messages come from."`
	Metrics     struct{}  `cmd:"" help:"Ask how its metrics are served."`
	Main        struct{}  `cmd:"" help:"Ask for its counts."`
	Status      struct{}  `cmd:"" help:"Ask for all of it."`
	Chunks      struct{}  `cmd:"" help:"List messages of which pieces are missing."`
	SetLogLevel ctlLevel  `cmd:"" name:"set_log_level" help:"Change what it logs."`
}

type ctlFilter struct {
	Task string `help:"Of this name."`
	UUID string `name:"uuid" help:"With this uuid."`
}

type ctlLimit struct {
	Limit *int `help:"Depth of stacks."`
}

type ctlLevel struct {
	Level string `required:"" enum:"DEBUG,INFO,WARNING,ERROR,CRITICAL" help:"Least level (${enum})."`
}

// data is what goes with a command.
func (c *ctlCmd) data(command string) map[string]any {
	data := map[string]any{}
	set := func(name, value string) {
		if value != "" {
			data[name] = value
		}
	}
	switch command {
	case "running":
		set("task", c.Running.Task)
		set("uuid", c.Running.UUID)
	case "cancel":
		set("task", c.Cancel.Task)
		set("uuid", c.Cancel.UUID)
	case "aio_tasks":
		if c.AioTasks.Limit != nil {
			data["limit"] = *c.AioTasks.Limit
		}
	case "set_log_level":
		set("level", c.SetLogLevel.Level)
	}
	return data
}

// Run asks what the command says.
func (c *ctlCmd) Run(ctx context.Context, t *term.Terminal, line *kong.Context) error {
	if line.Selected().Type != kong.CommandNode || line.Selected().Name == "ctl" {
		return term.Usage("what is asked? give a command\nsee: sendoff ctl --help")
	}
	return c.ask(ctx, t, line.Selected().Name)
}

// ask sends a command and prints the answers.
func (c *ctlCmd) ask(ctx context.Context, t *term.Terminal, command string) error {
	cfg, err := c.read()
	if err != nil {
		return err
	}
	replies, err := ctl.Ask(ctx, cfg, command, c.data(command), c.ExpectedReplies)
	if err != nil {
		return err
	}
	text, err := ctl.YAML(replies)
	if err != nil {
		return err
	}
	t.Printf("%s\n", text)
	if got := len(replies); got < c.ExpectedReplies {
		return &term.Exit{Code: term.ExitError, Err: fmt.Errorf("%d of %d answers came", got, c.ExpectedReplies)}
	}
	return nil
}
