package graphpy

import (
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

//go:embed python/dojobber.py
var moduleText string

//go:embed python/driver.py
var driverText string

// Host serves the module dojobber to Python processes, and the graphs that they
// make. Its methods may be called by any number of goroutines.
type Host struct {
	cfg      Config
	dir      string
	listener net.Listener
	loaded   chan loaded // the process that Load has started

	mu     sync.Mutex
	open   map[*channel]struct{}
	graphs int
	closed bool
	served sync.WaitGroup
}

// NewHost returns a host that listens. Close it.
func NewHost(cfg Config) (*Host, error) {
	if runtime.GOOS == "windows" {
		return nil, errors.New("graphpy: Python jobs need Unix sockets, which Python does not have on Windows")
	}
	dir, err := scratch()
	if err != nil {
		return nil, err
	}
	h := &Host{cfg: cfg, dir: dir, loaded: make(chan loaded, 1), open: map[*channel]struct{}{}}
	if err := h.listen(); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return h, nil
}

// scratch makes a directory that nobody else may enter, with a name short enough for
// a socket within it.
func scratch() (string, error) {
	dir, err := os.MkdirTemp("", "sendoff-graph-")
	if err == nil && len(dir) > 80 {
		os.RemoveAll(dir)
		dir, err = os.MkdirTemp("/tmp", "sendoff-graph-")
	}
	return dir, err
}

func (h *Host) listen() error {
	for name, text := range map[string]string{h.module(): moduleText, h.driver(): driverText} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			return err
		}
	}
	var err error
	if h.listener, err = net.Listen("unix", h.socket()); err != nil { //nolint:noctx // it waits for nothing
		return fmt.Errorf("graphpy: %w", err)
	}
	h.served.Go(h.accept)
	return nil
}

func (h *Host) module() string { return filepath.Join(h.dir, "lib", "dojobber.py") }
func (h *Host) driver() string { return filepath.Join(h.dir, "driver.py") }
func (h *Host) socket() string { return filepath.Join(h.dir, "channel") }

// Env returns the environment of a process that is to find the host: that of this
// process with the module first on Python's path.
func (h *Host) Env() []string {
	env := make([]string, 0, len(os.Environ())+2)
	path := filepath.Dir(h.module())
	for _, e := range os.Environ() {
		name, value, _ := strings.Cut(e, "=")
		switch {
		case name == "PYTHONPATH" && value != "":
			path += string(os.PathListSeparator) + value
		case name != "PYTHONPATH" && name != "SENDOFF_GRAPH":
			env = append(env, e)
		}
	}
	return append(env, "PYTHONPATH="+path, "SENDOFF_GRAPH="+h.socket())
}

// Graphs returns how many graphs were made so far.
func (h *Host) Graphs() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.graphs
}

// Close ends all connections and removes what the host has written. Runs under way
// are canceled.
func (h *Host) Close() error {
	h.listener.Close()
	h.mu.Lock()
	h.closed = true
	for c := range h.open {
		c.conn.Close()
	}
	h.mu.Unlock()
	h.served.Wait()
	return os.RemoveAll(h.dir)
}

func (h *Host) accept() {
	for {
		conn, err := h.listener.Accept()
		if err != nil {
			return // closed
		}
		h.served.Go(func() { h.serve(conn) })
	}
}

// enter notes a connection, and tells whether there is a host yet.
func (h *Host) enter(c *channel) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open[c] = struct{}{}
	return !h.closed
}

func (h *Host) leave(c *channel) {
	c.conn.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.open, c)
}

func (h *Host) count() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.graphs++
}

// serve answers what one process asks for one graph.
func (h *Host) serve(conn net.Conn) {
	c := newChannel(conn)
	defer h.leave(c)
	if !h.enter(c) {
		return
	}
	s := &script{host: h, caller: &caller{channel: c, threads: h.cfg.Parallel > 1}}
	for ask := range c.asks {
		if ask.Ask == "serve" || ask.Ask == "refuse" {
			h.loaded <- loaded{c, ask}
			<-c.gone.Done()
			return
		}
		c.send(s.answer(&ask))
	}
}
