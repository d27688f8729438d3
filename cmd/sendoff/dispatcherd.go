package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/ctl"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/host"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/record"
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

	DB     string   `name:"db" placeholder:"FILE|URL|memory" help:"Where tasks are recorded; memory = nowhere, as with dispatcherd. Default: the database of brokers.pg_notify, and memory without that broker."`
	Shared []string `placeholder:"CHANNEL" help:"Channels of which each message is for one of the services that listen, in place of all of them."`
	Memory []string `placeholder:"CHANNEL" help:"Channels whose tasks are not recorded."`
	Listen string   `placeholder:"HOST:PORT" help:"Address of the API, for sendoff tasks and the like; default: none is open. Beyond this machine only with SENDOFF_API_KEYS."`
	Keys   []string `name:"api-keys" env:"SENDOFF_API_KEYS" placeholder:"KEY" help:"Keys that clients of the API must send. Prefer the variable: others can read arguments."`
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
	if cfg.Converted {
		log.Warn("the configuration is of before version 2, and is read as one of version 2: brokers belong to the top, pool under service.pool_kwargs, conninfo under config; see docs/dispatcherd.md")
	}
	for _, w := range cfg.Warnings {
		log.Warn("a setting has no effect", "setting", w)
	}
	if err := c.processes(&cfg.Pool); err != nil {
		return err
	}
	log.Info("who can publish to these brokers can run code here", "allowed", strings.Join(cfg.Pool.Allow, ","), "lambda", cfg.Pool.Eval)
	if err := c.channels(cfg); err != nil {
		return err
	}
	brokers, err := brokersOf(cfg, log)
	if err != nil {
		return err
	}
	open, err := c.records(cfg, log)
	if err != nil {
		return err
	}
	service, err := dispatcherd.New(cfg, brokers, open, log, &level)
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

// records opens the database that tasks are recorded in; nil = they are held in memory.
func (c *dispatcherdCmd) records(cfg *dispatcherd.Config, log *slog.Logger) (dispatcherd.Open, error) {
	to := record.Config{DSN: c.DB, Service: cfg, Version: version, Log: log}
	url := (&host.DB{DSN: c.DB}).Postgres()
	switch {
	case c.DB == "memory" || c.DB == "" && cfg.Notify == nil:
		if c.Listen != "" {
			return nil, term.Usage("--listen: there is nothing to be seen while tasks are held in memory: record them with --db FILE|URL")
		}
		return nil, nil
	case c.DB == "":
		to.DSN = cfg.Notify.DSN
	case !url && strings.Contains(c.DB, "://"):
		return nil, term.Usage("--db %s: want a file path, a postgres:// URL, or memory", host.Redacted(c.DB))
	default:
		to.File = !url
	}
	if c.Listen != "" {
		doors := host.Listen{Addr: c.Listen, APIKeys: c.Keys}
		_, local, err := doors.Resolve()
		if err := cmp.Or(err, doors.Guarded(local, false)); err != nil {
			return nil, err
		}
		to.Serve = func(ctx context.Context, e *engine.Engine) error { return doors.Serve(ctx, e, log) }
	}
	return record.Opener(to), nil
}

// channels says of the channels how they are taken.
func (c *dispatcherdCmd) channels(cfg *dispatcherd.Config) error {
	var known []string
	if cfg.Notify != nil {
		known = cfg.Notify.Channels
		cfg.Notify.Shared = union(cfg.Notify.Shared, c.Shared)
	}
	for _, channel := range c.Shared {
		if !slices.Contains(known, channel) {
			return term.Usage("--shared %s: is no channel of brokers.pg_notify: want one of %s", channel, strings.Join(known, ", "))
		}
	}
	for _, channel := range c.Memory {
		if channel != "socket" && !slices.Contains(known, channel) {
			return term.Usage("--memory %s: is no channel of brokers.pg_notify: want one of %s, or socket", channel, strings.Join(known, ", "))
		}
	}
	cfg.Memory = union(cfg.Memory, c.Memory)
	return nil
}

// union are the names of both lists, each once.
func union(a, b []string) []string {
	all := slices.Sorted(slices.Values(slices.Concat(a, b)))
	return slices.Compact(all)
}
