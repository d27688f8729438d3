package graphpy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/jobgraph"
)

// patience is how long an interrupted process may take to end while it loads.
const patience = 5 * time.Second

// Program is a Python process with the jobs of a class in a file.
type Program struct {
	Goal *jobgraph.Job // with all that it stands on; the calls are made by the process

	host   *Host
	c      *channel
	cmd    *exec.Cmd
	output *output
	ended  chan struct{} // closed when the process has ended, with err
	err    error
}

// loaded is a process that has read its file, or could not.
type loaded struct {
	*channel
	ask message
}

// Load starts Python, which imports a file, and returns the graph below a class of
// it: FILE.py:CLASS. What is wrong with them is an [*Error]. The process lives until
// [Program.Close].
func Load(ctx context.Context, cfg Config, what string) (*Program, error) {
	host, err := NewHost(cfg)
	if err != nil {
		return nil, err
	}
	p := &Program{host: host, ended: make(chan struct{})}
	if err := p.start(what); err != nil {
		host.Close()
		return nil, err
	}
	if err := p.await(ctx); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// start starts the process. Its standard input is that of this one.
func (p *Program) start(what string) error {
	python, err := p.host.cfg.interpreter()
	if err != nil {
		return err
	}
	file, goal := what, ""
	if at := strings.LastIndex(what, ":"); at >= 0 {
		file, goal = what[:at], what[at+1:]
	}
	if _, err := os.Stat(file); err != nil {
		return err
	}
	p.cmd = exec.Command(python, p.host.driver(), file, goal) //nolint:noctx // it outlives runs that are canceled, for their cleanups
	p.cmd.Env, p.cmd.Stdin = p.host.Env(), os.Stdin
	theirs, err := p.listen()
	if err != nil {
		return err
	}
	defer theirs.Close()
	p.cmd.Stdout, p.cmd.Stderr = theirs, theirs
	if err := p.cmd.Start(); err != nil {
		p.output.close()
		return fmt.Errorf("start %s: %w", python, err)
	}
	go func() {
		defer close(p.ended)
		p.err = p.cmd.Wait()
	}()
	return nil
}

// listen makes the pipe that the process prints to, and returns its end.
func (p *Program) listen() (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	if p.output, err = newOutput(r, p.host.cfg.Output); err != nil {
		r.Close()
		w.Close()
		return nil, err
	}
	return w, nil
}

// await waits for the graph.
func (p *Program) await(ctx context.Context) error {
	select {
	case l := <-p.host.loaded:
		return p.take(l)
	case <-p.ended:
		return p.lastWord()
	case <-ctx.Done():
		p.giveUp()
		return context.Cause(ctx)
	}
}

// lastWord is what a process that has ended had to say: it may still be on its way.
func (p *Program) lastWord() error {
	select {
	case l := <-p.host.loaded:
		return p.take(l)
	case <-time.After(time.Second):
		return &Error{Type: "ProcessLost", Message: fmt.Sprintf("Python ended before it had read the jobs: %v", p.err)}
	}
}

// giveUp has a process end that still loads.
func (p *Program) giveUp() {
	_ = p.cmd.Process.Signal(os.Interrupt)
	select {
	case l := <-p.host.loaded:
		p.c = l.channel
	case <-p.ended:
	case <-time.After(patience):
		p.Kill()
	}
}

func (p *Program) take(l loaded) error {
	p.c = l.channel
	if l.ask.Ask == "refuse" {
		return l.ask.Error
	}
	p.c.process = l.ask.Process
	calls := &caller{channel: p.c, threads: p.host.cfg.Parallel > 1, output: p.output}
	goal, err := calls.goal(l.ask.Jobs)
	if err != nil {
		return err
	}
	p.Goal = goal
	p.c.send(map[string]any{"begin": map[string]any{"args": listOf(p.host.cfg.Args), "kwargs": objectOf(p.host.cfg.Inputs)}})
	return nil
}

// Context returns a context for a run of the goal. It ends with ctx, and when the
// process ends or is interrupted.
func (p *Program) Context(ctx context.Context) (context.Context, context.CancelFunc) {
	return p.c.runContext(ctx)
}

// Kill ends the process at once.
func (p *Program) Kill() { _ = p.cmd.Process.Kill() }

// Close lets the process end, waits for that, and removes what was made for it. The
// error tells that it ended by itself, or badly.
func (p *Program) Close() error {
	if p.c != nil {
		p.c.send(answer{Answer: struct{}{}})
	}
	<-p.ended
	p.output.close()
	return errors.Join(p.err, p.host.Close())
}

func listOf(args []any) []any {
	if args == nil {
		return []any{}
	}
	return args
}

func objectOf(inputs map[string]any) map[string]any {
	if inputs == nil {
		return map[string]any{}
	}
	return inputs
}
