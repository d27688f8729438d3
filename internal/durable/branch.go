package durable

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync/atomic"

	"github.com/sendoff-dev/sendoff/internal/journal"
)

// Branch is a strand of a run: its function, or one started by Go.
type Branch struct {
	run      *Run
	id       uint64
	parent   *Branch
	number   uint64 // of the command that made it, in its parent
	scope    *scope
	count    uint64           // commands so far
	recorded []*journal.Entry // commands in the journal that is replayed
	result   *Future
	wait     *wait
	queued   bool
	done     bool
	evicted  atomic.Bool
	random   *rand.Rand
	ids      *rand.Rand

	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
}

// newBranch makes a branch that runs fn when the scheduler comes to it.
func (r *Run) newBranch(ctx context.Context, b *Branch, fn func(context.Context) (any, error)) {
	b.run = r
	b.scope = newScope(ctx, b)
	b.result = &Future{run: r, kind: kindBranch, branch: b}
	if b.id < uint64(len(r.replay.branches)) {
		b.recorded = r.replay.branches[b.id]
	}
	b.next, b.stop = iter.Pull(func(yield func(struct{}) bool) {
		b.yield = yield
		b.main(fn)
	})
	r.live[b] = struct{}{}
	r.enqueue(b)
}

// main runs the code of the branch and survives whatever it does.
func (b *Branch) main(fn func(context.Context) (any, error)) {
	returned := false
	defer func() {
		p := recover()
		b.done = true
		switch {
		case b.leaving():
		case p != nil:
			b.run.fail(&PanicError{Value: p, Stack: debug.Stack()})
		case !returned:
			b.run.fail(&PanicError{Value: "the function called runtime.Goexit, as t.FailNow does", Stack: debug.Stack()})
		}
	}()
	value, err := fn(b.scope)
	returned = true
	b.scope.end()
	b.run.complete(b.result, func(f *Future) { f.local, f.err = value, err })
}

// leaving tells whether the run is being dropped: deferred functions run then, and
// nothing else.
func (b *Branch) leaving() bool { return b.evicted.Load() || b.run.interrupted.Load() }

// park gives way to the scheduler until the branch is woken.
func (b *Branch) park() {
	if !b.yield(struct{}{}) {
		runtime.Goexit()
	}
}

// abandon parks the branch for good; the run has failed.
func (b *Branch) abandon() {
	for {
		b.park()
	}
}

// evict unwinds the branch: its deferred functions run, nothing else. Goexit
// would go on in whoever calls stop, so that is a goroutine of its own.
func (b *Branch) evict() {
	b.evicted.Store(true)
	b.scope.stop(errEvicted)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.stop()
	}()
	<-done
}

// Path names the next command of the branch, as in "3/1".
func (b *Branch) path(command uint64) string {
	text := strconv.FormatUint(command, 10)
	for ; b.parent != nil; b = b.parent {
		text = strconv.FormatUint(b.number, 10) + "/" + text
	}
	return text
}

// place is a path that no other journal of the run has.
func (r *Run) place(path string) string { return journal.Place(r.info.Generation, path) }

// PanicError is a panic in a durable function.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }
