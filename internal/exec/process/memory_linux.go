package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// cells keep processes within their memory: each is a cgroup (version 2) below one that
// has been delegated to this server, with all that its process starts in it.
type cells struct {
	dir  string
	next atomic.Int64
}

// newCells needs a cgroup that this process has for itself and may change. Processes may
// not stand in one that has children with limits, so it moves to a child of its own.
func newCells() (*cells, error) {
	dir, err := ownCgroup()
	if err != nil {
		return nil, err
	}
	if filepath.Base(dir) == serverCell { // it has moved before, or systemd has put it there
		dir = filepath.Dir(dir)
	}
	controllers, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return nil, err
	}
	if !bytes.Contains(controllers, []byte("memory")) {
		return nil, fmt.Errorf("%s has no control of memory", dir)
	}
	if err := moveTo(dir, filepath.Join(dir, serverCell)); err != nil {
		return nil, err
	}
	if err := unix.Access(filepath.Join(dir, serverCell, "cgroup.kill"), unix.W_OK); err != nil {
		return nil, fmt.Errorf("before Linux 5.14: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+memory"), 0); err != nil {
		return nil, err
	}
	return &cells{dir: dir}, nil
}

const serverCell = "server"

// moveTo moves this process from a cgroup, unless others are in it.
func moveTo(from, to string) error {
	self := strconv.Itoa(os.Getpid())
	procs, err := os.ReadFile(filepath.Join(from, "cgroup.procs"))
	if err != nil {
		return err
	}
	for pid := range strings.FieldsSeq(string(procs)) {
		if pid != self {
			return fmt.Errorf("%s has other processes too", from)
		}
	}
	if err := os.Mkdir(to, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return os.WriteFile(filepath.Join(to, "cgroup.procs"), []byte(self), 0)
}

// ownCgroup is the directory of the cgroup that this process is in.
func ownCgroup() (string, error) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	_, path, ok := strings.Cut("\n"+string(text), "\n0::")
	if !ok {
		return "", errors.New("this system has no cgroups of version 2")
	}
	path, _, _ = strings.Cut(path, "\n")
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(mounts)) {
		mount, kind, _ := strings.Cut(line, " - ")
		fields := strings.Fields(mount)
		if !strings.HasPrefix(kind, "cgroup2 ") || len(fields) < 5 {
			continue
		}
		if rel, err := filepath.Rel(fields[3], path); err == nil && !strings.HasPrefix(rel, "..") {
			return filepath.Join(fields[4], rel), nil
		}
	}
	return "", errors.New("no cgroups of version 2 are mounted")
}

// cell is the cgroup of one process.
type cell struct {
	path string
	dir  *os.File
}

// add makes a cell that may use so many bytes. Beyond them all that is in it is ended.
func (c *cells) add(limit int64) (*cell, error) {
	one, err := newCell(filepath.Join(c.dir, fmt.Sprintf("process-%d-%d", os.Getpid(), c.next.Add(1))))
	if err != nil {
		return nil, err
	}
	if err = one.set("memory.max", strconv.FormatInt(limit, 10)); err == nil {
		err = one.set("memory.oom.group", "1")
	}
	_ = one.set("memory.swap.max", "0") // where there is swap
	if err != nil {
		one.dir.Close()
		_ = os.Remove(one.path)
	}
	return one, err
}

func newCell(path string) (*cell, error) {
	if err := os.Mkdir(path, 0o755); err != nil {
		return nil, err
	}
	dir, err := os.Open(path)
	if err != nil {
		_ = os.Remove(path)
	}
	return &cell{path: path, dir: dir}, err
}

func (c *cell) set(name, value string) error {
	return os.WriteFile(filepath.Join(c.path, name), []byte(value), 0)
}

// over tells whether its process was ended for want of memory.
func (c *cell) over() bool { return oomKills(filepath.Join(c.path, "memory.events")) > 0 }

// remove ends what is left in it.
func (c *cell) remove() {
	_ = c.set("cgroup.kill", "1")
	for range 1000 { // what was ended stays in it until its parent has seen to it
		if err := os.Remove(c.path); err == nil || errors.Is(err, os.ErrNotExist) {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// oomKills counts the processes that the system has ended for want of memory, by a file
// that counts them: memory.events of a cgroup, or /proc/vmstat.
func oomKills(path string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(line, "oom_kill "); ok {
			kills, _ := strconv.Atoi(strings.TrimSpace(n))
			return kills
		}
	}
	return 0
}

// oomFile is the nearest file that counts what was ended around this process.
func oomFile() string {
	if dir, err := ownCgroup(); err == nil {
		path := filepath.Join(dir, "memory.events")
		if unix.Access(path, unix.R_OK) == nil {
			return path
		}
	}
	return "/proc/vmstat"
}

// trees are the bytes resident of processes, each with all that descend from it.
func trees(roots []int) map[int]int64 {
	children := map[int][]int{}
	for _, pid := range processes() {
		if parent, ok := parentOf(pid); ok {
			children[parent] = append(children[parent], pid)
		}
	}
	use := map[int]int64{}
	for _, root := range roots {
		for next := []int{root}; len(next) > 0; next = next[1:] {
			use[root] += resident(next[0])
			next = append(next, children[next[0]]...)
		}
	}
	return use
}
