//go:build unix

package process

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// worker is one warm process. Whoever has it from the pool has it alone: it starts
// nothing by itself but what reads from it.
type worker struct {
	p       *Pool
	number  int
	pid     int
	lang    string
	looks   bool // at its channel, upon SIGUSR1
	conn    *net.UnixConn
	pipes   [2]*pipe // stdout, stderr
	frames  chan frame
	gone    chan struct{} // closed when it has ended
	ended   exit          // how; to be read when gone is closed
	proc    *launched
	started time.Time

	// Under the lock of the pool.
	state workerState
	call  *Call // that it carries out
	since time.Time
	stage string // of what is done to stop it

	unwanted bool // it is to be replaced when its task has ended
	done     int  // attempts that it has carried out
	buf      []byte
}

type workerState string

// The states of a worker, as they are shown.
const (
	starting workerState = "starting"
	idle     workerState = "idle"
	running  workerState = "running"
	stopping workerState = "stopping"
)

// startWorker starts a process and waits until it is ready.
func (p *Pool) startWorker(ctx context.Context, w *worker) error {
	files, theirs, err := w.open()
	defer func() {
		for _, f := range theirs {
			f.Close()
		}
	}()
	if err != nil {
		return err
	}
	start := p.spawner.start
	if p.zygote != nil {
		start = p.zygote.start
	}
	proc, err := p.launch(&program{Argv: p.cfg.Worker, Env: p.cfg.Env, Dir: p.cfg.Dir, files: files}, start)
	if err != nil {
		w.closePipes()
		return fmt.Errorf("start %s: %w", p.cfg.Worker[0], err)
	}
	p.mu.Lock()
	w.pid, w.proc = proc.pid, proc
	p.mu.Unlock()
	go w.watch(proc.ended)
	go w.read()
	if err := w.write(line(helloFrame{"hello", Version, w.number, p.cfg.Settings})); err != nil {
		return w.abandon(err)
	}
	limited, cancel := context.WithTimeout(ctx, p.cfg.StartLimit)
	defer cancel()
	select {
	case f := <-w.frames:
		if f.Type != "ready" || f.V != Version {
			return w.abandon(fmt.Errorf("its first frame is %q of version %d: want ready of version %d", f.Type, f.V, Version))
		}
		p.mu.Lock()
		w.lang, w.looks = f.Lang, slices.Contains(f.Caps, "usr1")
		p.mu.Unlock()
		return nil
	case <-w.gone:
		return fmt.Errorf("it %s before it was ready", w.ended)
	case <-limited.Done():
		return w.abandon(fmt.Errorf("it was not ready after %s", p.cfg.StartLimit))
	}
}

// abandon ends a worker that is of no use.
func (w *worker) abandon(why error) error {
	signalGroup(w.pid, unix.SIGKILL)
	<-w.gone
	return why
}

// open makes the channel and the pipes. files are the ends of the process, by
// descriptor; all of theirs are to be closed when it has them.
func (w *worker) open() (files, theirs []*os.File, err error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	theirs = append(theirs, null)
	files = []*os.File{null}
	for i := range w.pipes {
		r, end, err := outputPipe()
		if err != nil {
			return nil, theirs, err
		}
		theirs, files = append(theirs, end), append(files, end)
		if w.pipes[i], err = newPipe(r, i == 1, w.p.cfg.Output); err != nil {
			return nil, theirs, err
		}
	}
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, theirs, err
	}
	unix.CloseOnExec(ends[0])
	unix.CloseOnExec(ends[1])
	ours, end := os.NewFile(uintptr(ends[0]), "worker"), os.NewFile(uintptr(ends[1]), "pool")
	defer ours.Close()
	theirs, files = append(theirs, end), append(files, end)
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, theirs, err
	}
	w.conn = conn.(*net.UnixConn)
	return files, theirs, nil
}

// outputPipe is a pipe whose reader does not block.
func outputPipe() (r, w *os.File, err error) { return os.Pipe() }

func (w *worker) closePipes() {
	for _, p := range w.pipes {
		if p != nil {
			p.close()
		}
	}
	if w.conn != nil {
		_ = w.conn.Close()
	}
}

// watch waits for the end of the process.
func (w *worker) watch(ended <-chan exit) {
	for _, p := range w.pipes {
		go p.run()
	}
	w.ended = <-ended
	close(w.gone)
	w.p.died(w)
}

// read reads frames until the other end is closed.
func (w *worker) read() {
	lines := bufio.NewScanner(w.conn)
	lines.Buffer(make([]byte, 4<<10), maxFrame)
	for lines.Scan() {
		var f frame
		if err := json.Unmarshal(lines.Bytes(), &f); err != nil {
			w.end("it wrote what is no frame: " + err.Error())
			return
		}
		select {
		case w.frames <- f:
		case <-w.gone:
			return
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		w.end(fmt.Sprintf("it wrote a frame of more than %d MiB", maxFrame>>20))
	}
}

// end ends a worker, and with it what it carries out, for a reason of its own.
func (w *worker) end(why string) {
	w.p.cfg.Log.Warn("a worker is ended", "worker", w.number, "pid", w.pid, "why", why)
	w.proc.end(exit{Why: why})
}

// write writes a frame. A worker that takes no frames for ten seconds takes none at all.
func (w *worker) write(b []byte) error {
	_ = w.conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	_, err := w.conn.Write(b)
	return err
}

// charge charges what it prints from now on to somebody else.
func (w *worker) charge(to *output) {
	for _, p := range w.pipes {
		p.charge(to)
	}
}
