//go:build unix

package process

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sendoff-dev/sendoff/internal/exec"
)

// carry has a worker carry out a call. ctx ends when it is to stop. alive is false when
// the worker takes no further call.
func (w *worker) carry(ctx context.Context, c *Call) (r Result, alive bool) {
	r.output = &output{task: c.ID, name: c.Name}
	w.charge(r.output)
	begun := time.Now()
	w.buf = appendTask(w.buf[:0], c)
	if err := w.write(w.buf); err != nil {
		signalGroup(w.pid, unix.SIGKILL)
		<-w.gone
		return Result{how: unstarted}, false // it had ended before, or reads no more
	}
	stop := newLadder(w, c)
	defer stop.end()
	alive = w.until(ctx, c, &r, stop)
	w.charge(nil)
	r.took, r.stage, r.late = time.Since(begun), stop.stage, stop.late
	return r, alive
}

// until waits for the end of a call, and stops it when its time is over or ctx is.
func (w *worker) until(ctx context.Context, c *Call, r *Result, stop *ladder) (alive bool) {
	done := ctx.Done()
	for {
		select {
		case f := <-w.frames:
			switch {
			case f.Type == "control":
				go w.control(ctx, f)
			case f.ID != c.ID:
			case f.Type == "progress" && c.Progress != nil:
				c.Progress(Progress{f.Done, f.Total, f.Text})
			case f.Type == "done":
				r.read(&f, stop.stage != "")
				return !f.Stopping
			}
		case <-w.gone:
			return w.last(c, r, stop)
		case <-done:
			done = nil
			stop.hurry(context.Cause(ctx))
			stop.begin("canceled")
		case <-stop.due:
			stop.next()
		}
	}
}

// last looks for a frame that came before the end of the process.
func (w *worker) last(c *Call, r *Result, stop *ladder) bool {
	for {
		select {
		case f := <-w.frames:
			if f.Type == "done" && f.ID == c.ID {
				r.read(&f, stop.stage != "")
				return false
			}
			continue
		case <-time.After(20 * time.Millisecond): // what it wrote last may be on its way through the reader
		}
		break
	}
	r.how, r.exit = crashed, w.ended
	if stop.stage != "" {
		r.how = stopped
	}
	return false
}

// control answers what a task asks of the service.
func (w *worker) control(ctx context.Context, f frame) {
	fault := "this service offers no commands to tasks"
	var data []byte
	if w.p.cfg.Control != nil {
		var err error
		if data, err = w.p.cfg.Control(ctx, f.Command, f.Data); err == nil {
			fault = ""
		} else {
			fault = err.Error()
		}
	}
	_ = w.write(appendReply(nil, f.ID, data, fault)) // a worker that is gone is seen to be
}

// ladder is what is done, step by step, to stop an attempt: the worker is asked to, its
// group is told to, its group is ended.
type ladder struct {
	w        *worker
	c        *Call
	patience Patience
	timer    *time.Timer
	due      <-chan time.Time
	stage    string // the last step; "" = none
	late     bool   // it began because the time was over
}

// The steps of a ladder.
const (
	stageAsked  = "asked"
	stageTold   = "terminated"
	stageKilled = "killed"
)

func newLadder(w *worker, c *Call) *ladder {
	l := &ladder{w: w, c: c, patience: w.p.cfg.Patience}
	if c.Timeout > 0 {
		l.timer = time.NewTimer(c.Timeout)
		l.due = l.timer.C
	}
	return l
}

func (l *ladder) end() {
	if l.timer != nil {
		l.timer.Stop()
	}
}

// hurry has less patience when it is not the task that is canceled: the node stops, or
// others may carry the task out by now.
func (l *ladder) hurry(cause error) {
	if !errors.Is(cause, exec.ErrCanceled) {
		l.patience = Patience{Asked: min(l.patience.Asked, 2*time.Second), Told: min(l.patience.Told, time.Second)}
	}
}

// begin takes the first step, unless it has been taken.
func (l *ladder) begin(reason string) {
	if l.stage != "" {
		return
	}
	l.step(stageAsked, l.patience.Asked)
	_ = l.w.write(line(cancelFrame{"cancel", l.c.ID, reason}))
	if l.w.looks {
		_ = unix.Kill(l.w.pid, unix.SIGUSR1)
	}
}

// next takes the next step.
func (l *ladder) next() {
	switch l.stage {
	case "":
		l.late = true
		l.begin("timeout")
	case stageAsked:
		l.step(stageTold, l.patience.Told)
		signalGroup(l.w.pid, unix.SIGTERM)
	default:
		l.step(stageKilled, time.Second)
		signalGroup(l.w.pid, unix.SIGKILL)
	}
}

func (l *ladder) step(stage string, patience time.Duration) {
	l.stage = stage
	l.w.p.staged(l.w, stage)
	l.end()
	l.timer = time.NewTimer(patience)
	l.due = l.timer.C
}
