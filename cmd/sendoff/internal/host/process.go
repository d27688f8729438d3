package host

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/task"
)

// Guard is the argument with which this program is started to look after processes.
const Guard = "process-guard"

// Process is for tasks that processes carry out.
type Process struct {
	Allow     []string          `env:"SENDOFF_PROCESS_ALLOW" placeholder:"NAME" help:"What workers may run: dotted names, each with all below it; * = everything. Without it there are no workers."`
	Python    string            `env:"SENDOFF_PROCESS_PYTHON" placeholder:"FILE" help:"Interpreter of the workers. Default: that of VIRTUAL_ENV, then python3 of the PATH."`
	Worker    string            `env:"SENDOFF_PROCESS_WORKER" placeholder:"COMMAND" help:"Program of a worker in place of Python, with its arguments."`
	Command   map[string]string `env:"SENDOFF_PROCESS_COMMAND" mapsep:"none" placeholder:"NAME=COMMAND" help:"Program that is started for a task of this name, with the payload at stdin; {id}, {name}, {attempt} and {token} are filled in."`
	Commands  []string          `env:"SENDOFF_PROCESS_COMMANDS" placeholder:"PROGRAM" help:"Programs that graphs of jobs may run on this server, by name; any = all. Without it a graph with a command is refused."`
	Preload   []string          `env:"SENDOFF_PROCESS_PRELOAD" placeholder:"MODULE" help:"Python modules that each worker imports when it starts."`
	Fork      bool              `env:"SENDOFF_PROCESS_FORK" help:"Fork workers from one process that has imported the modules of --process-preload: they start in milliseconds and share its memory. Linux."`
	Env       []string          `env:"SENDOFF_PROCESS_ENV" placeholder:"NAME[=VALUE]" help:"Variables of workers, and of commands of graphs, beside PATH, HOME, LANG, PYTHONPATH and the like; * = all of this server's."`
	Dir       string            `env:"SENDOFF_PROCESS_DIR" placeholder:"DIR" help:"Directory that workers run in."`
	Min       int               `default:"1" env:"SENDOFF_PROCESS_MIN" placeholder:"N" help:"Workers that are kept."`
	Max       int               `default:"0" env:"SENDOFF_PROCESS_MAX" placeholder:"N" help:"Workers at a time; 0 = as many as there are processors."`
	Idle      time.Duration     `default:"15s" env:"SENDOFF_PROCESS_IDLE" help:"Workers beyond the least that do nothing for so long are retired."`
	Age       time.Duration     `default:"4h" env:"SENDOFF_PROCESS_AGE" help:"Workers that are older are replaced; 0 = never."`
	Tasks     int               `default:"0" env:"SENDOFF_PROCESS_TASKS" placeholder:"N" help:"Workers that have done so many tasks are replaced; 0 = never."`
	Memory    string            `env:"SENDOFF_PROCESS_MEMORY" placeholder:"SIZE" help:"Workers that use more after a task are replaced, such as 512MiB. Default: never."`
	MemoryMax string            `env:"SENDOFF_PROCESS_MEMORY_MAX" placeholder:"SIZE" help:"A worker or command that uses more, with all that it starts, is ended, such as 2GiB. Default: as much as there is."`
	Serves    []string          `env:"SENDOFF_PROCESS_SERVES" placeholder:"NAME" help:"Names of workers whose tasks these run, as enqueue --workers has them; default: those without a name."`
	Output    bool              `default:"true" negatable:"" env:"SENDOFF_PROCESS_OUTPUT" help:"Pass on to stdout and stderr what workers print."`
}

