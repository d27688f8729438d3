// Package settle is the fourth room: outcome to transition, applied. It asks
// task.Decide what an outcome means and has the store write it, fenced by the
// token of the attempt.
package settle

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Config of a Settler. Store and Wake are required.
type Config struct {
	Store interface {
		store.Settler
		Now() int64
	}
	Wake    func([]store.Woken)
	Call    func(ctx context.Context, caller *store.Claimed, call *task.Call) (store.NewTask, error) // a call of a function, as a row
	Left    func(id task.ID) (done <-chan struct{})                                                  // a task has left a store.Todo
	Due     func(at int64)                                                                           // a task will be due, microseconds
	Ended   func(id task.ID)                                                                         // a task has reached a final state
	Told    func(id task.ID)                                                                         // a function has a message
	Settled func(o task.Class, to task.State, took time.Duration)
	Stale   func()
	Log     *slog.Logger
}

// Settler is safe for concurrent use.
type Settler struct{ cfg Config }

// New returns a Settler.
func New(cfg Config) *Settler { return &Settler{cfg} }

// Settle writes the end of an attempt. It blocks until that is on disk, and
// tries again while the database does not answer, until ctx ends; then the
// rescue takes the task back. A settle that came too late is counted and
// dropped: the task belongs to another attempt.
func (s *Settler) Settle(ctx context.Context, c *store.Claimed, spec *task.Spec, o task.Outcome, took time.Duration) {
	t, err := s.transition(ctx, c, spec, o)
	for wait := 50 * time.Millisecond; err != nil; wait = min(2*wait, 2*time.Second) {
		s.cfg.Log.Warn("preparing a settle failed, trying again", "task_id", c.ID, "err", err)
		if !pause(ctx, wait) {
			return
		}
		t, err = s.transition(ctx, c, spec, o)
	}
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		errs, woken, err := s.cfg.Store.Settle(ctx, []store.Transition{t})
		if err == nil {
			if errors.Is(errs[0], store.ErrBadValue) && o.Progress != nil {
				o = unstorable(o)
				if t, err = s.transition(ctx, c, spec, o); err == nil {
					continue
				}
			}
			s.settled(&t, errs[0], woken, took, s.left(&t, errs[0]))
			return
		}
		s.cfg.Log.Warn("settle failed, trying again", "task_id", c.ID, "err", err)
		if !pause(ctx, wait) {
			return
		}
	}
}

// pause waits for about d and tells whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
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
	t, err := s.transition(ctx, c, nil, task.Outcome{Class: task.Interrupt})
	if err != nil {
		return
	}
	if errs, woken, err := s.cfg.Store.Settle(ctx, []store.Transition{t}); err == nil && errs[0] == nil && len(woken) > 0 {
		s.cfg.Wake(woken)
	}
}

func (s *Settler) transition(ctx context.Context, c *store.Claimed, spec *task.Spec, o task.Outcome) (store.Transition, error) {
	attempt := task.Attempt{Failures: c.Failures, Crashes: c.Crashes, FirstStarted: c.FirstStarted, Now: s.cfg.Store.Now()}
	if spec != nil {
		attempt.Retry = spec.Retry
	}
	attempt.Retry.MaxAttempts, attempt.Canceling = c.MaxAttempts, c.Flags&store.FlagCanceling != 0
	if c.Kind == task.Function {
		attempt.Retry.MaxAge = task.MaxExpiration // its expiry bounds it; most of its age it may have waited
	}
	t := store.Transition{
		ID: c.ID, Token: c.Token, Outcome: o.Class, Code: o.Code, Error: o.Error, Cause: o.Cause, Answer: o.Answer,
		Decision: task.Decide(attempt, o, rand.Float64()),
	}
	if c.Kind == task.Function {
		return t, s.functionEffects(ctx, c, &t, &o)
	}
	return t, nil
}

// patience is how long the end of a function is kept back for its calls to be
// canceled, so that who waited for it finds nothing of it at work.
const patience = 250 * time.Millisecond

func (s *Settler) settled(t *store.Transition, err error, woken []store.Woken, took time.Duration, canceled <-chan struct{}) {
	if err != nil {
		if errors.Is(err, store.ErrLeaseLost) {
			s.cfg.Stale()
		}
		s.cfg.Log.Info("settle refused", "task_id", t.ID, "token", t.Token, "outcome", t.Outcome.String(), "err", err)
		return
	}
	s.cfg.Settled(t.Outcome, t.Decision.To, took)
	if len(woken) > 0 {
		s.cfg.Wake(woken)
	}
	if t.Effects != nil && !t.Effects.Parent.IsZero() && t.Decision.To.Final() {
		s.cfg.Told(t.Effects.Parent)
	}
	switch {
	case t.Decision.To == task.Scheduled, t.Decision.To == task.Suspended, t.Decision.To == task.Blocked:
		s.cfg.Due(s.cfg.Store.Now() + t.Decision.Delay.Microseconds())
	case t.Decision.To.Final():
		select {
		case <-canceled:
		case <-time.After(patience):
		}
		s.cfg.Ended(t.ID)
	}
	if t.Decision.To == task.Failed {
		s.cfg.Log.Info("task failed", "task_id", t.ID, "reason", t.Decision.Reason.String(), "code", t.Code, "err", t.Error)
	}
}
