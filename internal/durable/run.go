package durable

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/internal/journal"
)

// Func is a durable function.
type Func func(ctx context.Context, input Value) (Value, error)

// Info describes a run.
type Info struct {
	ID, Parent, Root string
	Function         string
	Attempt          int
	Created, Expires time.Time // zero = not known
	Seed             uint64
	Epoch            uint64 // of correlation ids
	Generation       uint64 // tells the journals of the run apart; 0 = the first
	Commands         int64
	JournalBytes     int64
	Replaying        bool
}

// Run is a call of a function: its branches and what they wait for. Only one
// goroutine at a time may use it.
type Run struct {
	host *Host
	info Info
	ledger
	inbox
	outbox
	clock

	replay    replay
	replaying atomic.Bool

	root    *Branch
	live    map[*Branch]struct{}
	ready   []*Branch
	current atomic.Pointer[Branch]
	scopes  uint64
	watched []*wait

	steps    map[uint64]*Future
	toStart  []*Future
	running  map[*Future]struct{}
	versions map[string]uint64

	expired   bool // its time is over, or it was canceled
	canceled  bool // the server said so, and undoing is all that is left to do
	undoKnown bool // the server knows that there is something to undo
	dry       bool // only repeats its journal

	interrupted atomic.Bool  // the attempt is over while its code runs
	undoing     atomic.Int32 // sagas that have something to undo

	failure error
	attempt attempt
	mu      sync.Mutex
	ended   []stepEnd
	notify  chan struct{}
}

type stepEnd struct {
	f *Future
	StepEnd
}

// attempt is what a request brought.
type attempt struct {
	brought
	now      time.Time // by the server's clock
	received time.Time // by ours
	sendoff  bool      // the server is a Sendoff server
	virtual  bool
	canceled bool
	flush    func(ctx context.Context, segment *sendoffv1.Append) error
	listener *listener // nil = the server tells nothing beside the request
}

func newRun(h *Host, info Info, w *journal.Writer) *Run {
	return &Run{
		host: h, info: info, ledger: ledger{log: w, cut: -1}, inbox: newInbox(), outbox: outbox{calls: make(map[uint64]*Future)}, clock: newClock(),
		live: make(map[*Branch]struct{}), steps: make(map[uint64]*Future), running: make(map[*Future]struct{}),
		versions: make(map[string]uint64), notify: make(chan struct{}, 1),
	}
}

// start makes the root branch.
func (r *Run) start(ctx context.Context, fn Func, input Value) {
	r.root = &Branch{}
	r.newBranch(ctx, r.root, func(ctx context.Context) (any, error) { return fn(ctx, input) })
	if !r.info.Expires.IsZero() {
		r.root.scope.deadline = r.info.Expires
	}
}

func (r *Run) correlation(ordinal uint64) uint64 { return r.info.Epoch<<48 | ordinal }

func (r *Run) enqueue(b *Branch) {
	if !b.queued && !b.done {
		b.queued = true
		r.ready = append(r.ready, b)
	}
}

// fail ends the run for a reason that is not the function's own result.
func (r *Run) fail(err error) {
	if r.failure == nil {
		r.failure = err
	}
}

// now is the server's clock; what comes of it must be recorded.
func (r *Run) now() time.Time {
	if r.attempt.virtual {
		return r.attempt.now
	}
	return r.attempt.now.Add(time.Since(r.attempt.received))
}

var errInterrupted = errors.New("the attempt was interrupted")

// advance runs until the function ends or has to wait for the server. It uses a
// goroutine of its own because a Goexit in a branch goes on in its scheduler.
func (r *Run) advance(ctx context.Context, a attempt) error {
	r.brought, a.brought = a.brought, brought{}
	r.attempt = a
	stop := context.AfterFunc(ctx, r.interrupt)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer r.current.Store(nil)
		defer func() {
			if p := recover(); p != nil { // of a context of the user's making, for one
				r.fail(&PanicError{Value: p, Stack: debug.Stack()})
			}
		}()
		listening, quiet := context.WithCancel(ctx)
		defer quiet()
		r.drive(listening)
	}()
	<-done
	if !stop() && !errors.Is(r.failure, errInterrupted) { // whatever came of it, the code may have seen its context end
		r.failure = errInterrupted
	}
	return r.failure
}

// interrupt ends the contexts of code that runs when its attempt is over. That is
// not on record: no durable operation returns from then on, and what the code does
// until it ends is dropped with the run.
func (r *Run) interrupt() {
	r.interrupted.Store(true)
	r.root.scope.stop(context.Canceled)
}

