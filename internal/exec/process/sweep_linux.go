package process

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"
)

const markName = "SENDOFF_POOL="

// newMark is a variable that marks all that a guardian starts, and what that starts.
func newMark() string { return markName + uuid.NewString() }

func markOf(env []string) string {
	for _, v := range env {
		if strings.HasPrefix(v, markName) {
			return v
		}
	}
	return ""
}

// sweep ends the processes that find finds, until there are none: one may start another
// while it is being ended. reap is called in between, by who is their parent.
func sweep(find func() []int, reap func()) {
	for until := time.Now().Add(4 * time.Second); time.Now().Before(until); time.Sleep(time.Millisecond) {
		left := 0
		for _, pid := range find() {
			if pid != os.Getpid() && unix.Kill(pid, unix.SIGKILL) == nil {
				left++
			}
		}
		reap()
		if left == 0 {
			return
		}
	}
}

func reapAll() {
	for {
		if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != nil || pid <= 0 {
			return
		}
	}
}

// descendants are all whose parents, or theirs, are a process. Zombies are among them.
func descendants(of int) (all []int) {
	children := map[int][]int{}
	for _, pid := range processes() {
		if parent, ok := parentOf(pid); ok {
			children[parent] = append(children[parent], pid)
		}
	}
	for next := []int{of}; len(next) > 0; {
		below := children[next[0]]
		all, next = append(all, below...), append(next[1:], below...)
	}
	return all
}

// marked are the living processes with a mark in the environment they were started with.
func marked(mark string) (all []int) {
	if mark == "" {
		return nil
	}
	for _, pid := range processes() {
		env, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
		if err == nil && (bytes.HasPrefix(env, []byte(mark+"\x00")) || bytes.Contains(env, []byte("\x00"+mark+"\x00"))) {
			all = append(all, pid)
		}
	}
	return all
}

func processes() (pids []int) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// parentOf reads /proc/PID/stat, where the name may hold anything: proc(5).
func parentOf(pid int) (int, bool) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, false
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0, false
	}
	parent, err := strconv.Atoi(string(fields[1]))
	return parent, err == nil
}

// resident is how many bytes of memory a process uses; 0 = it is not known.
func resident(pid int) int64 {
	statm, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "statm"))
	fields := bytes.Fields(statm)
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}

// forkWatch starts the watch apart from the guardian, whose end it has to see.
func forkWatch(argv []string, files []uintptr) (int, error) {
	path, err := os.Executable()
	if err != nil {
		return 0, err
	}
	return syscall.ForkExec(path, argv, &syscall.ProcAttr{Env: os.Environ(), Files: files, Sys: &syscall.SysProcAttr{Setsid: true}})
}
