package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/actions"

	"github.com/alecthomas/kong"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/access"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/backup"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/browse"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/doctor"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/failures"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/graph"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/health"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/host"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/schedules"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/shell"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/stats"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/views"
)

// cli is the grammar: each field is a command, in a file of its name.
type cli struct {
	Serve       serveCmd          `cmd:"" help:"Run the server."`
	Run         runCmd            `cmd:"" help:"Develop an app with durable functions: a server beside it, and the tree of its calls."`
	Console     browse.Command    `cmd:"" help:"Print where the pages of a server are, and open them in a browser."`
	Enqueue     enqueueCmd        `cmd:"" help:"Submit a task."`
	Tasks       tasksCmd          `cmd:"" help:"List tasks, look at them, steer them."`
	Pause       pauseCmd          `cmd:"" help:"Pause everything: nothing is started from any queue until sendoff resume."`
	Resume      resumeCmd         `cmd:"" help:"Resume everything; queues that are paused by themselves stay so."`
	Queues      queuesCmd         `cmd:"" help:"List queues, pause, resume and purge them."`
	Limits      limitsCmd         `cmd:"" help:"List limits that tasks share, configure and pause them."`
	Schedules   schedules.Command `cmd:"" help:"List, set, pause, run and preview schedules."`
	Graph       graph.Command     `cmd:"" help:"Plan, run, show and draw graphs of jobs, from a file."`
	Health      health.Command    `cmd:"" help:"Tell whether a server works, by the exit code: for checks of containers."`
	Endpoints   endpointsCmd      `cmd:"" help:"List the hosts and apps that are called, and let in again those that are held back."`
	Nodes       nodesCmd          `cmd:"" help:"List the servers that share the database."`
	Workers     workersCmd        `cmd:"" help:"List the worker processes of all servers."`
	Dispatcherd dispatcherdCmd    `cmd:"" help:"Run tasks that come over PostgreSQL NOTIFY and a unix socket, in place of dispatcherd."`
	Ctl         ctlCmd            `cmd:"" help:"Ask a service of dispatcherd, in place of dispatcherctl."`
	Vet         vetCmd            `cmd:"" help:"Find mistakes in durable functions: what makes a replay differ from the run."`
	Migrate     migrateCmd        `cmd:"" help:"Bring a PostgreSQL database to this version's tables."`
	Backup      backup.Backup     `cmd:"" help:"Copy a SQLite database, beside a server that has it open."`
	Restore     backup.Restore    `cmd:"" help:"Make a SQLite database from such a copy; nothing of it runs until sendoff resume --restored."`
	Copy        backup.Copy       `cmd:"" help:"Copy everything from a SQLite file to a PostgreSQL database, or back."`
	Doctor      doctor.Command    `cmd:"" help:"Look a database over: whether it agrees with itself, and is fit to be served."`
	APIKeys     access.Keys       `cmd:"" name:"api-keys" help:"Make, list and revoke the keys with which clients come in."`
	Namespaces  access.Namespaces `cmd:"" help:"List namespaces, and set what they may use."`
	Actions     actions.Command   `cmd:"" help:"Watch and steer what is done to many tasks."`
	Stats       stats.Command     `cmd:"" help:"Show what happened in queues over a time."`
	Failures    failures.Command  `cmd:"" help:"List groups of tasks that failed alike, and mute them."`
	Views       views.Command     `cmd:"" help:"List and save what people look at often, for all who use the namespace."`
	Audit       access.Audit      `cmd:"" help:"List what operators did, and look whether the list is whole."`
	Keys        keysCmd           `cmd:"" help:"Print and rotate the keys that sign what the server sends."`
	Config      configCmd         `cmd:"" help:"Print the effective configuration of serve and where it comes from."`
	Completion  shell.Completion  `cmd:"" help:"Print what completes sendoff in a shell: bash, zsh, fish."`
	Complete    shell.Complete    `cmd:"" name:"__complete" hidden:""`
	Man         shell.Man         `cmd:"" help:"Print the manual page."`
	Version     versionCmd        `cmd:"" help:"Print the version."`
	Demo        demoCmd           `cmd:"" help:"See tasks accepted, delivered, retried and finished, in about ten seconds."`
}

const description = `Durable tasks over HTTP: on disk before the answer, pushed to your app until they succeed.

  sendoff serve                                          # in one terminal
  sendoff enqueue http://127.0.0.1:9000/hook --payload '{"hello":"world"}' --wait
  sendoff tasks list --state failed
  sendoff run -- python3 app.py                          # durable functions: a server beside your app

Clients find the server by SENDOFF_URL (default http://127.0.0.1:4450) and SENDOFF_API_KEY.
Exit codes: 0 done, 1 error, 2 wrong usage, 3 the task that was waited for did not succeed.`

// helped is how kong's wish to end after --help comes back to execute.
type helped int

func execute(ctx context.Context, args []string, t *term.Terminal) (err error) {
	grammar := cli{Doctor: doctor.Command{Version: version}}
	sources := &resolver{}
	parser, err := kong.New(&grammar, kong.Name("sendoff"), kong.Description(description), kong.Writers(t.Stdout, t.Stderr),
		kong.Exit(func(code int) { panic(helped(code)) }), kong.Resolvers(sources),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 120}),
		host.Vars(), kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(t, sources))
	if err != nil {
		return err
	}
	defer func() {
		if code, ok := recover().(helped); ok {
			err = &term.Exit{Code: int(code)}
		}
	}()
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if sources.err != nil {
		return &term.Exit{Code: term.ExitUsage, Err: sources.err}
	}
	if err != nil {
		return usageError(err)
	}
	if command, _, _ := strings.Cut(parsed.Command(), " "); !slices.Contains(countSignals, command) {
		interrupted, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		defer stop()
		parsed.BindTo(interrupted, (*context.Context)(nil))
	}
	return parsed.Run()
}

// countSignals are the commands for which a second signal means more than the first.
var countSignals = []string{"serve", "run", "dispatcherd", "graph"}

// usageError says which help explains what went wrong.
func usageError(err error) error {
	command := "sendoff"
	if p, ok := errors.AsType[*kong.ParseError](err); ok && p.Context != nil {
		if n := p.Context.Selected(); n != nil {
			command = "sendoff " + n.Path()
			command = strings.TrimPrefix(command, "sendoff sendoff ")
			if !strings.HasPrefix(command, "sendoff") {
				command = "sendoff " + command
			}
		}
	}
	return term.Usage("%w\nsee: %s --help", err, command)
}
