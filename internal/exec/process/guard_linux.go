package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// asked is what the guardian is asked to start, told what it answers. The files of the
// program go with the message.
type asked struct {
	ID    int `json:"id"`
	Adopt int `json:"adopt,omitempty"` // pid of a process to look after, in place of starting one
	program
}

type told struct {
	ID    int    `json:"id"`
	PID   int    `json:"pid,omitempty"`   // it has started
	Error string `json:"error,omitempty"` // it has not
	Exit  *exit  `json:"exit,omitempty"`  // it has ended
}

// guarded starts processes by a guardian, and starts another guardian when it is gone.
type guarded struct {
	argv []string
	env  []string

	mu     sync.Mutex
	closed bool
	g      *guardian
}

// newGuarded returns a spawner whose guardian is started by argv, with env for it and
// all that it starts.
func newGuarded(argv, env []string) (spawner, error) {
	s := &guarded{argv: argv, env: env}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s, s.renew()
}

func (s *guarded) start(p *program) (int, <-chan exit, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, nil, errClosed
	}
	if s.g.isOver() {
		if err := s.renew(); err != nil {
			return 0, nil, err
		}
	}
	fds := make([]int, len(p.files))
	for i, f := range p.files {
		fds[i] = int(f.Fd())
	}
	return s.g.ask(&asked{program: program{Argv: p.Argv, More: p.More, Dir: p.Dir, Cell: p.Cell}}, unix.UnixRights(fds...))
}

// adopt looks after a process whose parent is the guardian by now.
func (s *guarded) adopt(pid int) (<-chan exit, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	_, ended, err := s.g.ask(&asked{Adopt: pid}, nil)
	return ended, err
}

func (s *guarded) renew() error {
	g, err := startGuardian(s.argv, s.env)
	if err == nil {
		s.g = g
	}
	return err
}

func (s *guarded) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	_ = s.g.conn.Close()
	select {
	case <-s.g.over:
	case <-time.After(5 * time.Second): // it sweeps for less
	}
}

// guardian is the server's side of one.
type guardian struct {
	conn  *net.UnixConn
	alive *os.File // its other ends are held by the guardian: see watch
	pid   int
	mark  string
	over  chan struct{} // closed when it is gone, and all that it had started is

	mu   sync.Mutex
	next int
	by   map[int]*guardedProcess
}

type guardedProcess struct {
	started chan told
	ended   chan exit
	pid     int
}

// startGuardian starts a process that is asked over one end of a socket, and watches as
// long as the other end is open.
func startGuardian(argv, env []string) (*guardian, error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	ours, theirs := os.NewFile(uintptr(ends[0]), "guardian"), os.NewFile(uintptr(ends[1]), "server")
	defer theirs.Close()
	defer ours.Close()
	watched, alive, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer watched.Close()
	mark := newMark()
	g := &guardian{alive: alive, mark: mark, over: make(chan struct{}), by: map[int]*guardedProcess{}}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	path, err := lookPath(&program{Argv: argv})
	if err != nil {
		return nil, fmt.Errorf("start the guardian: %w", err)
	}
	g.pid, err = syscall.ForkExec(path, argv, &syscall.ProcAttr{
		Env:   append(append([]string{}, env...), mark),
		Files: []uintptr{null.Fd(), null.Fd(), 2, theirs.Fd(), alive.Fd(), watched.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true}, // what ends the server's group is for the server to judge
	})
	if err != nil {
		return nil, fmt.Errorf("start the guardian: %w", err)
	}
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, err
	}
	g.conn = conn.(*net.UnixConn)
	go g.listen()
	return g, nil
}

func (g *guardian) isOver() bool {
	select {
	case <-g.over:
		return true
	default:
		return false
	}
}

// ask asks the guardian for a process, with the files that it is to have.
func (g *guardian) ask(a *asked, rights []byte) (int, <-chan exit, error) {
	proc := &guardedProcess{started: make(chan told, 1), ended: make(chan exit, 1)}
	g.mu.Lock()
	g.next++
	a.ID = g.next
	g.by[a.ID] = proc
	g.mu.Unlock()
	text, err := json.Marshal(a)
	if err == nil {
		_, _, err = g.conn.WriteMsgUnix(text, rights, nil)
	}
	if err != nil {
		g.forget(a.ID)
		return 0, nil, fmt.Errorf("ask the guardian: %w", err)
	}
	select {
	case t := <-proc.started:
		if t.Error != "" {
			return 0, nil, errors.New(t.Error)
		}
		return t.PID, proc.ended, nil
	case <-g.over:
		return 0, nil, errors.New("the guardian has ended")
	}
}

func (g *guardian) forget(id int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.by, id)
}

// listen takes what the guardian tells until it is gone. Then what it had started is
// ended from here: none of it may live on unseen.
func (g *guardian) listen() {
	buf := make([]byte, 64<<10)
	for {
		n, _, _, _, err := g.conn.ReadMsgUnix(buf, nil)
		if err != nil || n == 0 {
			break
		}
		var t told
		if json.Unmarshal(buf[:n], &t) == nil {
			g.tell(t)
		}
	}
	_ = g.conn.Close()
	var status unix.WaitStatus
	for {
		if _, err := unix.Wait4(g.pid, &status, 0, nil); err != unix.EINTR {
			break
		}
	}
	sweep(func() []int { return marked(g.mark) }, func() {}) // they are not its children
	_ = g.alive.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.by {
		p.ended <- exit{Code: -1, Signal: int(unix.SIGKILL)}
	}
	g.by = nil
	close(g.over)
}

func (g *guardian) tell(t told) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.by[t.ID]
	switch {
	case p == nil:
	case t.Exit != nil:
		p.ended <- *t.Exit
		delete(g.by, t.ID)
	default:
		if t.Error != "" {
			delete(g.by, t.ID)
		}
		p.pid = t.PID
		p.started <- t
	}
}
