package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of processor time in /proc: USER_HZ, 100 on every Linux that
// Go runs on.
const tick = 10 * time.Millisecond

func selfTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// treeTime is the processor time of a process, its children and those of them
// that have ended.
func treeTime(root int) time.Duration {
	children, times := map[int][]int{}, map[int]time.Duration{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if stat, err := os.ReadFile("/proc/" + e.Name() + "/stat"); err == nil {
			parent, took := parseStat(string(stat))
			children[parent] = append(children[parent], pid)
			times[pid] = took
		}
	}
	var total time.Duration
	for todo := []int{root}; len(todo) > 0; {
		pid := todo[len(todo)-1]
		todo = append(todo[:len(todo)-1], children[pid]...)
		total += times[pid]
	}
	return total
}

// parseStat reads the parent and utime + stime + cutime + cstime from a line of
// /proc/PID/stat. The name in it may hold anything, even a parenthesis.
func parseStat(stat string) (parent int, took time.Duration) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 15 {
		return 0, 0
	}
	parent, _ = strconv.Atoi(fields[1])
	for _, f := range fields[11:15] {
		n, _ := strconv.ParseInt(f, 10, 64)
		took += time.Duration(n) * tick
	}
	return parent, took
}

// machineTime is how long the processors were busy with anything.
func machineTime() time.Duration {
	b, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(b), "\n")
	return busyTime(line)
}

// busyTime adds user, nice, system, irq and softirq of the first line of
// /proc/stat.
func busyTime(line string) time.Duration {
	fields := strings.Fields(line)
	var ticks int64
	for _, i := range []int{1, 2, 3, 6, 7} {
		if i < len(fields) {
			n, _ := strconv.ParseInt(fields[i], 10, 64)
			ticks += n
		}
	}
	return time.Duration(ticks) * tick
}

// dieWithParent has a process end when the thread that started it ends.
func dieWithParent(a *syscall.SysProcAttr, signal syscall.Signal) { a.Pdeathsig = signal }
