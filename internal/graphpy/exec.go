package graphpy

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// Exec runs a command, with the environment that lets Python scripts in it find the
// host, and returns its exit status: 128 and the number of the signal that ended it.
//
// When ctx ends, the scripts with a run under way are interrupted, as by Ctrl-C, so
// that they clean up; without one the command is told to end. A Ctrl-C at the
// terminal reaches the scripts by itself and is no reason to end ctx.
func (h *Host) Exec(ctx context.Context, cmd *exec.Cmd) (int, error) {
	cmd.Env = h.Env()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer context.AfterFunc(ctx, func() {
		if !h.interrupt() {
			_ = cmd.Process.Signal(syscall.SIGTERM)
		}
	})()
	err := cmd.Wait()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		return 0, err
	}
	return status(cmd.ProcessState), nil
}

// interrupt interrupts the processes that have a run under way, and tells whether
// there are any.
func (h *Host) interrupt() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	found := false
	for c := range h.open {
		if c.running() {
			found = true
			c.interrupt()
		}
	}
	return found
}

func status(p *os.ProcessState) int {
	if s, ok := p.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		return 128 + int(s.Signal())
	}
	return p.ExitCode()
}
