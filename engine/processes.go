package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/internal/exec/process"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/telemetry"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Processes is a pool of warm processes that carry out tasks with a Process, and the
// commands that are started for one task each. A task of this kind runs code of its
// submitter's choice among what is allowed, so nothing is until it is named. Unix only.
type Processes struct {
	Python   string             // interpreter of the workers; default that of $VIRTUAL_ENV, then python3 of the PATH
	Worker   []string           // a program of your own in place of Python, which speaks the protocol of docs/workers.md
	Commands map[string]Command // by the names that tasks call them by
	Allow    []string           // what workers may run: dotted names, each with all below it; "*" = everything but lambdas
	Lambda   bool               // workers may run texts that begin with lambda
	Preload  []string           // Python modules that each worker imports first
	Fork     bool               // workers are forked from one process that has imported Preload; needs Guard, on Linux
	Config   map[string]any     // of dispatcherd, for workers that can import it: see its dispatcher.yml
	Env      []string           // variables of workers and commands: NAME=VALUE, or NAME of one of this process
	AllEnv   bool               // they get all variables of this process
	Dir      string             // they work in; default that of this process
	Serves   []string           // names of workers whose tasks these carry out, as Task.Workers has them; default those that name none

	Min    int           // workers that are kept; default 1
	Max    int           // workers at a time; default as many as there are processors
	Idle   time.Duration // after which one beyond Min is retired; default 15 s
	Age    time.Duration // after which one is replaced; default 4 h, negative = never
	Tasks  int           // after which one is replaced; 0 = never
	Memory int64         // bytes resident after a task beyond which one is replaced; 0 = never

	// MemoryMax is how many bytes a worker or a command, with all that it starts, may use
	// before it is ended, and its task crashes; 0 = as many as there are. Where this process
	// has a cgroup of version 2 for itself that it may change, the system keeps them within
	// it; elsewhere they are looked at five times a second.
	MemoryMax int64

	Asked time.Duration // that a task may take to stop when it is asked to, before its group gets SIGTERM; default 10 s
	Told  time.Duration // that it may take then, before its group gets SIGKILL; default 5 s

	// Guard is the program, with its arguments, that calls ProcessGuard first of all: it
	// looks after the processes, and ends all of them when this one is gone. None: on Linux
	// workers end with this process, and what they started may not.
	Guard []string

	Output func(Line) // what they print, line by line; nil = it is kept with attempts only

	pool *process.Pool // that is there already
}

// SharedProcesses are the workers of a pool that somebody else keeps and runs, under the
// names that tasks know them by. It is for programs of this module.
func SharedProcesses(pool *process.Pool, serves ...string) *Processes {
	return &Processes{pool: pool, Serves: serves}
}

// Command is a program that is started for one task, without a shell, with the payload at
// its standard input.
type Command struct {
	Argv    []string      // {id}, {name}, {attempt} and {token} stand for those of the task
	Timeout time.Duration // in place of that of the task; 0 = the task's
}

// Line is one line that a process has printed. Its text is valid during the call.
type Line struct {
	Task   string // id of the task; "" = printed while none ran
	Name   string // of the task
	Stderr bool
	Text   []byte // cut at 8 KiB
}

// ProcessGuard is the whole life of a process that Processes.Guard has started. It
// returns when the server is gone and nothing is left of what it had started.
func ProcessGuard() error { return process.Guard() }

// passed are the variables that workers get unless all are: none of them is a secret.
var passed = []string{"PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH"}

// Environ returns the variables that workers and commands get, of this process and of Env.
func (ps *Processes) Environ() (env []string) {
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if ps.AllEnv || slices.Contains(passed, name) || slices.Contains(ps.Env, name) || strings.HasPrefix(name, "PYTHON") || strings.HasPrefix(name, "LC_") {
			env = append(env, v)
		}
	}
	for _, v := range ps.Env {
		if strings.Contains(v, "=") {
			env = append(env, v)
		}
	}
	return env
}

// config is that of the pool.
func (ps *Processes) config(cfg *Config) (process.Config, error) {
	c := process.Config{
		Worker: ps.Worker, Allow: ps.Allow, Eval: ps.Lambda, Env: ps.Environ(), Dir: ps.Dir, Guard: ps.Guard, Fork: ps.Fork,
		Min: ps.Min, Max: ps.Max, Idle: ps.Idle, Age: ps.Age, Tasks: ps.Tasks, Memory: ps.Memory, Limit: ps.MemoryMax,
		Patience: process.Patience{Asked: ps.Asked, Told: ps.Told}, Log: cfg.Log,
	}
	if ps.Fork && len(ps.Worker) > 0 {
		return c, errors.New("processes: Fork is for workers in Python: leave it out, or Worker")
	}
	settings := map[string]any{}
	if len(ps.Preload) > 0 {
		settings["preload"] = ps.Preload
	}
	if ps.Config != nil {
		settings["dispatcherd"] = ps.Config
	}
	var err error
	if c.Settings, err = json.Marshal(settings); err != nil {
		return c, fmt.Errorf("processes: settings of workers: %w", err)
	}
	if len(ps.Commands) > 0 {
		c.Commands = map[string]process.Command{}
		for name, cmd := range ps.Commands {
			c.Commands[name] = process.Command{Argv: cmd.Argv, Timeout: cmd.Timeout}
		}
	}
	if out := ps.Output; out != nil {
		c.Output = func(l process.Line) { out(Line{Task: l.Task, Name: l.Name, Stderr: l.Stderr, Text: l.Text}) }
	}
	if len(c.Worker) == 0 && (len(c.Allow) > 0 || c.Eval) {
		c.Worker, err = process.Python(ps.Python)
	}
	return c, err
}

