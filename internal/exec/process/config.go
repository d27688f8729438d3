package process

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"time"
)

// Config of a Pool. The zero value has no worker that could be started: Worker, or at
// least one of Commands, is required.
type Config struct {
	Worker   []string           // the program of a worker and its arguments; see Python
	Commands map[string]Command // programs that are started for one task each, by the name that tasks call them by
	Env      []string           // of workers and commands, as NAME=VALUE
	Dir      string             // they work in; default that of this process
	Fork     bool               // workers are forked from a process that has imported what they need; for Python's, and where there is a Guard
	Settings json.RawMessage    // told to each worker when it starts; default {}

	Allow []string // what workers may be asked to run: dotted names, each with all below it; "*" = everything but lambdas
	Eval  bool     // workers may be sent texts that begin with "lambda"

	Min        int           // workers that are kept; default 1
	Max        int           // workers at a time; default as many as there are processors, at least Min
	Reserve    int           // workers beyond what there is to do that are kept; default 0
	Idle       time.Duration // after which a worker beyond Min is retired; default 15 s
	Age        time.Duration // after which a worker is replaced; default 4 h, negative = never
	Tasks      int           // after which a worker is replaced; 0 = never
	Memory     int64         // bytes resident after a task beyond which a worker is replaced; 0 = never
	Limit      int64         // bytes that a worker or command, with all that it starts, may use before it is ended; 0 = as much as there is
	StartLimit time.Duration // for a worker to be ready; default 1 min

	Patience Patience // with what is to stop

	Guard []string // the program that starts the guardian, and its arguments, see Guard; none = workers are started from here

	Output  func(Line)                                                                      // what they print, line by line; nil = nobody reads it
	Control func(ctx context.Context, command string, data json.RawMessage) ([]byte, error) // what tasks ask of the service, and JSON as the answer; nil = nothing is offered
	Log     *slog.Logger

	// Message is told of each attempt of a task whose payload is a message (see
	// MessageType), and may change the call. ended is told of its end. An error is why the
	// attempt is not to begin: exec.ErrCanceled, or ErrLost. nil = nobody wants to know.
	Message func(c *Call) (ended func(*Result), err error)

	cells   func() (*cells, error) // default newCells
	oomFile string                 // counts what the system has ended for want of memory; default oomFile()
}

// ErrLost says that a task is not to be begun, for whom it belongs to is gone.
var ErrLost = errors.New("the node that it belongs to is gone")

// Why a worker is not replaced.
var (
	ErrNoWorker    = errors.New("there is none")
	ErrWorkerState = errors.New("it starts or ends")
)

// MessageType is the content type of a payload that is a whole message of dispatcherd.
const MessageType = "application/vnd.dispatcherd+json"

// Command is a program that is started for one task, without a shell.
type Command struct {
	Argv    []string      // {id}, {attempt}, {token} and {name} stand for those of the task
	Timeout time.Duration // in place of that of the task; 0 = the task's
}

// Patience is how long each step of stopping an attempt may take before the next one:
// asked to stop, told to (SIGTERM), ended (SIGKILL).
type Patience struct {
	Asked time.Duration // default 10 s
	Told  time.Duration // default 5 s
}

// Line is one line that a worker or a command has printed. Its text is valid until the
// function that is given it returns.
type Line struct {
	Task   string // as it is known outside; "" = printed while no task ran
	Name   string // of the task
	Stderr bool
	Text   []byte // without the end of the line; cut at 8 KiB
}

func (c Config) withDefaults() Config {
	c.Min = max(c.Min, 1)
	c.Max = max(cmp.Or(c.Max, runtime.NumCPU()), c.Min)
	c.Idle = cmp.Or(c.Idle, 15*time.Second)
	c.Age = cmp.Or(c.Age, 4*time.Hour)
	c.StartLimit = cmp.Or(c.StartLimit, time.Minute)
	c.Patience.Asked = cmp.Or(c.Patience.Asked, 10*time.Second)
	c.Patience.Told = cmp.Or(c.Patience.Told, 5*time.Second)
	if c.Settings == nil {
		c.Settings = json.RawMessage(`{}`)
	}
	c.oomFile = cmp.Or(c.oomFile, oomFile())
	if c.cells == nil {
		c.cells = newCells
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c *Config) check() error {
	switch {
	case len(c.Worker) == 0 && len(c.Commands) == 0:
		return fmt.Errorf("process: neither a worker nor a command is configured")
	case len(c.Worker) == 0 && len(c.Allow) > 0:
		return fmt.Errorf("process: names are allowed, and there is no worker that could run them")
	}
	for name, cmd := range c.Commands {
		if len(cmd.Argv) == 0 || cmd.Argv[0] == "" {
			return fmt.Errorf("process: command %q names no program", name)
		}
	}
	return nil
}

// Allows tells whether tasks with this target may be carried out here.
func (c *Config) Allows(target string) bool {
	if _, ok := c.Commands[target]; ok {
		return true
	}
	if strings.HasPrefix(target, "lambda") {
		return c.Eval
	}
	target = dotted(target)
	for _, a := range c.Allow {
		a = dotted(a)
		if a == "*" || a == target || strings.HasPrefix(target, strings.TrimSuffix(a, ".*")+".") {
			return true
		}
	}
	return false
}

// dotted is a target in the one of its two spellings that has no colon.
func dotted(target string) string { return strings.Replace(target, ":", ".", 1) }

// Prefixed writes lines to w, each after the name of its task: for people.
func Prefixed(w io.Writer) func(Line) {
	return func(l Line) { fmt.Fprintf(w, "%s | %s\n", cmp.Or(l.Name, "worker"), l.Text) }
}
