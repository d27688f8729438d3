//go:build unix

package process

import (
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// program is a process to be started: the leader of a group of its own.
type program struct {
	Argv  []string `json:"argv"`
	Env   []string `json:"env"`            // nil = that of the guardian
	More  []string `json:"more,omitempty"` // variables beside those
	Dir   string   `json:"dir,omitempty"`
	Cell  int      `json:"cell,omitempty"` // the file that is the cgroup to start it in, and none of its descriptors; 0 = none
	files []*os.File
}

// in has it start in a cgroup.
func (p *program) in(c *cell) {
	p.Cell, p.files = len(p.files), append(slices.Clip(p.files), c.dir)
}

// spawner starts processes and says when they have ended.
type spawner interface {
	// start starts a program whose files become its descriptors from 0 on. ended gets
	// one exit.
	start(p *program) (pid int, ended <-chan exit, err error)
	// close ends all of them that are left.
	close()
}

// signalGroup sends a signal to a process and those that it started, as far as they are
// in its group still.
func signalGroup(pid int, sig unix.Signal) { _ = unix.Kill(-pid, sig) }

// direct starts processes from this one. On Linux they end with it.
type direct struct {
	once  sync.Once
	asked chan func()

	mu     sync.Mutex
	alive  map[int]bool
	closed bool
}

func newDirect() *direct { return &direct{asked: make(chan func()), alive: map[int]bool{}} }

func (d *direct) start(p *program) (int, <-chan exit, error) {
	d.once.Do(func() { go locked(d.asked) })
	type started struct {
		pid int
		err error
	}
	done := make(chan started)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return 0, nil, errClosed
	}
	d.asked <- func() {
		pid, err := fork(p)
		done <- started{pid, err}
	}
	s := <-done
	if s.err != nil {
		return 0, nil, s.err
	}
	d.alive[s.pid] = true
	ended := make(chan exit, 1)
	go d.wait(s.pid, ended)
	return s.pid, ended, nil
}

func (d *direct) wait(pid int, ended chan<- exit) {
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(pid, &status, 0, nil)
		if err != unix.EINTR {
			break
		}
	}
	d.mu.Lock()
	delete(d.alive, pid)
	d.mu.Unlock()
	signalGroup(pid, unix.SIGKILL) // what it left behind
	ended <- exitOf(status)
}

func (d *direct) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	d.closed = true
	for pid := range d.alive {
		signalGroup(pid, unix.SIGKILL)
	}
	d.once.Do(func() {}) // never started
	close(d.asked)
}

func exitOf(status unix.WaitStatus) exit {
	if status.Signaled() {
		return exit{Code: -1, Signal: int(status.Signal())}
	}
	return exit{Code: status.ExitStatus()}
}
