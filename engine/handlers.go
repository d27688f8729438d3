package engine

import (
	"context"
	"fmt"

	"github.com/sendoff-dev/sendoff/internal/exact"
	"github.com/sendoff-dev/sendoff/internal/exec/local"
	"github.com/sendoff-dev/sendoff/task"
)

// Call is what a handler can know of the task that it carries out.
type Call struct {
	ID          string  // that the task goes by: the one you chose, or the one that the engine made
	UUID        task.ID // that the engine made
	Name        string
	Attempt     int   // from 1
	MaxAttempts int   // of this run of the task
	Token       int64 // fences effects outside: a later attempt has a larger one
	Labels      map[string]string
	ContentType string // of the payload; "" = there is none
	Payload     []byte
}

// HandleFunc registers a handler that gets the payload as it is. Register
// before Run; the name of a handler decides which nodes get its tasks. It panics when
// the name is empty or taken.
//
// The handler's error decides what is next: nil is done, sendoff.Permanent fails the
// task, sendoff.RetryAfter and sendoff.Snooze set the time, all others are retried
// after the backoff. ctx ends with the task's timeout, when it is canceled, and when
// the engine stops and its grace is over.
func (e *Engine) HandleFunc(name string, fn func(ctx context.Context, c *Call) error) {
	if fn == nil {
		panic(fmt.Sprintf("sendoff: handler %q has no function", name))
	}
	e.handlers.Handle(name, func(ctx context.Context, c *local.Call) error {
		return fn(ctx, &Call{
			ID: c.PublicID, UUID: c.ID, Name: c.Name, Attempt: c.Attempt, MaxAttempts: c.MaxAttempts, Token: c.Token,
			Labels: c.Labels, ContentType: c.ContentType, Payload: c.Payload,
		})
	})
}

// Handle registers a handler with typed arguments: the payload is decoded from
// JSON. A payload that does not fit fails the task at once. CallOf gives the rest of
// the task; see [Engine.HandleFunc] for everything else.
func Handle[Args any](e *Engine, name string, fn func(ctx context.Context, args Args) error) {
	if fn == nil {
		panic(fmt.Sprintf("sendoff: handler %q has no function", name))
	}
	e.HandleFunc(name, func(ctx context.Context, c *Call) error {
		var args Args
		if len(c.Payload) > 0 {
			if err := exact.Unmarshal(c.Payload, &args); err != nil {
				return task.Permanent(fmt.Errorf("the payload does not fit handler %q: %w", name, err))
			}
		}
		return fn(context.WithValue(ctx, callKey{}, c), args)
	})
}

type callKey struct{}

// CallOf returns the call behind a context that a typed handler got.
func CallOf(ctx context.Context) (c *Call, ok bool) {
	c, ok = ctx.Value(callKey{}).(*Call)
	return c, ok
}
