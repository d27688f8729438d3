package engine

import (
	"context"
	"errors"
	"strings"

	"github.com/sendoff-dev/sendoff/internal/egress"
	"github.com/sendoff-dev/sendoff/internal/exec/function"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func (e *Engine) wireFunctions(dialer *egress.Dialer) {
	cfg := function.Config{
		Dialer: dialer, Resume: e.store.Resume, Journal: e.store.Journal, Strict: e.cfg.StrictStatus, Embedded: e.embeddedEndpoint, Traceparent: e.traceparent,
		MaxWaiting: e.cfg.FunctionSlots, MaxPerEndpoint: max(e.cfg.FunctionSlots*3/4, 1), // a host that hangs leaves room for others
		MinPerEndpoint: e.cfg.FunctionFloor, Meter: e.meters.Hosts(task.Function),
		KeepState: e.cfg.KeepState, Last: e.lastEnd, UserAgent: strings.TrimSuffix("sendoff/"+e.cfg.Version, "/"),
	}
	if e.keys != nil {
		cfg.Sign = e.keys.SignBase
	}
	e.runner = function.New(cfg)
}

// lastEnd tells how the last attempt of a task ended.
func (e *Engine) lastEnd(ctx context.Context, id task.ID) (task.Class, string, error) {
	rows, err := e.store.Rows(ctx, []task.ID{id})
	if err != nil || len(rows) == 0 {
		return task.NoOutcome, "", err
	}
	return rows[0].LastOutcome, rows[0].LastError, nil
}

func (e *Engine) prepareCall(ctx context.Context, caller *store.Claimed, call *task.Call) (store.NewTask, error) {
	return e.acceptor.PrepareCall(ctx, caller, e.catalog.ByID(caller.Lane), call)
}

// left has done what a step has left to do, here or elsewhere.
func (e *Engine) left(id task.ID) (done <-chan struct{}) {
	if e.has(Schedule) {
		return e.scheduler.Left(id)
	}
	e.member.Tell(store.Hint{Changed: store.ChangedTodos})
	return nil
}

// workOff does what a step has left to do. What can never be done is not tried again.
func (e *Engine) workOff(ctx context.Context, t store.Todo) error {
	if t.Kind == store.OpenGate {
		return e.openGate(ctx, store.Hash(t.Task))
	}
	if t.Kind == store.Release || t.Kind == store.Revive {
		return e.follow(ctx, t)
	}
	if t.Kind == store.Callback {
		return e.callBack(ctx, t)
	}
	err := e.tasks.WorkOff(ctx, t)
	if errors.Is(err, operate.ErrTooManyCalls) {
		e.cfg.Log.Warn("calls that nobody waits for go on", "task_id", t.Task, "err", err)
		return nil
	}
	return err
}

// follow tells the followers of a task, page by page, what became of it.
func (e *Engine) follow(ctx context.Context, t store.Todo) error {
	for {
		more, woken, err := e.store.Follow(ctx, t)
		if len(woken) > 0 {
			e.wake(woken)
		}
		if err != nil {
			return err
		}
		if !more {
			e.scheduler.Look() // those that ended because of it may have left something to do
			return nil
		}
	}
}

// openGate lets in who waits at a gate. There may be more of them than one transaction
// looks at.
func (e *Engine) openGate(ctx context.Context, id store.Hash) error {
	woken, err := e.store.Open(ctx, id)
	if len(woken) > 0 {
		e.wake(woken)
		e.scheduler.Look()
	}
	e.scheduler.Due(e.store.Now())
	return err
}

// lookAtTodos tells whoever works them off that a gate may have to be opened.
func (e *Engine) lookAtTodos() {
	if e.has(Schedule) {
		e.scheduler.Look()
		return
	}
	e.member.Tell(store.Hint{Changed: store.ChangedTodos})
}
