//go:build unix

package process

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// launched is a process that the pool has started, a worker or a command.
type launched struct {
	pid   int
	ended <-chan exit
	cell  *cell                // nil = it has none
	fault atomic.Pointer[exit] // why the pool has ended it; nil = it has not
}

// launch starts a program by a spawner's start, and keeps it within its memory.
func (p *Pool) launch(prog *program, start func(*program) (int, <-chan exit, error)) (*launched, error) {
	l := &launched{}
	if p.cells != nil {
		var err error
		if l.cell, err = p.cells.add(p.cfg.Limit); err != nil {
			return nil, fmt.Errorf("make its cgroup: %w", err)
		}
		defer l.cell.dir.Close()
		prog.in(l.cell)
	}
	pid, ended, err := start(prog)
	if err != nil {
		if l.cell != nil {
			l.cell.remove()
		}
		return nil, err
	}
	if l.cell != nil {
		_ = l.cell.set("cgroup.procs", strconv.Itoa(pid)) // one that was forked is where its parent is
	}
	told := make(chan exit, 1)
	l.pid, l.ended = pid, told
	p.mu.Lock()
	p.launched[l] = struct{}{}
	p.mu.Unlock()
	p.work.Go(func() {
		e := <-ended
		p.mu.Lock()
		delete(p.launched, l)
		p.mu.Unlock()
		told <- p.because(l, e)
		if l.cell != nil {
			l.cell.remove()
		}
	})
	return l, nil
}

// because adds to how a process ended why it did, as far as that is known.
func (p *Pool) because(l *launched, e exit) exit {
	if fault := l.fault.Load(); fault != nil {
		e.Why, e.OOM = fault.Why, fault.OOM
		return e
	}
	switch {
	case l.cell != nil && l.cell.over():
		e.OOM = true
	case e.Signal == int(unix.SIGKILL):
		// Who else ends what this server has started, and at the same time?
		kills := int64(oomKills(p.cfg.oomFile))
		e.OOM = p.oomSeen.Swap(kills) < kills
	}
	return e
}

// end ends a process and its group. The first reason counts.
func (l *launched) end(why exit) {
	l.fault.CompareAndSwap(nil, &why)
	signalGroup(l.pid, unix.SIGKILL)
}

// keepMemory makes ready for keeping processes within their memory: by cgroups where this
// server may, else by looking.
func (p *Pool) keepMemory() {
	p.oomSeen.Store(int64(oomKills(p.cfg.oomFile)))
	if p.cfg.Limit <= 0 {
		return
	}
	cells, err := p.cfg.cells()
	if err == nil {
		p.cells = cells
		return
	}
	p.cfg.Log.Info("the memory of processes is looked at from time to time: there is no cgroup that keeps them within it", "why", err)
	p.work.Go(func() { p.watchMemory(p.ctx) })
}

const memoryEvery = 200 * time.Millisecond

// watchMemory ends processes that use more than they may, with all that they started.
func (p *Pool) watchMemory(ctx context.Context) {
	tick := time.NewTicker(memoryEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p.mu.Lock()
		all := make(map[int]*launched, len(p.launched))
		pids := make([]int, 0, len(p.launched))
		for l := range p.launched {
			all[l.pid] = l
			pids = append(pids, l.pid)
		}
		p.mu.Unlock()
		for pid, use := range trees(pids) {
			if use > p.cfg.Limit {
				l := all[pid]
				p.cfg.Log.Warn("a process is ended: it uses too much memory", "pid", pid, "bytes", use, "limit", p.cfg.Limit)
				l.end(exit{OOM: true, Why: fmt.Sprintf("out of memory: it used %d MiB of %d", use>>20, p.cfg.Limit>>20)})
			}
		}
	}
}