func (p *Process) check() error {
	switch {
	case p.Min < 1 || p.Min > 10_000:
		return term.Usage("--process-min %d: want 1 to 10000", p.Min)
	case p.Max != 0 && (p.Max < p.Min || p.Max > 10_000):
		return term.Usage("--process-max %d: want %d (--process-min) to 10000, or 0 for as many as there are processors", p.Max, p.Min)
	case p.Idle <= 0 || p.Age < 0 || p.Tasks < 0:
		return term.Usage("--process-idle is more than 0; --process-age and --process-tasks are 0 or more")
	case p.Fork && p.Worker != "":
		return term.Usage("--process-fork is for workers in Python: leave it out, or --process-worker")
	case len(p.Allow) == 0 && p.Worker != "":
		return term.Usage("--process-worker: what may it run? name it with --process-allow, * = everything")
	}
	for _, name := range p.Allow {
		if name == "" || strings.ContainsAny(name, " \t") {
			return term.Usage("--process-allow %q: want dotted names such as app.tasks, or *", name)
		}
	}
	for name, command := range p.Command {
		if name == "" || len(strings.Fields(command)) == 0 {
			return term.Usage("--process-command %s=%s: want NAME=PROGRAM ARGUMENT ...", name, command)
		}
	}
	if _, err := size(p.Memory); err != nil {
		return term.Usage("--process-memory %q: want a size such as 512MiB", p.Memory)
	}
	if most, err := size(p.MemoryMax); err != nil || most != 0 && most < 16<<20 {
		return term.Usage("--process-memory-max %q: want a size of 16MiB or more, such as 2GiB", p.MemoryMax)
	}
	return nil
}

// size reads a number of bytes; none is 0.
func size(text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	return humanize.ParseBytes(text)
}

// config is that of the engine; nil = there are no processes.
// variables are those of workers and commands beside the usual ones; all tells that they
// get all of this server's.
func (p *Process) variables() (names []string, all bool) {
	for _, name := range p.Env {
		if name == "*" {
			all = true
		} else {
			names = append(names, name)
		}
	}
	return names, all
}

// environ is what the commands of graphs get.
func (p *Process) environ() []string {
	names, all := p.variables()
	return (&engine.Processes{Env: names, AllEnv: all}).Environ()
}

func (p *Process) config() *engine.Processes {
	if len(p.Allow) == 0 && len(p.Command) == 0 {
		return nil
	}
	memory, _ := size(p.Memory)
	most, _ := size(p.MemoryMax)
	c := &engine.Processes{
		Python: p.Python, Worker: strings.Fields(p.Worker), Allow: p.Allow, Preload: p.Preload, Fork: p.Fork, Dir: p.Dir, Serves: p.serves(),
		Min: p.Min, Max: p.Max, Idle: p.Idle, Age: p.Age, Tasks: p.Tasks, Memory: int64(memory), MemoryMax: int64(most),
	}
	if p.Age == 0 {
		c.Age = -1
	}
	c.Env, c.AllEnv = p.variables()
	for name, command := range p.Command {
		if c.Commands == nil {
			c.Commands = map[string]engine.Command{}
		}
		c.Commands[name] = engine.Command{Argv: strings.Fields(command)}
	}
	if self, err := os.Executable(); err == nil {
		c.Guard = []string{self, Guard}
	}
	if p.Output {
		c.Output = PassOn()
	}
	return c
}

// serves are the names that the workers serve: default is none.
func (p *Process) serves() (names []string) {
	for _, name := range p.Serves {
		if name == task.DefaultWorkers {
			name = ""
		}
		names = append(names, name)
	}
	return names
}

// PassOn writes what processes print to where this server prints: each line behind the
// name of its task on a terminal, and as it is elsewhere, where programs read it.
func PassOn() func(engine.Line) {
	var mu sync.Mutex
	var text bytes.Buffer
	live := map[bool]bool{false: term.IsTerminal(os.Stdout), true: term.IsTerminal(os.Stderr)}
	return func(l engine.Line) {
		mu.Lock()
		defer mu.Unlock()
		text.Reset()
		if live[l.Stderr] && l.Name != "" {
			fmt.Fprintf(&text, "%s | ", l.Name)
		} else if live[l.Stderr] && l.Task != "" {
			fmt.Fprintf(&text, "%s | ", l.Task)
		}
		text.Write(l.Text)
		text.WriteByte('\n')
		to := os.Stdout
		if l.Stderr {
			to = os.Stderr
		}
		_, _ = to.Write(text.Bytes()) // nobody reads it any more
	}
}
