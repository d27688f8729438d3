package engine

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/internal/egress"
	"github.com/sendoff-dev/sendoff/internal/exec/function"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func (e *Engine) wireFunctions(dialer *egress.Dialer) {
	cfg := function.Config{
		Dialer: dialer, Resume: e.store.Resume, Journal: e.store.Journal, Strict: e.cfg.StrictStatus, Embedded: e.embeddedEndpoint,
		MaxWaiting: e.cfg.FunctionSlots, MaxPerEndpoint: max(e.cfg.FunctionSlots*3/4, 1), // a host that hangs leaves room for others
		MinPerEndpoint: e.cfg.FunctionFloor,

		RestartIncompatible: func(endpoint string) bool { return !e.keepsState(endpoint) },
		Last:                e.lastEnd,
		UserAgent:           strings.TrimSuffix("sendoff/"+e.cfg.Version, "/"),
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

// keepsState tells whether functions of an endpoint are left as they are when
// their app cannot read their state any more.
func (e *Engine) keepsState(endpoint string) bool {
	u, err := url.Parse(endpoint)
	return err == nil && (slices.Contains(e.cfg.KeepState, "*") || slices.Contains(e.cfg.KeepState, u.Hostname()) || slices.Contains(e.cfg.KeepState, u.Host))
}

func (e *Engine) prepareCall(ctx context.Context, caller *store.Claimed, call *task.Call) (store.NewTask, error) {
	return e.acceptor.PrepareCall(ctx, caller, e.catalog.ByID(caller.Lane), call)
}

// cancelCalls cancels calls that nobody waits for any more. It takes its time
// beside the work; when the process ends before, they run to their own end.
func (e *Engine) cancelCalls(caller *store.Claimed, correlations []uint64, all bool) (done <-chan struct{}) {
	return e.aside(func(ctx context.Context) error { return e.tasks.CancelCalls(ctx, caller.ID, correlations, all) }, "cancel calls")
}

// cancelStale cancels the calls that a function made before it began again.
func (e *Engine) cancelStale(caller *store.Claimed) {
	e.aside(func(ctx context.Context) error { return e.tasks.CancelStale(ctx, caller.ID) }, "cancel calls")
}

// aside does something that nobody has to wait for, at most a minute long.
func (e *Engine) aside(do func(context.Context) error, what string) (done <-chan struct{}) {
	ended := make(chan struct{})
	e.besides.Go(func() {
		defer close(ended)
		ctx, cancel := context.WithTimeout(e.beside, time.Minute)
		defer cancel()
		select {
		case e.asides <- struct{}{}: // few at a time
			defer func() { <-e.asides }()
		case <-ctx.Done():
			return
		}
		if err := do(ctx); err != nil && ctx.Err() == nil {
			e.cfg.Log.Warn("work beside the tasks failed", "what", what, "err", err)
		}
	})
	return ended
}
