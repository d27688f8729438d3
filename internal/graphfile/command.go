package graphfile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/jobgraph"
)

// The exit statuses of a check that say more than yes and no: those of sysexits.h for
// "try again later", and of Automake's tests for "skipped".
const (
	StatusCannotTell = 75
	StatusSkip       = 77
)

// command runs a program in a process group of its own.
func (c *call) command(ctx context.Context) (answer []byte, err error) {
	dir, err := os.MkdirTemp("", "sendoff-call-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	in, out := filepath.Join(dir, "in.json"), filepath.Join(dir, "out.json")
	doc, err := json.Marshal(c.doc)
	if err == nil {
		err = os.WriteFile(in, doc, 0o600)
	}
	if err != nil {
		return nil, err
	}
	cmd, err := c.prepare(in, out)
	if err != nil {
		return nil, err
	}
	said := &lastLine{}
	cmd.Stdout, cmd.Stderr = c.log, io.MultiWriter(c.log, said)
	err = c.host.Groups.run(ctx, cmd)
	return readAnswer(out), c.ended(ctx, cmd, err, said.String())
}

// prepare fills in what the command is.
func (c *call) prepare(in, out string) (*exec.Cmd, error) {
	argv := []string{"sh", "-c", c.Command.Shell}
	if c.Command.Shell == "" {
		argv = nil
		for _, t := range c.Command.Argv {
			arg, err := t.String(c.value)
			if err != nil {
				return nil, err
			}
			argv = append(argv, arg)
		}
	}
	dir, err := c.Command.Dir.String(c.value)
	if err != nil {
		return nil, err
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(c.file.Dir, dir)
	}
	cmd := exec.Command(argv[0], argv[1:]...) //nolint:noctx // its group is ended with the context, see Groups
	if strings.Contains(argv[0], "/") && !filepath.IsAbs(argv[0]) {
		cmd.Path = filepath.Join(dir, argv[0])
	}
	cmd.Dir, cmd.Env = dir, slices.Clone(c.host.Env)
	if c.host.Env == nil {
		cmd.Env = os.Environ()
	}
	for _, p := range append(append([]Pair(nil), c.file.Env...), c.Command.Env...) {
		value, err := p.Value.String(c.value)
		if err != nil {
			return nil, err
		}
		cmd.Env = append(cmd.Env, p.Name+"="+value)
	}
	cmd.Env = append(cmd.Env, "SENDOFF_IN="+in, "SENDOFF_OUT="+out, "SENDOFF_JOB="+c.doc.Job,
		fmt.Sprintf("SENDOFF_ATTEMPT=%d", c.doc.Attempt), "SENDOFF_CALL="+string(c.doc.Call))
	return cmd, nil
}

// ended says how a command ended: with the last line of its standard error, when it has one.
func (c *call) ended(ctx context.Context, cmd *exec.Cmd, err error, said string) error {
	if err == nil {
		return nil
	}
	exited, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return c.unstarted(cmd, err)
	}
	text := said
	if text == "" {
		text = fmt.Sprintf("%s: %s", cmd.Args[0], exited.ProcessState)
	}
	failure := &CallError{Kind: "ExitStatus", Text: text}
	if c.doc.Call == jobgraph.CallCheck && ctx.Err() == nil {
		switch exited.ExitCode() {
		case StatusCannotTell:
			return jobgraph.CannotTell(failure)
		case StatusSkip:
			return jobgraph.Skip(text)
		}
	}
	return failure
}

// unstarted says why a command did not begin. A check that did not has found nothing out.
func (c *call) unstarted(cmd *exec.Cmd, err error) error {
	failure := &CallError{Kind: "NotStarted", Text: fmt.Sprintf("%s: %v", cmd.Args[0], err)}
	if c.doc.Call == jobgraph.CallCheck {
		return jobgraph.CannotTell(failure)
	}
	return failure
}

// readAnswer is what a command has written; nil = nothing.
func readAnswer(path string) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	answer, _ := io.ReadAll(io.LimitReader(f, maxAnswer+1))
	return bytes.TrimSpace(answer)
}

// Groups are the process groups of the commands that run. The zero value is ready, and so
// is nil.
type Groups struct {
	mu      sync.Mutex
	running map[*exec.Cmd]bool
}

// Kill ends all of them at once.
func (g *Groups) Kill() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for cmd := range g.running {
		killGroup(cmd)
	}
}

// start starts a command. One that has started is known: there is no moment at which Kill
// would miss it.
func (g *Groups) start(cmd *exec.Cmd) error {
	if g == nil {
		return cmd.Start()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	if g.running == nil {
		g.running = map[*exec.Cmd]bool{}
	}
	g.running[cmd] = true
	return nil
}

func (g *Groups) forget(cmd *exec.Cmd) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.running, cmd)
}

// run waits for a command. When ctx ends, its group gets SIGTERM, and SIGKILL after the
// grace or once the command itself has ended.
func (g *Groups) run(ctx context.Context, cmd *exec.Cmd) error {
	newGroup(cmd)
	cmd.WaitDelay = time.Second // for what it left behind with our pipes
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := g.start(cmd); err != nil {
		return err
	}
	defer g.forget(cmd)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		return withoutDelay(err)
	case <-ctx.Done():
	}
	endGroup(cmd)
	patience := time.NewTimer(grace)
	defer patience.Stop()
	select {
	case err := <-ended:
		killGroup(cmd)
		return withoutDelay(err)
	case <-patience.C:
	}
	killGroup(cmd)
	return withoutDelay(<-ended)
}

// withoutDelay forgives a command that it left something behind which holds its pipes.
func withoutDelay(err error) error {
	if errors.Is(err, exec.ErrWaitDelay) {
		return nil
	}
	return err
}
