package dev

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mattn/go-isatty"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// child is the command of a run, in a process group of its own.
type child struct {
	cmd   *exec.Cmd
	asked atomic.Int32 // signals that asked it to stop
	done  chan struct{}
	code  int // once done
	cause string
}

// startChild starts a command whose output goes to the two writers.
func startChild(args, env []string, stdout, stderr io.Writer) (*child, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, stdout, stderr
	group(cmd)
	cmd.WaitDelay = 2 * time.Second // for what it left behind with our pipes
	if !isatty.IsTerminal(os.Stdin.Fd()) {
		cmd.Stdin = os.Stdin // a group in the background could not read a terminal
	}
	if err := cmd.Start(); err != nil {
		return nil, startError(args[0], err)
	}
	c := &child{cmd: cmd, done: make(chan struct{})}
	go c.wait()
	return c, nil
}

func startError(name string, err error) error {
	code := term.ExitError
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, os.ErrNotExist):
		code = 127 // as shells do
		if filepath.Base(name) == name {
			err = fmt.Errorf("%s: command not found: is it installed, and in PATH?", name)
		} else {
			err = fmt.Errorf("%s: no such file", name)
		}
	case errors.Is(err, os.ErrPermission):
		code = 126
		err = fmt.Errorf("%s: cannot be executed: %w", name, errors.Unwrap(err))
	}
	return &term.Exit{Code: code, Err: err}
}

func (c *child) wait() {
	err := c.cmd.Wait()
	c.code, c.cause = exitCode(c.cmd.ProcessState, err)
	close(c.done)
}

// exitCode is what a shell would say: 128 and the signal's number when it was
// ended by one.
func exitCode(s *os.ProcessState, err error) (code int, cause string) {
	if s == nil {
		return term.ExitError, err.Error()
	}
	if status, ok := s.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), "ended by signal " + status.Signal().String()
	}
	return s.ExitCode(), fmt.Sprintf("exited with code %d", s.ExitCode())
}

// signal passes a signal on to the group. The second that asks it to stop
// kills.
func (c *child) signal(sig syscall.Signal) {
	if sig == syscall.SIGINT && c.asked.Add(1) > 1 {
		sig = syscall.SIGKILL
	}
	signalGroup(c.cmd, sig)
}

// clean ends what the command left behind in its group.
func (c *child) clean() { signalGroup(c.cmd, syscall.SIGTERM) }

func (c *child) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}
