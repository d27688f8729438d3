package graphpy

import (
	"io"
	"os"
	"sync"
	"syscall"
)

// output reads what a process prints and passes it on to whom it belongs. All is read
// under its lock, so that who holds it and finds the pipe empty has seen everything
// that was printed before: Python flushes before it replies.
type output struct {
	file  *os.File
	raw   syscall.RawConn
	usual io.Writer // for what belongs to no call
	over  chan struct{}

	mu sync.Mutex
	to io.Writer
}

// newOutput reads from r until it ends. usual may be nil.
func newOutput(r *os.File, usual io.Writer) (*output, error) {
	raw, err := r.SyscallConn()
	if err != nil {
		return nil, err
	}
	if usual == nil {
		usual = io.Discard
	}
	o := &output{file: r, raw: raw, usual: usual, to: usual, over: make(chan struct{})}
	go o.run()
	return o, nil
}

// run reads until all who print have closed the pipe, or it is closed here.
func (o *output) run() {
	defer close(o.over)
	buf := make([]byte, 32<<10)
	_ = o.raw.Read(func(fd uintptr) bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.read(fd, buf)
	})
}

// charge passes what was printed until now on as before, and what comes to another
// writer; nil is the usual one.
func (o *output) charge(to io.Writer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	_ = o.raw.Control(func(fd uintptr) { o.read(fd, make([]byte, 4<<10)) })
	if to == nil {
		to = o.usual
	}
	o.to = to
}

// close passes on what is left and reads no more, though a child that the process has
// left behind may print on.
func (o *output) close() {
	o.charge(nil)
	o.file.Close()
	<-o.over
}
