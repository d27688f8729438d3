package graphrun

import (
	"context"
	"errors"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/task"
)

// ErrCanceled is the cause of the end of a call's context when its run is canceled. With
// any other one the call may be made again, here or on another node.
var ErrCanceled = errors.New("the run was canceled")

// whileWanted returns a context for a call of the attempt with an id, which ends when
// the run is canceled. A function with something to undo is told of a cancel only
// between its steps; a call may take long, so the server is asked every second.
func (r *Runner) whileWanted(ctx context.Context, id string) (context.Context, func()) {
	client := r.client()
	if client == nil || id == "" {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if t, err := client.Get(ctx, id); err == nil && t.Reason == task.Canceling.String() {
				cancel(ErrCanceled)
			}
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-over
	}
}

// endCalls cancels the calls of a run, and returns when all have ended.
func (r *Runner) endCalls(ctx context.Context, run string) error {
	client, told := r.client(), map[string]bool{}
	if client == nil {
		return errNoEndpoint
	}
	unfinished := sendoff.Filter{Root: run, States: []sendoff.State{
		sendoff.StateReady, sendoff.StateScheduled, sendoff.StateRunning, sendoff.StateBlocked, sendoff.StateSuspended,
	}}
	for {
		open := false
		for t, err := range client.Tasks.List(ctx, unfinished) {
			if err != nil {
				return err
			}
			open = true
			if !told[t.ID] {
				told[t.ID] = true
				if _, err := client.Tasks.Cancel(ctx, t.ID); err != nil && !sendoff.IsConflict(err) {
					return err
				}
			}
		}
		if !open {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
