package durable

import (
	"cmp"
	"context"
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"time"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/internal/journal"
)

// errEvicted ends the contexts of a run that leaves memory.
var errEvicted = errors.New("sendoff: the function was suspended and left memory")

// command records what a branch asks for, or finds it in the journal. It does
// not return when the code does not fit the journal.
func (b *Branch) command(e journal.Entry) journal.Entry {
	r := b.run
	b.count++
	e.Kind, e.Branch, e.Count = journal.Command, b.id, max(e.Count, 1)
	if r.replay.active() {
		recorded, problem := r.replay.match(b, &e)
		if problem != nil {
			r.fail(problem)
			b.abandon()
		}
		r.met(recorded)
		return *recorded
	}
	if e.Site == "" {
		e.Site = r.host.site()
	}
	r.number(&e)
	r.write(&e)
	r.traceEntry(&e)
	return e
}

// Call asks for calls of one function, and returns a future for each. A
// detached one has ended at once: nobody waits for it.
func Call(ctx context.Context, calls []*sdkv1.Call, detached bool) []*Future {
	_, b := scopeOf(ctx)
	r := b.run
	if len(calls) == 0 {
		return nil
	}
	digest := fnv.New64a()
	for _, c := range calls {
		_, _ = digest.Write([]byte(c.GetInput().GetTypeUrl()))
		_, _ = digest.Write(c.GetInput().GetValue())
		_, _ = digest.Write([]byte{0})
	}
	e := b.command(journal.Entry{Op: journal.OpCall, Name: calls[0].GetFunction(), Digest: digest.Sum64(), Count: uint64(len(calls))})
	block := make([]Future, len(calls))
	out := make([]*Future, len(calls))
	path := b.path(b.count)
	for i, c := range calls {
		f := &block[i]
		*f = Future{run: r, kind: kindCall, ordinal: e.Ordinal + uint64(i), path: path, call: c, detached: detached, done: detached}
		c.CorrelationId = r.correlation(f.ordinal)
		out[i] = f
		r.ask(f)
	}
	return out
}

// StepFunc is the body of a step. It runs on a goroutine of its own, and gets
// the key of the step.
type StepFunc func(ctx context.Context, key string) StepEnd

// StepEnd is what came of a step.
type StepEnd struct {
	Value    Value
	Fail     *sdkv1.Error // nil = it succeeded
	Attempts int32        // that it took
}

// Step asks for a step. Its body starts when all branches are parked.
func Step(ctx context.Context, name string, body StepFunc) *Future {
	_, b := scopeOf(ctx)
	r := b.run
	e := b.command(journal.Entry{Op: journal.OpStep, Name: name})
	f := &Future{run: r, kind: kindStep, ordinal: e.Ordinal, path: b.path(b.count), body: body, ctx: ctx}
	r.steps[f.ordinal] = f
	r.toStart = append(r.toStart, f)
	return f
}

// Timer asks for a timer, and returns when it will go off, by the run's clock.
func Timer(ctx context.Context, d time.Duration) (*Future, time.Time) {
	_, b := scopeOf(ctx)
	return b.timer(b.run.now().Add(d))
}

// TimerAt is Timer for a point in time.
func TimerAt(ctx context.Context, at time.Time) (*Future, time.Time) {
	_, b := scopeOf(ctx)
	return b.timer(at)
}

func (b *Branch) timer(at time.Time) (*Future, time.Time) {
	e := b.command(journal.Entry{Op: journal.OpTimer, At: journal.Micros(at)})
	f := &Future{run: b.run, kind: kindTimer, ordinal: e.Ordinal, path: b.path(b.count), at: e.At}
	b.run.clock.start(f)
	return f, journal.Time(e.At)
}

// Go starts a branch.
func Go(ctx context.Context, fn func(context.Context) (any, error)) *Future {
	_, b := scopeOf(ctx)
	e := b.command(journal.Entry{Op: journal.OpGo})
	child := &Branch{id: e.Child, parent: b, number: b.count}
	b.run.newBranch(ctx, child, fn)
	return child.result
}

// WithTimeout returns a context that ends after d, by the run's clock.
func WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	_, b := scopeOf(ctx)
	f, at := b.timer(b.run.now().Add(d))
	s := newScope(ctx, b)
	s.deadline = at
	b.run.deadlines[f] = s
	return s, func() {
		if b.leaving() {
			s.stop(errEvicted)
			return
		}
		b.run.passed(f)
		Cancel(f)
		s.cancel(context.Canceled)
	}
}

