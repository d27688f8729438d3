package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sendoff-dev/sendoff/internal/exec"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/settle"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// execute carries out one attempt and returns what settles it.
func (e *Engine) execute(ctx context.Context, c *store.Claimed, begin func()) func() {
	waited := time.Duration(max(c.StartedAt-c.ReadyAt, 0)) * time.Microsecond
	e.meters.Waited(waited)
	started := time.Now()
	spec, err := task.DecodeSpec(c.Spec)
	e.series.Started(c.Lane, operate.TargetOf(spec), waited)
	if err != nil {
		o := task.Outcome{Class: task.Reject, Error: err.Error()}
		return func() { e.settler.Settle(e.ending.writes, settle.End{Task: c, Outcome: o}) }
	}
	if c.Kind != task.Function && c.ExpiresAt != 0 && c.ExpiresAt <= c.StartedAt { // others are to be told of it, which a claim does not do
		o := task.Outcome{Class: task.Expire, Error: store.ExpiredError}
		return func() { e.settler.Settle(e.ending.writes, settle.End{Task: c, Spec: spec, Outcome: o}) }
	}
	e.sawStarted(c, spec)
	o, ours := exec.Ending(ctx, e.executors.Execute(exec.WithBegin(e.within(ctx, c.Lane), begin), c, spec))
	if !ours {
		return func() { e.settler.HandBack(e.ending.writes, c) }
	}
	end := settle.End{Task: c, Spec: spec, Outcome: o, Began: started, Took: time.Since(started)}
	if o.Class == task.Detach {
		return func() { e.acks.Detach(e.ending.writes, end) }
	}
	return func() { e.settler.Settle(e.ending.writes, end) }
}

// Run does the engine's work until ctx ends, and then stops cleanly: it claims
// no more, gives attempts under way Config.Grace to end, hands the others back
// without spending an attempt, and gives its lease up. nil after a clean stop.
func (e *Engine) Run(ctx context.Context) error {
	if err := e.member.Join(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // told to stop before it had begun
		}
		return err
	}
	defer e.ending.end()
	rest, stopRest := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRest()
	claims, stopClaims := context.WithCancel(ctx)
	defer stopClaims()
	var work errgroup.Group
	background, _ := errgroup.WithContext(rest)
	if e.processes != nil && e.cfg.Processes.pool == nil && e.has(Execute) {
		background.Go(func() error { return e.processes.Run(rest) })
	}
	if e.has(Execute) {
		for _, l := range e.loops {
			work.Go(func() error { return l.Run(claims) })
		}
		background.Go(func() error { return e.quotas.Run(rest) })
	}
	background.Go(func() error { return e.member.Run(rest) })
	background.Go(func() error { return e.catalog.Run(rest) })
	background.Go(func() error { return e.endpoints.Run(rest) })
	background.Go(func() error { return e.refusals.Run(rest) })
	background.Go(func() error { return e.ring.Run(rest) })
	if e.keys != nil {
		background.Go(func() error { return e.keys.Run(rest) })
	}
	background.Go(func() error { return e.failures.Run(rest) })
	background.Go(func() error { return e.series.Run(rest) })
	background.Go(func() error { return e.watchNodes(rest) })
	background.Go(func() error { return e.watchAlerts(rest) })
	if e.has(Schedule) {
		background.Go(func() error { return e.scheduler.Run(rest) })
		background.Go(func() error { return e.actions.Run(rest) })
		background.Go(func() error { return e.acks.Run(rest) })
	}
	e.ready.Store(true)
	err := e.untilStop(ctx)
	stopClaims()
	e.ready.Store(false)
	e.events.Close()
	e.member.Drain()
	err = errors.Join(err, work.Wait())
	e.drain()
	stopRest()
	return errors.Join(err, background.Wait(), e.leave())
}

// breakable is a store that can come to an end by itself.
type breakable interface {
	Broken() <-chan struct{}
	Failure() error
}

// untilStop returns when ctx ends, or with an error when the store can never be
// relied on again: then only a restart helps, which recovers from what is on disk.
func (e *Engine) untilStop(ctx context.Context) error {
	var broken <-chan struct{}
	s, ok := e.store.(breakable)
	if ok {
		broken = s.Broken()
	}
	select {
	case <-ctx.Done():
		return nil
	case <-broken:
		err := fmt.Errorf("%w: %w", ErrStoreBroken, s.Failure())
		e.cfg.Log.Error("stopping: nothing is acknowledged any more", slog.Any("err", err))
		e.Hurry()
		return err
	}
}

// ErrStoreBroken is why Run returns by itself: the database file could not be
// written, is damaged, or is gone, and nothing is acknowledged any more. Restart
// the program. It comes with the cause, and with store.ErrBroken.
var ErrStoreBroken = errors.New("the database can no longer be relied on: see to its file and its disk, and restart")

// drain waits for attempts under way.
func (e *Engine) drain() {
	e.ending.drain(e.cfg.Grace, func(grace context.Context) {
		var loops sync.WaitGroup
		for _, l := range e.loops {
			loops.Go(func() { l.Drain(grace, exec.ErrStopping) })
		}
		loops.Wait()
	})
}

func (e *Engine) leave() error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	return e.member.Leave(ctx)
}

// Hurry ends the grace of a stop that is under way: attempts are interrupted and
// handed back at once.
func (e *Engine) Hurry() { e.ending.Hurry() }

// Ready tells whether the engine takes part in the work: started, not stopping,
// and its database answers.
func (e *Engine) Ready(ctx context.Context) error {
	if !e.ready.Load() {
		return errors.New("not started, or stopping")
	}
	if _, trusted := e.member.ID(); !trusted {
		return errors.New("the lease of this node is not renewed")
	}
	return e.store.Ping(ctx)
}

func (e *Engine) has(r Role) bool { return slices.Contains(e.cfg.Roles, r) }
