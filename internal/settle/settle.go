// Package settle is the fourth room: outcome to transition, applied. It asks
// task.Decide what an outcome means and has the store write it, fenced by the
// token of the attempt.
package settle

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sendoff-dev/sendoff/internal/need"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Bell tells those who have to know that there is something to do.
type Bell interface {
	Wake(woken []store.Woken) // tasks became ready
	Due(at int64)             // a task will be due, microseconds
}

// Watchers are those who wait for news of tasks.
type Watchers interface {
	Ended(id task.ID) // a task has reached a final state
	Told(id task.ID)  // a function has a message
}

// Meter counts.
type Meter interface {
	Settled(outcome task.Class, to task.State, took time.Duration)
	Stale() // a settle came too late
}

// Config of a Settler. All fields but Meter and Log are required.
type Config struct {
	Store interface {
		store.Settler
		Now() int64
		Left(ctx context.Context, stopped []store.Held) ([]store.Woken, error) // see store.Gates
	}
	Bell     Bell
	Watchers Watchers
	Call     func(ctx context.Context, caller *store.Claimed, call *task.Call) (store.NewTask, error) // a call of a function, as a row
	Left     func(id task.ID) (done <-chan struct{})                                                  // a task has left a store.Todo
	Look     func()                                                                                   // some task may have left a store.Todo of a gate, or for callbacks; nil = nobody is told
	Settled  func(end *End, to task.State, why task.Reason)                                           // an attempt has ended, and that is written; nil = nobody is told
	Meter    Meter                                                                                    // nil = nobody counts
	Log      *slog.Logger                                                                             // nil = none
}

// Settler is safe for concurrent use.
type Settler struct{ cfg Config }

// New returns a Settler.
func New(cfg Config) *Settler {
	need.Fields(cfg, "Store", "Bell", "Watchers", "Call", "Left")
	if cfg.Meter == nil {
		cfg.Meter = uncounted{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Settler{cfg}
}

type uncounted struct{}

func (uncounted) Settled(task.Class, task.State, time.Duration) {}
func (uncounted) Stale()                                        {}

// End is an attempt that has ended, and how.
type End struct {
	Task    *store.Claimed
	Spec    *task.Spec // nil = it could not be read
	Outcome task.Outcome
	Began   time.Time // zero = it was begun by another node
	Took    time.Duration
	Written *bool // set when the end was written; nil = nobody asks
}

// Settle writes the ends of attempts, in one transaction when the database takes
// them all. It blocks until that is on disk, and tries again while the database
// does not answer, until ctx ends; then the rescue takes the tasks back. A settle
// that came too late is counted and dropped: the task belongs to another attempt.
//
// It is for who has several ends at hand. There is no need to gather them: callers
// beside each other share their commits in the store's pipeline as well, 60 of them
// where a hundred attempts that do nothing run at a time.
func (s *Settler) Settle(ctx context.Context, ends ...End) {
	b := &batch{make([]ending, len(ends)), make([]store.Transition, len(ends))}
	for i := range ends {
		b.ends[i].End = ends[i]
	}
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		if s.try(ctx, b); len(b.ends) == 0 || !Pause(ctx, wait) {
			return
		}
	}
}

// batch is Ends on their way, with their transitions.
type batch struct {
	ends []ending
	ts   []store.Transition
}

// ending is an End on its way. Its transition is made once: sent again after a
// commit without an answer it must be the same.
type ending struct {
	End
	made bool
}

// put has what is at i stand at another place.
func (b *batch) put(i, at int) {
	b.ends[i], b.ends[at] = b.ends[at], b.ends[i]
	b.ts[i], b.ts[at] = b.ts[at], b.ts[i]
}

// try settles what it can and leaves the others in the batch.
func (s *Settler) try(ctx context.Context, b *batch) {
	n := 0 // those that can be written come first
	for i := range b.ends {
		if s.prepare(ctx, &b.ends[i], &b.ts[i]) {
			b.put(i, n)
			n++
		}
	}
	if n == 0 {
		return
	}
	errs, woken, err := s.cfg.Store.Settle(ctx, b.ts[:n])
	if err != nil {
		s.cfg.Log.Warn("settle failed, trying again", "tasks", n, "task_id", b.ts[0].ID, "err", err)
		return
	}
	if len(woken) > 0 {
		s.cfg.Bell.Wake(woken)
	}
	s.tell(b, errs)
	again := 0
	for i := range b.ends {
		if i >= n || s.refused(ctx, &b.ends[i], &b.ts[i], errs[i]) {
			b.put(i, again)
			again++
		}
	}
	b.ends, b.ts = b.ends[:again], b.ts[:again]
}

// prepare makes the transition of an end, and tells whether there is one.
func (s *Settler) prepare(ctx context.Context, e *ending, t *store.Transition) bool {
	if e.made {
		return true
	}
	err := s.transition(ctx, t, e.Task, e.Spec, &e.Outcome)
	if e.made = err == nil; !e.made {
		s.cfg.Log.Warn("preparing a settle failed, trying again", "task_id", e.Task.ID, "err", err)
	}
	return e.made
}

// refused deals with an end that was not written, and tells whether to write another one.
func (s *Settler) refused(ctx context.Context, e *ending, t *store.Transition, err error) (again bool) {
	switch {
	case err == nil:
		return false
	case errors.Is(err, store.ErrBadValue) && e.Outcome.Progress != nil:
		e.Outcome, e.made = unstorable(e.Outcome), false
		return true
	case errors.Is(err, store.ErrLeaseLost):
		s.cfg.Meter.Stale()
	}
	s.cfg.Log.Info("settle refused", "task_id", t.ID, "token", t.Token, "outcome", t.Outcome.String(), "err", err)
	s.stopped(ctx, e.Task)
	return false
}

// Pause waits for about d, half of it at least, and tells whether ctx goes on: between tries
// of nodes that are not to try all at once.
func Pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d/2 + rand.N(d/2)):
		return true
	}
}