func (r *Run) drive(ctx context.Context) {
	for r.failure == nil {
		r.runReady()
		if r.failure != nil || !r.step(ctx) {
			return
		}
	}
}

// runReady runs every branch until all are parked.
func (r *Run) runReady() {
	for len(r.ready) > 0 && r.failure == nil {
		if r.interrupted.Load() {
			r.fail(errInterrupted)
			return
		}
		b := r.ready[0]
		r.ready = r.ready[1:]
		b.queued = false
		if b.done {
			continue
		}
		r.replaying.Store(r.replay.active())
		r.current.Store(b)
		_, parked := b.next()
		r.current.Store(nil)
		if !parked {
			delete(r.live, b)
		}
		for _, w := range r.watched {
			if w.ctx.Err() != nil {
				w.wake()
			}
		}
	}
	r.ready = nil
}

// step takes one event, starts steps or waits for one. It returns false when
// there is nothing to be done without the server.
func (r *Run) step(ctx context.Context) bool {
	if r.replay.active() {
		r.repeat()
		return true
	}
	if r.dry {
		return false
	}
	if r.replay.entries != nil {
		r.replay = replay{versions: r.replay.versions}
	}
	switch {
	case r.root.done:
		return false
	case r.takeResult(), r.takeSignal(), r.takeStep(), r.takeCancel(), r.takeTimer():
		return true
	case len(r.toStart) > 0 && (r.sendsFirst() || r.tellsFirst()):
		return false
	case len(r.toStart) > 0:
		r.startSteps(ctx)
		return true
	case len(r.running) > 0:
		r.waitForSteps(ctx)
		return true
	case r.shortSleep():
		r.waitFor(ctx, r.untilTimer(time.Second))
		return true
	}
	r.checkDeadlock()
	return false
}

// repeat applies the next event of the journal.
func (r *Run) repeat() {
	if e := r.replay.missing(); e != nil {
		r.fail(r.missing(e))
		return
	}
	e := r.replay.events[r.replay.next]
	r.replay.next++
	r.size = max(r.size, e.End)
	r.apply(e, true)
}

// record journals an event and applies it.
func (r *Run) record(e journal.Entry) {
	e.At = r.tick(journal.Micros(r.now()))
	r.write(&e)
	r.traceEntry(&e)
	r.apply(&e, false)
}

func (r *Run) apply(e *journal.Entry, replayed bool) {
	r.tick(e.At)
	switch e.Kind {
	case journal.Done:
		r.applyDone(e, replayed)
	case journal.Signal:
		r.lastSig = int64(e.N)
		if f := r.deliver(e.Name, e.Value); f != nil {
			r.complete(f, func(f *Future) { f.setSignal(e.Value) })
		}
	case journal.Poll:
		r.markSent(int(min(e.N, uint64(len(r.unsent)))))
	case journal.Expire:
		r.expired, r.canceled = true, e.N == journal.ByCancel
		if r.canceled {
			r.root.scope.cancel(context.Canceled)
			return
		}
		r.root.scope.cancel(context.DeadlineExceeded)
	}
}

func (r *Run) applyDone(e *journal.Entry, replayed bool) {
	f := r.find(e.Ordinal)
	if f == nil {
		return
	}
	var fail *sdkv1.Error
	if e.Fail != nil {
		fail = new(sdkv1.Error)
		if err := proto.Unmarshal(e.Fail, fail); err != nil {
			fail = &sdkv1.Error{Type: "journal", Message: "the recorded error cannot be read"}
		}
	}
	r.complete(f, func(f *Future) { f.value, f.fail, f.final = e.Value, fail, replayed || f.kind != kindStep })
	if s := r.passed(f); s != nil {
		s.cancel(context.DeadlineExceeded)
	}
}

func (r *Run) find(ordinal uint64) *Future {
	if f := r.calls[ordinal]; f != nil {
		return f
	}
	if f := r.steps[ordinal]; f != nil {
		return f
	}
	return r.timerOf[ordinal]
}

// markSent notes that a poll carried the first n of the calls that were unsent.
func (r *Run) markSent(n int) {
	r.outbox.markSent(n)
	r.undoKnown = r.undoing.Load() > 0
}

