//go:build unix

package process

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// look replaces workers that are old, retires those that nobody needs, and starts those
// that are missing.
func (p *Pool) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range append([]*worker(nil), p.idle...) {
		switch {
		case p.cfg.Age > 0 && time.Since(w.started) > p.cfg.Age:
			p.retired++
			p.retire(w, "it is old")
		case p.live() > max(p.cfg.Min, p.busy()+len(p.line)+p.cfg.Reserve) && time.Since(w.since) > p.cfg.Idle:
			p.retire(w, "it is not needed")
		}
	}
	p.scale()
}

// live counts the workers that are there, or will be, for further calls.
func (p *Pool) live() (n int) {
	for _, w := range p.workers {
		if w.state != stopping {
			n++
		}
	}
	return n
}

func (p *Pool) busy() (n int) {
	for _, w := range p.workers {
		if w.state == running {
			n++
		}
	}
	return n
}

func (p *Pool) starting() (n int) {
	for _, w := range p.workers {
		if w.state == starting {
			n++
		}
	}
	return n
}

// scale starts the workers that are missing. Few are started at a time: a start costs
// more than most tasks, and those in line may be done by then.
func (p *Pool) scale() {
	if p.closed || p.spawner == nil || len(p.cfg.Worker) == 0 || time.Now().Before(p.retry) {
		return
	}
	begun, want := p.starting(), min(max(p.busy()+len(p.line), p.cfg.Min), p.cfg.Max)
	for n := p.live(); n < want && begun < max(runtime.NumCPU(), 2); n++ {
		w := &worker{p: p, number: p.number, state: starting, started: time.Now(), since: time.Now(), frames: make(chan frame, 4), gone: make(chan struct{})}
		p.number++
		p.workers[w.number] = w
		p.work.Go(func() { p.startOne(w) })
		begun++
	}
}

func (p *Pool) startOne(w *worker) {
	err := p.startWorker(p.ctx, w)
	p.mu.Lock()
	if err != nil {
		delete(p.workers, w.number)
		p.startFailed(err)
		p.mu.Unlock()
		return
	}
	p.fails = 0
	p.cfg.Log.Info("a worker is ready", "worker", w.number, "pid", w.pid, "lang", w.lang, "after", time.Since(w.started).Round(time.Millisecond).String())
	p.free(w)
	p.mu.Unlock()
	p.changed()
}

// startFailed has the next one started later, the more often it has failed.
func (p *Pool) startFailed(err error) {
	if p.closed || p.ctx.Err() != nil {
		return
	}
	wait := min(100*time.Millisecond<<min(p.fails, 10), 30*time.Second)
	p.fails++
	p.retry = time.Now().Add(wait)
	p.cfg.Log.Error("a worker cannot be started", "err", err, "again_in", wait.String())
	time.AfterFunc(wait, p.look)
}

// retire has a worker end that carries nothing out. why is empty for one that ends by
// itself.
func (p *Pool) retire(w *worker, why string) {
	if w.state == stopping {
		return
	}
	for i, other := range p.idle {
		if other == w {
			p.idle = append(p.idle[:i:i], p.idle[i+1:]...)
			break
		}
	}
	w.state, w.call, w.since = stopping, nil, time.Now()
	p.work.Go(func() { p.stopOne(w, why) })
}

func (p *Pool) stopOne(w *worker, why string) {
	if why != "" {
		_ = w.write(stopFrame)
	}
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGKILL, unix.SIGKILL} {
		select {
		case <-w.gone:
		case <-time.After(2 * time.Second):
			signalGroup(w.pid, sig)
			continue
		}
		break
	}
	<-w.gone
	w.charge(nil)
	w.closePipes()
	p.mu.Lock()
	delete(p.workers, w.number)
	p.scale()
	p.mu.Unlock()
	switch {
	case why != "":
		p.cfg.Log.Info("a worker is retired", "worker", w.number, "pid", w.pid, "why", why, "done", w.done)
	case w.ended.Code != 0 || w.ended.Signal != 0:
		p.cfg.Log.Warn("a worker has ended", "worker", w.number, "pid", w.pid, "how", w.ended.String(), "done", w.done)
	default:
		p.cfg.Log.Info("a worker has ended", "worker", w.number, "pid", w.pid, "how", w.ended.String(), "done", w.done)
	}
	p.changed()
}