// HandBack gives a task back that is perhaps not ours any more: it is ready again,
// or nothing happens.
func (s *Settler) HandBack(ctx context.Context, c *store.Claimed) {
	ts := make([]store.Transition, 1)
	if err := s.transition(ctx, &ts[0], c, nil, &task.Outcome{Class: task.Interrupt}); err != nil {
		return
	}
	errs, woken, err := s.cfg.Store.Settle(ctx, ts)
	switch {
	case err != nil || errs[0] != nil:
		s.stopped(ctx, c)
	case len(woken) > 0:
		s.cfg.Bell.Wake(woken)
	}
}

// stopped says that an attempt which is perhaps not ours any more has ended: until that
// is known, a task that was canceled keeps its places at gates.
func (s *Settler) stopped(ctx context.Context, c *store.Claimed) {
	if c.Flags&store.FlagGate == 0 {
		return
	}
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		woken, err := s.cfg.Store.Left(ctx, []store.Held{{ID: c.ID, Token: c.Token}})
		if err == nil {
			s.wakeGated(woken)
			return
		}
		s.cfg.Log.Warn("leaving gates failed, trying again", "task_id", c.ID, "err", err)
		if !Pause(ctx, wait) {
			return
		}
	}
}

// wakeGated tells of what came to be ready at gates, and that more may be let in later.
func (s *Settler) wakeGated(woken []store.Woken) {
	if len(woken) > 0 {
		s.cfg.Bell.Wake(woken)
	}
	s.cfg.Bell.Due(s.cfg.Store.Now()) // a rate may have given a time
	if s.cfg.Look != nil {
		s.cfg.Look()
	}
}