// takeResult takes the next result that the request brought.
func (r *Run) takeResult() bool {
	if r.pollFail != nil {
		if f := r.nextSent(); f != nil { // one at a time, as a replay takes them
			r.record(journal.Entry{Kind: journal.Done, Ordinal: f.ordinal, Fail: encodeError(r.pollFail)})
			return true
		}
		r.pollFail = nil
	}
	for result := r.nextResult(); result != nil; result = r.nextResult() {
		id := result.GetCorrelationId()
		ordinal := id & (1<<48 - 1)
		if id>>48 != r.info.Epoch || r.calls[ordinal] == nil {
			continue // given before, or given up, or of an earlier life of the run
		}
		e := journal.Entry{Kind: journal.Done, Ordinal: ordinal, Value: FromAny(result.GetOutput())}
		if result.GetError() != nil {
			e.Fail = encodeError(result.GetError())
		}
		r.record(e)
		return true
	}
	return false
}

func (r *Run) takeSignal() bool {
	s := r.nextSignal()
	if s == nil {
		return false
	}
	r.record(journal.Entry{Kind: journal.Signal, Name: s.GetName(), N: uint64(max(s.GetSequence(), 0)), Value: FromAny(s.GetValue())})
	return true
}

// takeCancel ends the time of a run that is canceled. It has heard by then what came
// before, and begins nothing new.
func (r *Run) takeCancel() bool {
	if !r.attempt.canceled || r.expired {
		return false
	}
	r.record(journal.Entry{Kind: journal.Expire, N: journal.ByCancel})
	return true
}

// tellsFirst tells whether the server is to know that there is something to undo,
// before a step starts: otherwise it would end the run at once for a cancel.
func (r *Run) tellsFirst() bool {
	return r.attempt.sendoff && r.undoing.Load() > 0 && !r.undoKnown
}

// takeTimer lets one timer go off that is due.
func (r *Run) takeTimer() bool {
	now := journal.Micros(r.now())
	if f := r.due(now); f != nil {
		r.record(journal.Entry{Kind: journal.Done, Ordinal: f.ordinal})
		return true
	}
	if at := r.deadline(); !r.expired && !at.IsZero() && journal.Micros(at) <= now {
		r.record(journal.Entry{Kind: journal.Expire})
		return true
	}
	return false
}

// The time that a run keeps for undoing what it did: a part of its life.
const (
	undoShare = 10
	maxUndo   = 5 * time.Minute
)

// deadline is when the function is told that its time is over; zero = never. With
// something to undo that is before the run expires, for nothing of it runs afterwards.
func (r *Run) deadline() time.Time {
	at := r.info.Expires
	if at.IsZero() || r.undoing.Load() == 0 || r.info.Created.IsZero() {
		return at
	}
	return at.Add(-min(at.Sub(r.info.Created)/undoShare, maxUndo))
}

// Undoing notes that a saga has something to undo, or has not any more.
func Undoing(ctx context.Context, something bool) {
	s, ok := ctx.Value(scopeKey{}).(*scope)
	switch {
	case !ok:
	case something:
		s.branch.run.undoing.Add(1)
	default:
		s.branch.run.undoing.Add(-1)
	}
}

// untilTimer is the time until the next timer, at most limit.
func (r *Run) untilTimer(limit time.Duration) time.Duration {
	now := r.now()
	if f := r.timers.nearest(); f != nil {
		limit = min(limit, journal.Time(f.at).Sub(now))
	}
	if at := r.deadline(); !r.expired && !at.IsZero() {
		limit = min(limit, at.Sub(now))
	}
	return max(limit, 0)
}

// shortSleep tells whether all that is waited for is a timer so near that a
// poll is not worth it.
func (r *Run) shortSleep() bool {
	if r.attempt.virtual || r.open() || len(r.givenUp) > 0 || r.waits() && r.attempt.sendoff {
		return false
	}
	f := r.timers.nearest()
	return f != nil && journal.Time(f.at).Sub(r.now()) < time.Second
}

// waitFor waits for a step, the attempt's end, or a time.
func (r *Run) waitFor(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-r.notify:
	case <-timer.C:
	case <-ctx.Done():
		r.fail(errInterrupted)
	}
}

func (r *Run) checkDeadlock() {
	if r.open() || r.timers.nearest() != nil {
		return
	}
	switch {
	case r.waits() && !r.attempt.sendoff:
		r.fail(errors.New("the function waits for a signal or a promise, which this server does not have: use a Sendoff server"))
	case !r.waits():
		r.fail(errors.New("the function waits for something that can never come; does it block on a channel, a mutex or the future of a detached call?"))
	}
}

// evict unwinds all branches and frees the run. It may take as long as the
// deferred functions of the user.
func (r *Run) evict() {
	for _, f := range r.steps {
		if f.cancel != nil {
			f.cancel()
		}
	}
	for b := range r.live {
		b.evicted.Store(true)
	}
	for b := range r.live {
		b.evict()
	}
	r.live = nil
	if r.root != nil {
		r.root.scope.stop(errEvicted)
	}
}
