package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.yaml.in/yaml/v3"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/internal/dispatcherd"
)

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
	replyTo := "reply_to_" + strings.ReplaceAll(uuid.NewString(), "-", "_")
	request := map[string]any{"control": command, "reply_to": replyTo}
	if data := c.data(command); len(data) > 0 {
		request["control_data"] = data
	}
	text, err := json.Marshal(request)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var join dispatcherd.Joiner
	if cfg.UsesSocket() {
		err = askSocket(limited, cfg.SocketPath, text, c.ExpectedReplies, &join)
	} else {
		err = askNotify(limited, cfg.Notify, replyTo, text, c.ExpectedReplies, &join)
	}
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if err := printReplies(t, join.Whole); err != nil {
		return err
	}
	if got := len(join.Whole); got < c.ExpectedReplies {
		return &term.Exit{Code: term.ExitError, Err: fmt.Errorf("%d of %d answers came", got, c.ExpectedReplies)}
	}
	return nil
}

// patience is how long answers are waited for.
const ctlPatience = time.Second

func askSocket(ctx context.Context, path string, text []byte, want int, join *dispatcherd.Joiner) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		return fmt.Errorf("is the service running? %w", err)
	}
	defer conn.Close()
	for _, line := range dispatcherd.Split(text, 1023) {
		if _, err := conn.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	_ = conn.SetReadDeadline(time.Now().Add(ctlPatience))
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, 16<<20)
	for len(join.Whole) < want && lines.Scan() {
		join.Take(lines.Bytes())
	}
	return nil
}

func askNotify(ctx context.Context, cfg *dispatcherd.NotifyConfig, replyTo string, text []byte, want int, join *dispatcherd.Joiner) error {
	conn, err := pgx.Connect(ctx, cfg.DSN)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "listen "+pgx.Identifier{replyTo}.Sanitize()); err != nil {
		return err
	}
	for _, piece := range dispatcherd.Split(text, 7999) {
		if _, err := conn.Exec(ctx, "select pg_notify($1, $2)", cfg.Default, string(piece)); err != nil {
			return err
		}
	}
	limited, cancel := context.WithTimeout(ctx, ctlPatience)
	defer cancel()
	for len(join.Whole) < want {
		n, err := conn.WaitForNotification(limited)
		if err != nil {
			return err
		}
		join.Take([]byte(n.Payload))
	}
	return nil
}

func printReplies(t *term.Terminal, replies [][]byte) error {
	list := []any{}
	for _, r := range replies {
		var v any
		if err := yaml.Unmarshal(r, &v); err != nil { // JSON is YAML, and keeps what JSON's decoder would round
			return fmt.Errorf("an answer cannot be read: %w", err)
		}
		list = append(list, v)
	}
	var b strings.Builder
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	e.CompactSeqIndent()
	if err := e.Encode(list); err != nil {
		return err
	}
	t.Printf("%s\n", b.String())
	return nil
}
