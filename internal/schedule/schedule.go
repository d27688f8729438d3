// Package schedule is everything that time does: tasks become due, claims of
// lost nodes are rescued, what a transaction left to do is worked off, ended tasks
// reach the end of their retention.
package schedule

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sendoff-dev/sendoff/internal/need"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Meter counts.
type Meter interface {
	Promoted(n int) // tasks became due
	Rescued(n int)  // tasks were taken back
}

// Claims are those in this node's hands: all others may be rescued.
type Claims interface {
	Self() task.ID    // this node
	Known() []task.ID // its claims
}

// Config of a Scheduler. Store, Claims, Wake and Do are required.
type Config struct {
	Store interface {
		store.Sweeper
		store.Todos
		DueSchedules(ctx context.Context, limit int) ([]store.Schedule, int64, error)
		Fire(ctx context.Context, firings []store.Firing) ([]store.Fired, []store.Woken, error)
		TrimFires(ctx context.Context, after store.ScheduleName, limit, keep int, before int64) (store.ScheduleName, error)
		SealAudit(ctx context.Context, limit int) (int, error)
		DropAudit(ctx context.Context, before int64, limit int) (int, error)
		FoldRollups(ctx context.Context, from, to, before int64, limit int) (int, error)
		Now() int64
	}
	Claims    Claims
	Wake      func([]store.Woken)
	Do        func(ctx context.Context, t store.Todo) error // carries out what a transaction has left to do; twice, perhaps
	Sweep     time.Duration                                 // between looks for lost claims and missed timers; default 1 s
	Retention task.Retention                                // default 24 h, failed 14 days
	Lanes     func() map[int32]task.Retention               // of the lanes that have a retention of their own; nil = none has
	Planner   Planner                                       // nil = schedules are left to others
	Fires     FireMeter                                     // nil = nobody counts
	Fired     func(of store.ScheduleName)                   // something became of a time of a schedule; nil = nobody is told
	Meter     Meter                                         // nil = nobody counts
	Log       *slog.Logger                                  // nil = none
}

// batch is how many tasks one transaction promotes, rescues or looks at.
const batch = 1000

// Scheduler does its work in Run.
type Scheduler struct {
	cfg  Config
	due  chan int64 // capacity 1: the nearest new timer
	left *left

	planned chan struct{} // capacity 1: a schedule was changed
}

// DefaultRetention is how long ended tasks stay visible.
var DefaultRetention = task.Retention{Succeeded: 24 * time.Hour, Canceled: 24 * time.Hour, Failed: 14 * 24 * time.Hour}

// New returns a Scheduler.
func New(cfg Config) *Scheduler {
	need.Fields(cfg, "Store", "Claims", "Wake", "Do")
	if cfg.Meter == nil {
		cfg.Meter = uncounted{}
	}
	if cfg.Fired == nil {
		cfg.Fired = func(store.ScheduleName) {}
	}
	if cfg.Fires == nil {
		cfg.Fires = uncounted{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Sweep == 0 {
		cfg.Sweep = time.Second
	}
	if cfg.Retention == (task.Retention{}) {
		cfg.Retention = DefaultRetention
	}
	return &Scheduler{cfg: cfg, due: make(chan int64, 1), left: newLeft(), planned: make(chan struct{}, 1)}
}

type uncounted struct{}

func (uncounted) Promoted(int) {}
func (uncounted) Rescued(int)  {}

func (uncounted) Fired(string, time.Duration) {}

// Due tells that a task will be due at a time, microseconds, so that it is not
// found only by the next sweep.
func (s *Scheduler) Due(at int64) {
	for {
		select {
		case s.due <- at:
			return
		case earlier := <-s.due:
			at = min(at, earlier)
		}
	}
}

// Run works until ctx ends.
func (s *Scheduler) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.promote(ctx) })
	g.Go(func() error { return s.rescue(ctx) })
	g.Go(func() error { return s.retain(ctx) })
	g.Go(func() error { return s.workOff(ctx) })
	g.Go(func() error { return s.seal(ctx) })
	g.Go(func() error { return s.drop(ctx) })
	g.Go(func() error { return s.fold(ctx) })
	if s.cfg.Planner != nil {
		g.Go(func() error { return s.fire(ctx) })
		g.Go(func() error { return s.trim(ctx) })
	}
	return g.Wait()
}

// promote sleeps until the nearest timer is due, at most one sweep long.
func (s *Scheduler) promote(ctx context.Context) error {
	next := int64(0) // look at once
	for {
		wait := min(time.Duration(next-s.cfg.Store.Now())*time.Microsecond, s.jittered())
		select {
		case <-ctx.Done():
			return nil
		case at := <-s.due:
			if at < next {
				next = at
			}
			continue
		case <-time.After(wait):
		}
		next = s.promoteDue(ctx)
	}
}

// promoteDue makes what is due ready and returns when to look again.
func (s *Scheduler) promoteDue(ctx context.Context) int64 {
	far := s.cfg.Store.Now() + time.Hour.Microseconds()
	n, next, woken, err := s.cfg.Store.PromoteDue(ctx, batch)
	if err != nil {
		if ctx.Err() == nil {
			s.cfg.Log.Warn("promoting due tasks failed", "err", err)
		}
		return far
	}
	if n > 0 {
		s.cfg.Meter.Promoted(n)
		s.cfg.Wake(woken)
	}
	if next == 0 {
		return far
	}
	return next
}

func (s *Scheduler) rescue(ctx context.Context) error {
	return s.every(ctx, s.jittered, func() bool {
		r, err := s.cfg.Store.Rescue(ctx, s.cfg.Claims.Self(), s.cfg.Claims.Known(), 100)
		if err != nil {
			if ctx.Err() == nil {
				s.cfg.Log.Warn("rescue failed", "err", err)
			}
			return false
		}
		if r.Tasks > 0 {
			s.cfg.Meter.Rescued(r.Tasks)
			s.cfg.Log.Info("rescued tasks of lost claims", "tasks", r.Tasks, "claims", r.Claims, "poison", r.Poison, "lost", r.Lost)
		}
		s.cfg.Wake(r.Woken)
		return r.Claims == 100
	})
}

// retain walks over all tasks, a page at a time, a pass a minute. Those that have expired
// while they waited for others end on the way.
func (s *Scheduler) retain(ctx context.Context) error {
	var cursor task.ID
	pace := func() time.Duration {
		if cursor.IsZero() {
			return time.Minute + rand.N(10*time.Second)
		}
		return 50 * time.Millisecond
	}
	return s.every(ctx, pace, func() bool {
		keep := store.Keep{Retention: s.cfg.Retention}
		if s.cfg.Lanes != nil {
			keep.Lanes = s.cfg.Lanes()
		}
		r, err := s.cfg.Store.Retain(ctx, keep, cursor, batch)
		if err == nil && len(r.Overdue) > 0 {
			var woken []store.Woken
			_, woken, err = s.cfg.Store.Expire(ctx, r.Overdue)
			s.cfg.Wake(woken)
		}
		if err != nil {
			if ctx.Err() == nil {
				s.cfg.Log.Warn("retention failed", "err", err)
			}
			return false
		}
		cursor = r.Next
		return r.Deleted == batch
	})
}

// every calls step after each wait, and again at once while it says so.
func (s *Scheduler) every(ctx context.Context, wait func() time.Duration, step func() bool) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait()):
		}
		for ctx.Err() == nil && step() {
		}
	}
}

func (s *Scheduler) jittered() time.Duration { return s.cfg.Sweep*3/4 + rand.N(s.cfg.Sweep/2) }
