package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The descriptors of a guardian.
const (
	guardSocket  = 3 // to the server
	guardAlive   = 4 // is open in the server and in the guardian: see watch
	guardWatched = 5 // its other end
)

// Guard is the whole life of a guardian: a program started as Config.Guard says calls it
// first of all, on its main goroutine, and exits when it returns. It starts what the
// server asks for and tells how it ends; and when the server is gone, it ends all that
// descends from it, whatever that has done to get away: it is their reaper.
func Guard() error {
	if len(os.Args) > 1 && os.Args[len(os.Args)-1] == watchArg {
		return watch()
	}
	runtime.LockOSThread() // what it starts ends with this thread, which is the process
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become the reaper: %w", err)
	}
	signals := make(chan os.Signal, 8) // taken, not ignored: that would be inherited
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT)
	go func() {
		for range signals {
		}
	}()
	conn, err := net.FileConn(os.NewFile(guardSocket, "server"))
	if err != nil {
		return fmt.Errorf("the guardian of a pool is started by a server: %w", err)
	}
	unix.CloseOnExec(guardSocket)
	unix.CloseOnExec(guardAlive)
	unix.CloseOnExec(guardWatched)
	w := &ward{conn: conn.(*net.UnixConn), by: map[int]int{}}
	w.startWatch()
	go w.reap()
	w.serve()
	sweep(func() []int { return append(descendants(os.Getpid()), marked(markOf(os.Environ()))...) }, reapAll)
	return nil
}

// ward is what a guardian looks after.
type ward struct {
	conn *net.UnixConn

	mu    sync.Mutex
	by    map[int]int // pid -> id that the server knows it by
	watch int         // pid of the watch
}

// serve starts what is asked for until the server is gone.
func (w *ward) serve() {
	buf, rights := make([]byte, 256<<10), make([]byte, unix.CmsgSpace(8*4))
	for {
		n, rn, _, _, err := w.conn.ReadMsgUnix(buf, rights)
		if err != nil || n == 0 {
			return
		}
		files, err := filesOf(rights[:rn])
		var a asked
		if err == nil {
			err = json.Unmarshal(buf[:n], &a)
		}
		if err == nil {
			a.files = files
			err = w.start(&a)
		}
		for _, f := range files {
			f.Close()
		}
		if err != nil {
			w.tell(told{ID: a.ID, Error: err.Error()})
		}
	}
}

func filesOf(rights []byte) (files []*os.File, err error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, err
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return files, err
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "passed"))
		}
	}
	return files, nil
}

// start starts a program. The reaper waits for the lock, so that it knows whom it finds.
func (w *ward) start(a *asked) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	pid, err := a.Adopt, error(nil)
	if pid == 0 {
		pid, err = fork(&a.program)
	} else if unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil) != nil {
		err = fmt.Errorf("process %d is not there to be looked after", pid)
	}
	if err != nil {
		return err
	}
	w.by[pid] = a.ID
	w.tell(told{ID: a.ID, PID: pid})
	return nil
}

func (w *ward) tell(t told) {
	text, err := json.Marshal(t)
	if err == nil {
		_, err = w.conn.Write(text)
	}
	_ = err // the server is gone, which the next read tells
}

// reap waits for all that end, also for those that have lost their parents.
func (w *ward) reap() {
	died := make(chan os.Signal, 1)
	signal.Notify(died, unix.SIGCHLD)
	for {
		for w.reapOne() {
		}
		select {
		case <-died:
		case <-time.After(time.Second): // a signal may come while another one waits
		}
	}
}

func (w *ward) reapOne() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	var status unix.WaitStatus
	pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
	switch {
	case errors.Is(err, unix.EINTR):
		return true
	case err != nil || pid <= 0:
		return false
	case pid == w.watch:
		w.watchAgain()
		return true
	}
	if id, ok := w.by[pid]; ok {
		delete(w.by, pid)
		signalGroup(pid, unix.SIGKILL) // what it left behind
		e := exitOf(status)
		w.tell(told{ID: id, Exit: &e})
	}
	return true
}

// The watch is for the end of server and guardian at once. Then nobody is left who knew
// what they had started but by the mark in its environment.

const watchArg = "watch"

func (w *ward) startWatch() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watchAgain()
}

// watchAgain starts the watch. Without one, all is well until both die at once.
func (w *ward) watchAgain() {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer null.Close()
	argv := append(append([]string{}, os.Args...), watchArg)
	w.watch, _ = forkWatch(argv, []uintptr{null.Fd(), null.Fd(), 2, null.Fd(), null.Fd(), guardWatched})
}

// watch waits until nobody holds the other end any more.
func watch() error {
	_, _ = os.NewFile(guardWatched, "watched").Read(make([]byte, 1))
	sweep(func() []int { return marked(markOf(os.Environ())) }, func() {})
	return nil
}