// transition writes into t how an attempt ends.
func (s *Settler) transition(ctx context.Context, t *store.Transition, c *store.Claimed, spec *task.Spec, o *task.Outcome) error {
	attempt := task.Attempt{Failures: c.Failures, Crashes: c.Crashes, FirstStarted: c.FirstStarted, Now: s.cfg.Store.Now()}
	if spec != nil {
		attempt.Retry = spec.Retry
	}
	attempt.Retry.MaxAttempts, attempt.Canceling = c.MaxAttempts, c.Flags&store.FlagCanceling != 0
	attempt.Apart, attempt.Once = c.Kind == task.Process, c.Flags&store.FlagOnce != 0
	if c.Kind == task.Function {
		attempt.Retry.MaxAge = task.MaxExpiration // its expiry bounds it; most of its age it may have waited
	}
	*t = store.Transition{
		ID: c.ID, Token: c.Token, Flags: c.Flags, Parent: c.Parent, Gates: c.Gates, Outcome: o.Class, Code: o.Code, Error: o.Error, Cause: o.Cause, Answer: o.Answer,
		Decision: task.Decide(attempt, *o, rand.Float64()), Unstarted: o.Unstarted,
	}
	if c.Kind == task.Function {
		return s.functionEffects(ctx, c, t, o)
	}
	return nil
}

// patience is how long the end of a function is kept back for its calls to be
// canceled, so that who waited for it finds nothing of it at work.
const patience = 250 * time.Millisecond

// tell says what was written to whom it concerns.
func (s *Settler) tell(b *batch, errs []error) {
	var canceled []<-chan struct{} // by index; most ends leave nothing to do
	gated, calls := false, false
	for i, err := range errs {
		if err != nil {
			continue
		}
		if w := b.ends[i].Written; w != nil {
			*w = true
		}
		if s.cfg.Settled != nil {
			s.cfg.Settled(&b.ends[i].End, b.ts[i].Decision.To, b.ts[i].Decision.Reason)
		}
		gated = gated || b.ends[i].Task.Flags&store.FlagGate != 0
		calls = calls || b.ends[i].Task.Flags&store.FlagCallbacks != 0 && b.ts[i].Decision.To.Final()
		if e := b.ts[i].Effects; e != nil && slices.ContainsFunc(e.Calls, func(c store.NewTask) bool { return len(c.Gates) > 0 }) {
			s.cfg.Bell.Due(s.cfg.Store.Now()) // see store.Called
		}
		if leavesTodo(&b.ts[i]) {
			if canceled == nil {
				canceled = make([]<-chan struct{}, len(errs))
			}
			canceled[i] = s.cfg.Left(b.ts[i].ID)
		}
	}
	until := time.Now().Add(patience)
	switch {
	case gated:
		s.wakeGated(nil)
	case calls && s.cfg.Look != nil:
		s.cfg.Look()
	}
	for i, err := range errs {
		if err != nil {
			continue
		}
		if canceled != nil && canceled[i] != nil && b.ts[i].Decision.To.Final() {
			await(canceled[i], until)
		}
		s.written(&b.ts[i], b.ends[i].Took)
	}
}

// written says that a transition was written.
func (s *Settler) written(t *store.Transition, took time.Duration) {
	s.cfg.Meter.Settled(t.Outcome, t.Decision.To, took)
	if t.Flags&store.FlagParent != 0 && t.Decision.To.Final() {
		s.cfg.Watchers.Told(t.Parent)
	}
	switch {
	case t.Decision.To == task.Scheduled, t.Decision.To == task.Suspended, t.Decision.To == task.Blocked:
		s.cfg.Bell.Due(s.cfg.Store.Now() + t.Decision.Delay.Microseconds())
	case t.Decision.To.Final():
		s.cfg.Watchers.Ended(t.ID)
	}
	if t.Decision.To == task.Failed {
		s.cfg.Log.Info("task failed", "task_id", t.ID, "reason", t.Decision.Reason.String(), "code", t.Code, "err", t.Error)
	}
}

// await waits for done, as nearly all are already, and not beyond a time.
func await(done <-chan struct{}, until time.Time) {
	select {
	case <-done:
		return
	default:
	}
	select {
	case <-done:
	case <-time.After(time.Until(until)):
	}
}
