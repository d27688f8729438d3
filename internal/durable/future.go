package durable

import (
	"context"
	"slices"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
)

type futureKind uint8

const (
	kindCall futureKind = iota
	kindStep
	kindTimer
	kindBranch
	kindSignal
)

// Future is what will come of a command. Only branches of its run may use it.
type Future struct {
	run      *Run
	kind     futureKind
	done     bool
	sent     bool // a call that a poll carried
	detached bool // a call that nobody waits for
	final    bool // its end was read from the journal
	ordinal  uint64
	path     string

	value Value
	fail  *sdkv1.Error
	err   error
	local any

	waits  []*wait
	sink   *Sequence
	call   *sdkv1.Call // until it is sent
	signal string      // its name
	branch *Branch
	body   StepFunc
	ctx    context.Context //nolint:containedctx // of a step, until it starts
	cancel context.CancelFunc
	at     int64
}

// Done tells whether it has ended.
func (f *Future) Done() bool { return f.done }

// Failed tells whether it ended with an error.
func (f *Future) Failed() bool { return f.fail != nil || f.err != nil }

// Value is the encoded result of a call, a step or a signal.
func (f *Future) Value() Value { return f.value }

// Fail is the error that a call or a step ended with, as it was recorded.
func (f *Future) Fail() *sdkv1.Error { return f.fail }

// Err is the error of a branch, or why the future was given up.
func (f *Future) Err() error { return f.err }

// Local is what a branch returned.
func (f *Future) Local() any { return f.local }

// Final tells whether the end is on record, so that a retry meets it again.
func (f *Future) Final() bool { return f.final }

// Path names the command, as in "3/1".
func (f *Future) Path() string { return f.path }

// complete ends a future and wakes who waits for it. The first end counts.
func (r *Run) complete(f *Future, end func(*Future)) {
	if f.done {
		return
	}
	end(f)
	f.done = true
	f.call, f.body, f.ctx = nil, nil, nil
	if f.cancel != nil {
		f.cancel()
	}
	switch f.kind {
	case kindCall:
		delete(r.calls, f.ordinal)
	case kindStep:
		delete(r.steps, f.ordinal)
		delete(r.running, f)
	case kindTimer:
		delete(r.timerOf, f.ordinal)
	case kindSignal:
		r.unlistAll(f)
	}
	for _, w := range f.waits {
		w.notify(f)
	}
	f.waits = nil
	if s := f.sink; s != nil {
		s.ready = append(s.ready, f)
		if s.wait != nil {
			s.wait.wake()
		}
	}
}

// Mode says when a wait is over.
type Mode uint8

// The modes.
const (
	ModeAll     Mode = iota // all have ended, or one failed
	ModeEvery               // all have ended
	ModeFirst               // one has ended
	ModeSuccess             // one has ended well, or all have ended
)

// wait is what a parked branch waits for.
type wait struct {
	branch  *Branch
	scope   *scope
	ctx     context.Context //nolint:containedctx // of the operation, for its end
	watched bool            // ctx can end without its scope
	mode    Mode
	pending int
	calls   int // of pending
	woken   bool
}

func (w *wait) notify(f *Future) {
	w.pending--
	if f.kind == kindCall {
		w.calls--
	}
	if w.pending == 0 || w.over(f) {
		w.wake()
	}
}

// over tells whether this end alone ends the wait.
func (w *wait) over(f *Future) bool {
	switch w.mode {
	case ModeAll:
		return f.Failed()
	case ModeSuccess:
		return !f.Failed()
	case ModeFirst:
		return true
	}
	return false
}

func (w *wait) wake() {
	if !w.woken {
		w.woken = true
		w.branch.run.enqueue(w.branch)
	}
}

// need is how many results of calls end the wait at the soonest; 0 = results
// of calls cannot. A failure, which may end it sooner, is told by itself where the
// server knows how to.
func (w *wait) need(prompt bool) int {
	if w.mode == ModeEvery || w.mode == ModeAll && prompt {
		return w.calls
	}
	return min(w.calls, 1)
}

// Wait parks the branch until the futures have ended as the mode says. The
// error is why ctx ended before that.
func Wait(ctx context.Context, mode Mode, futures ...*Future) error {
	s, b := scopeOf(ctx)
	for {
		w := &wait{branch: b, scope: s, ctx: ctx, mode: mode}
		if w.met(futures) {
			return nil
		}
		if ctx.Err() != nil {
			return cause(ctx)
		}
		for _, f := range futures {
			f.enlist(w)
		}
		b.suspend(w)
		for _, f := range futures {
			f.leave(w)
		}
	}
}

// met tells whether nothing is to be waited for, and counts what is.
func (w *wait) met(futures []*Future) bool {
	for _, f := range futures {
		if f.run != w.branch.run {
			panic("sendoff: a future was awaited outside the run that made it")
		}
		f.bind()
		switch {
		case f.done && w.over(f):
			return true
		case !f.done:
			w.pending++
			if f.kind == kindCall {
				w.calls++
			}
		}
	}
	return w.pending == 0
}

func (f *Future) enlist(w *wait) {
	if f.done {
		return
	}
	f.waits = append(f.waits, w)
	if f.kind == kindSignal {
		f.run.list(f)
	}
}

func (f *Future) leave(w *wait) {
	if f.done {
		return
	}
	f.waits = slices.DeleteFunc(f.waits, func(other *wait) bool { return other == w })
	if f.kind == kindSignal {
		f.run.unlist(f)
	}
}

// suspend parks the branch until w is woken or its context ends.
func (b *Branch) suspend(w *wait) {
	r := b.run
	if w.watched = w.ctx.Done() != nil && (w.scope.outside || w.ctx.Done() != w.scope.Done()); w.watched {
		r.watched = append(r.watched, w)
	}
	b.wait = w
	b.park()
	b.wait = nil
	if w.watched {
		r.watched = slices.DeleteFunc(r.watched, func(other *wait) bool { return other == w })
	}
}

// Sequence gives futures back in the order in which they end.
type Sequence struct {
	ready []*Future
	wait  *wait
}

// Add has the sequence give f back.
func (s *Sequence) Add(f *Future) {
	f.sink = s
	if f.done {
		s.ready = append(s.ready, f)
	}
}

// Next returns the next future that ended; ctx's error when that ends before.
func (s *Sequence) Next(ctx context.Context) (*Future, error) {
	sc, b := scopeOf(ctx)
	for len(s.ready) == 0 {
		if ctx.Err() != nil {
			return nil, cause(ctx)
		}
		s.wait = &wait{branch: b, scope: sc, ctx: ctx, mode: ModeFirst, pending: 1, calls: 1}
		b.suspend(s.wait)
		s.wait = nil
	}
	f := s.ready[0]
	s.ready = s.ready[1:]
	return f, nil
}
