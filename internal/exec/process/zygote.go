//go:build unix

package process

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// adopter is a spawner that can look after processes that another one has forked, as if
// it had started them.
type adopter interface {
	adopt(pid int) (ended <-chan exit, err error)
}

// zygote is a worker that carries nothing out: it has imported what all workers need, and
// forks itself when one is to start.
type zygote struct {
	p *Pool

	mu     sync.Mutex
	w      *worker // nil = there is none
	lines  *bufio.Reader
	closed bool
}

// start forks a worker with these files as its descriptors; it is a spawner's start.
func (z *zygote) start(prog *program) (int, <-chan exit, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.closed {
		return 0, nil, errClosed
	}
	if err := z.renew(); err != nil {
		return 0, nil, err
	}
	files := prog.files
	if prog.Cell > 0 {
		files = files[:prog.Cell]
	}
	pid, err := z.fork(files)
	if err != nil {
		z.w.end("it forks no more: " + err.Error())
		return 0, nil, fmt.Errorf("fork a worker: %w", err)
	}
	ended, err := z.p.spawner.(adopter).adopt(pid)
	return pid, ended, err
}

// renew starts the process that forks, unless it lives.
func (z *zygote) renew() error {
	if z.w != nil {
		select {
		case <-z.w.gone:
			z.p.cfg.Log.Warn("the process that workers are forked from has ended", "pid", z.w.pid, "how", z.w.ended.String())
			z.w.closePipes()
			z.w = nil
		default:
			return nil
		}
	}
	w := &worker{p: z.p, number: -1, state: starting, started: time.Now(), gone: make(chan struct{})}
	if err := z.begin(w); err != nil {
		w.closePipes()
		return err
	}
	z.w, z.lines = w, bufio.NewReader(w.conn)
	if err := z.hello(); err != nil {
		w.end("it cannot prepare workers: " + err.Error())
		<-w.gone
		return fmt.Errorf("the process that workers are forked from %s", w.ended)
	}
	z.p.cfg.Log.Info("workers are forked from a process that is ready", "pid", w.pid, "after", time.Since(w.started).Round(time.Millisecond).String())
	return nil
}

func (z *zygote) begin(w *worker) error {
	p := z.p
	files, theirs, err := w.open()
	defer func() {
		for _, f := range theirs {
			f.Close()
		}
	}()
	if err != nil {
		return err
	}
	argv := append(append([]string{}, p.cfg.Worker...), "zygote")
	if w.proc, err = p.launch(&program{Argv: argv, Env: p.cfg.Env, Dir: p.cfg.Dir, files: files}, p.spawner.start); err != nil {
		return fmt.Errorf("start %s: %w", argv[0], err)
	}
	w.pid = w.proc.pid
	for _, out := range w.pipes {
		go out.run()
	}
	p.work.Go(func() { w.ended = <-w.proc.ended; close(w.gone) })
	return nil
}

// hello has it import what workers need, for as long as the start of a worker may take.
func (z *zygote) hello() error {
	defer context.AfterFunc(z.p.ctx, func() { _ = z.w.conn.SetReadDeadline(time.Now()) })()
	_ = z.w.conn.SetReadDeadline(time.Now().Add(z.p.cfg.StartLimit))
	if err := z.w.write(line(helloFrame{"hello", Version, z.w.number, z.p.cfg.Settings})); err != nil {
		return err
	}
	f, err := z.next()
	if err == nil && f.Type != "ready" {
		err = fmt.Errorf("its first frame is %q: want ready", f.Type)
	}
	return err
}

func (z *zygote) next() (f frame, err error) {
	text, err := z.lines.ReadBytes('\n')
	if err != nil {
		return f, err
	}
	return f, json.Unmarshal(text, &f)
}

func (z *zygote) fork(files []*os.File) (pid int, err error) {
	fds := make([]int, len(files))
	for i, f := range files {
		fds[i] = int(f.Fd())
	}
	_ = z.w.conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, _, err := z.w.conn.WriteMsgUnix([]byte("fork"), unix.UnixRights(fds...), nil); err != nil {
		return 0, err
	}
	f, err := z.next()
	if err == nil && f.PID <= 0 {
		err = errors.New("it could not")
	}
	return f.PID, err
}

// close ends it; the workers that it has forked live on.
func (z *zygote) close() {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.closed = true
	if z.w == nil {
		return
	}
	_ = z.w.conn.Close()
	select {
	case <-z.w.gone:
	case <-time.After(2 * time.Second):
		z.w.end("the pool is closed")
		<-z.w.gone
	}
	z.w.closePipes()
}