// Cancel gives a future up: it ends with context.Canceled in an EndedError, and whatever comes
// of its command later is dropped. The branch of a branch's future sees its
// context end.
func Cancel(f *Future) {
	r := f.run
	if f.done || r.root.leaving() {
		return
	}
	if r.current.Load() == nil {
		panic(foreign)
	}
	if f.kind == kindBranch {
		f.branch.scope.cancel(context.Canceled)
		return
	}
	if f.kind == kindCall && f.sent {
		r.givenUp = append(r.givenUp, r.correlation(f.ordinal))
	}
	r.complete(f, func(f *Future) { f.err = EndedError{context.Canceled} })
}

// CancelAll gives up all that have not ended.
func CancelAll(futures []*Future) {
	inOrder := slices.Clone(futures)
	slices.SortStableFunc(inOrder, func(a, b *Future) int { return cmp.Compare(a.ordinal, b.ordinal) })
	for _, f := range inOrder {
		Cancel(f)
	}
}

// Signal returns a future of the next signal with that name. It takes one only
// while somebody waits for it.
func Signal(ctx context.Context, name string) *Future {
	_, b := scopeOf(ctx)
	return &Future{run: b.run, kind: kindSignal, signal: name}
}

// Promise asks for a promise and returns its place.
func Promise(ctx context.Context) (*Future, string) {
	_, b := scopeOf(ctx)
	b.command(journal.Entry{Op: journal.OpPromise})
	path := b.run.place(b.path(b.count))
	return &Future{run: b.run, kind: kindSignal, signal: PromisePrefix + path}, path
}

// PromisePrefix starts the names of the signals that keep promises.
const PromisePrefix = "promise:"

// bind gives a signal that came before to a future that is waited for.
func (f *Future) bind() {
	if f.kind != kindSignal || f.done {
		return
	}
	if v, ok := f.run.kept(f.signal); ok {
		f.run.complete(f, func(f *Future) { f.setSignal(v) })
	}
}

// setSignal takes the value of a signal; an Error is the rejection of a promise.
func (f *Future) setSignal(v Value) {
	if e, ok := asError(v); ok {
		f.fail, f.final = e, true
		return
	}
	f.value = v
}

// Version returns which version of a change this run follows: max for one that
// gets here for the first time, 0 for one that had passed it before the change.
func Version(ctx context.Context, change string, limit uint64) uint64 {
	_, b := scopeOf(ctx)
	r := b.run
	if v, ok := r.versions[change]; ok {
		return v
	}
	if v, ok := r.replay.versions[change]; ok {
		r.versions[change] = v
		return v
	}
	if r.replay.active() {
		r.versions[change] = 0
		return 0
	}
	r.versions[change] = limit
	r.log.Add(&journal.Entry{Kind: journal.Version, Name: change, N: limit})
	return limit
}

// Now is the run's clock: when it last learned something.
func Now(ctx context.Context) time.Time {
	_, b := scopeOf(ctx)
	return journal.Time(b.run.last)
}

// Random returns the branch's random numbers, the same in every replay.
func Random(ctx context.Context) *rand.Rand {
	_, b := scopeOf(ctx)
	if b.random == nil {
		b.random = rand.New(rand.NewPCG(b.run.info.Seed, b.id)) //nolint:gosec // repeatable on purpose
	}
	return b.random
}

// NewID returns 16 bytes, the same in every replay.
func NewID(ctx context.Context) (id [16]byte) {
	_, b := scopeOf(ctx)
	if b.ids == nil {
		b.ids = rand.New(rand.NewPCG(b.run.info.Seed, ^b.id)) //nolint:gosec // repeatable on purpose
	}
	for i := range id {
		id[i] = byte(b.ids.Uint32())
	}
	return id
}

// InfoOf describes the run. What it says of the journal is about the part up to
// where the code is, so that code that decides by it does the same in a replay.
func InfoOf(ctx context.Context) Info {
	_, b := scopeOf(ctx)
	r := b.run
	info := r.info
	info.Commands, info.JournalBytes = int64(r.given), r.size
	info.Replaying = r.replay.active()
	return info
}

// Replaying tells whether the run only repeats what its journal has; it may be
// called from any goroutine.
func Replaying(ctx context.Context) bool {
	s, ok := ctx.Value(scopeKey{}).(*scope)
	return ok && s.branch.run.replaying.Load()
}

// Root tells whether ctx is that of the function itself, not of a branch.
func Root(ctx context.Context) bool {
	_, b := scopeOf(ctx)
	return b.id == 0
}

// Suspended tells whether the run left memory, or its attempt is over: deferred
// functions run then, and nothing else.
func Suspended(ctx context.Context) bool {
	s, ok := ctx.Value(scopeKey{}).(*scope)
	return ok && s.branch.leaving()
}
