//go:build unix

package process

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
)

var errClosed = errors.New("the pool is closed")

// locked does what it is asked for on one thread that lives until asked is closed: Linux
// ends what a thread has started, with death signals, when the thread ends, not when its
// process does (golang.org/issue/27505).
func locked(asked <-chan func()) {
	runtime.LockOSThread() // and never unlocked: the thread ends with this
	for do := range asked {
		do()
	}
}

// fork starts a program in a group of its own.
func fork(p *program) (pid int, err error) {
	path, err := lookPath(p)
	if err != nil {
		return 0, err
	}
	attr := attributes()
	files := p.files
	if p.Cell > 0 && p.Cell < len(files) {
		into(attr, files[p.Cell])
		files = files[:p.Cell]
	}
	fds := make([]uintptr, len(files))
	for i, f := range files {
		fds[i] = f.Fd()
	}
	env := p.Env
	if env == nil {
		env = os.Environ()
	}
	if len(p.More) > 0 {
		env = append(slices.Clip(env), p.More...)
	}
	return syscall.ForkExec(path, p.Argv, &syscall.ProcAttr{Dir: p.Dir, Env: env, Files: fds, Sys: attr})
}

// lookPath finds the program as a shell would, in the PATH of this process.
func lookPath(p *program) (string, error) {
	path, err := exec.LookPath(p.Argv[0])
	if errors.Is(err, exec.ErrDot) {
		err = nil // it is the user's configuration that says so
	}
	return path, err
}