func (e *Engine) wireProcesses() error {
	if e.cfg.Processes == nil {
		return nil
	}
	for _, name := range e.workerNames() {
		e.processPools = append(e.processPools, task.ProcessPool(name))
	}
	if e.processes = e.cfg.Processes.pool; e.processes != nil {
		return nil
	}
	cfg, err := e.cfg.Processes.config(&e.cfg)
	if err == nil {
		e.processes, err = process.New(cfg)
	}
	return err
}

// loopProcesses has this node claim what its processes carry out.
func (e *Engine) loopProcesses() {
	if e.processes == nil {
		return
	}
	e.executors[task.Process] = process.Executor{Pool: e.processes, Serves: e.workerNames(), Report: e.store.Report}
	l := e.loop("process", e.processes.Room, e.servesProcess)
	e.processes.OnChange(l.Ring)
	e.loops = append(e.loops, l)
	e.meters.WatchWorkers(func() telemetry.Workers {
		w := telemetry.Workers{ByState: map[string]int{}, Waiting: e.processes.Waiting()}
		w.Made, w.Retired = e.processes.Counts()
		for _, one := range e.processes.Workers() {
			w.ByState[one.State]++
		}
		return w
	})
}

// workerNames are those that this node's are.
func (e *Engine) workerNames() []string {
	if len(e.cfg.Processes.Serves) == 0 {
		return []string{""}
	}
	return e.cfg.Processes.Serves
}

// servesProcess tells whether this node claims from a pool: its own, and those that belong
// to a node which is gone, for what is in them to be ended.
func (e *Engine) servesProcess(pool string) bool {
	if e.processes == nil {
		return false
	}
	return slices.Contains(e.processPools, pool) || strings.HasPrefix(pool, ownPools) && !e.catalog.Served(pool)
}

var ownPools = task.ProcessPool(task.OwnWorkers)

var errNoProcesses = errors.New("this server has no processes: start it with --process-allow, see docs/processes.md")

// checkProcess refuses what no process may run. Another node may have processes, or workers
// of a name, when this one has none.
func (e *Engine) checkProcess(workers, target string) error {
	there := e.processes != nil && slices.Contains(e.workerNames(), workers)
	switch {
	case !there && e.shared:
		return nil
	case e.processes == nil:
		return errNoProcesses
	case !there:
		return fmt.Errorf("this server has no workers %q: it has %q", workers, e.workerNames())
	}
	cfg := e.processes.Config()
	if !cfg.Allows(target) {
		return fmt.Errorf("%q is not among what processes may run here: name it, or a package above it, in process.allow", target)
	}
	return nil
}

// Worker is a process of this node's pool.
type Worker struct {
	Number    int
	PID       int
	Lang      string // as it says
	State     string // starting, idle, running, stopping
	StartedAt time.Time
	Since     time.Time // in this state
	Done      int       // attempts that it has carried out
	Task      string    // id of the task that it runs; "" = none
	Process   string    // what that is
	Stage     string    // of what is done to stop it: asked, terminated, killed; "" = nothing
	Memory    int64     // bytes resident; 0 = not known
	Replaced  bool      // it ends with its task, and another one is started
}

// Workers lists the processes of this node's pool.
func (e *Engine) Workers() []Worker {
	if e.processes == nil {
		return nil
	}
	all := e.processes.Workers()
	out := make([]Worker, len(all))
	for i, w := range all {
		out[i] = Worker{
			Number: w.Number, PID: w.PID, Lang: w.Lang, State: w.State, StartedAt: w.Started, Since: w.Since, Done: w.Done,
			Task: w.Task, Process: w.Target, Stage: w.Stage, Memory: w.Memory, Replaced: w.Replaced,
		}
	}
	return out
}

// workers are those of this node as it tells of them.
func (e *Engine) workers() []operate.Worker {
	all := e.Workers()
	out := make([]operate.Worker, len(all))
	for i, w := range all {
		out[i] = operate.Worker{
			Number: w.Number, PID: w.PID, Lang: w.Lang, State: w.State, StartedAt: microsOf(w.StartedAt), Since: microsOf(w.Since), Done: w.Done,
			Task: w.Task, Process: w.Process, Stage: w.Stage, Memory: w.Memory, Replaced: w.Replaced,
		}
	}
	return out
}

// ReplaceWorker has a process of this node's pool end when its task has, at once when it has
// none; another one is started as far as one is needed. store.ErrNotFound, and an error while
// it starts or ends.
func (e *Engine) ReplaceWorker(number int) error { return e.replaceWorker(number) }

func (e *Engine) replaceWorker(number int) error {
	if e.processes == nil {
		return fmt.Errorf("worker %d: %w: this node has no processes", number, store.ErrNotFound)
	}
	err := e.processes.Replace(number)
	switch {
	case errors.Is(err, process.ErrNoWorker):
		return fmt.Errorf("worker %d: %w: it has just gone", number, store.ErrNotFound)
	case errors.Is(err, process.ErrWorkerState):
		return fmt.Errorf("worker %d: %w", number, operate.ErrWorkerState)
	}
	return err
}
