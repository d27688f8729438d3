//go:build unix

package process

import (
	"bytes"
	"errors"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sendoff-dev/sendoff/internal/tail"
	"github.com/sendoff-dev/sendoff/task"
)

const (
	maxLine  = 8 << 10 // bytes of a line that are passed on
	maxDrain = 1 << 20 // bytes that are read at the end of a task at most, should others write on
)

// output is what one attempt prints, on both pipes.
type output struct {
	tail.Tail
	task string
	name string
}

// text returns what is kept, and whether there was more.
func (o *output) text() (kept []byte, cut bool) {
	kept, before := o.Last()
	return kept, before > 0
}

// headers are what is kept of it with the attempt.
func (o *output) headers() (h []task.Header) {
	text, cut := o.text()
	if len(text) > 0 {
		h = append(h, task.Header{Name: task.OutputHeader, Value: string(text)})
	}
	if cut {
		h = append(h, task.Header{Name: task.OutputCutHeader, Value: "1"})
	}
	return h
}

// pipe reads one of the pipes of a worker. All of it is read and charged under its lock,
// so who holds the lock and finds the pipe empty knows that everything that was printed
// before has been charged: a worker tells of the end of a task after it has flushed.
type pipe struct {
	file   *os.File
	raw    syscall.RawConn
	stderr bool
	print  func(Line) // nil = nobody reads it

	mu   sync.Mutex
	to   *output // nil = no task runs
	buf  []byte
	rest []byte // of a line that has no end yet, to be charged
	part []byte // the same, to be passed on
	skip bool   // the rest of a line that was cut
}

// newPipe reads from r, which is not blocking.
func newPipe(r *os.File, stderr bool, print func(Line)) (*pipe, error) {
	raw, err := r.SyscallConn()
	return &pipe{file: r, raw: raw, stderr: stderr, print: print, buf: make([]byte, 32<<10)}, err
}

// run reads until the other side is closed by all who hold it, or the pipe is.
func (p *pipe) run() {
	_ = p.raw.Read(func(fd uintptr) (over bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.read(int(fd), maxDrain)
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endLine()
}

// read takes what is there, at most so many bytes, and tells whether there will be no
// more.
func (p *pipe) read(fd, most int) (over bool) {
	for got := 0; got < most; {
		n, err := unix.Read(fd, p.buf)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return false
		case err != nil || n == 0:
			return true
		}
		got += n
		p.took(p.buf[:n])
	}
	return false
}

func (p *pipe) took(b []byte) {
	p.keep(b)
	if p.print == nil {
		return
	}
	for {
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			p.more(b)
			return
		}
		p.more(b[:end])
		p.endLine()
		b = b[end+1:]
	}
}

// keep charges whole lines, so that those of one pipe do not come into those of the other.
func (p *pipe) keep(b []byte) {
	if p.to == nil {
		return
	}
	if end := bytes.LastIndexByte(b, '\n') + 1; end > 0 {
		p.rest = append(p.rest, b[:end]...)
		p.keepRest()
		b = b[end:]
	}
	if p.rest = append(p.rest, b...); len(p.rest) > maxLine {
		p.keepRest()
	}
}

func (p *pipe) keepRest() {
	if p.to != nil && len(p.rest) > 0 {
		_, _ = p.to.Write(p.rest) // never fails
	}
	p.rest = p.rest[:0]
}

func (p *pipe) more(b []byte) {
	if p.skip {
		return
	}
	p.part = append(p.part, b[:min(len(b), maxLine-len(p.part))]...)
	p.skip = len(p.part) == maxLine
}

// endLine passes a line on.
func (p *pipe) endLine() {
	if p.print != nil && (len(p.part) > 0 || p.skip) {
		l := Line{Stderr: p.stderr, Text: bytes.TrimSuffix(p.part, []byte{'\r'})}
		if p.to != nil {
			l.Task, l.Name = p.to.task, p.to.name
		}
		p.print(l)
	}
	p.part, p.skip = p.part[:0], false
}

// charge charges what was printed until now to whom it was charged before, and what
// comes to somebody else; nil = nobody.
func (p *pipe) charge(to *output) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.raw.Control(func(fd uintptr) { p.read(int(fd), maxDrain) })
	p.keepRest()
	p.endLine()
	p.to = to
}

func (p *pipe) close() { _ = p.file.Close() }
