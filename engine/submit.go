package engine

import (
	"context"
	"fmt"

	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/exact"
	"github.com/sendoff-dev/sendoff/internal/exec/local"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// ErrNoAccept says that this engine runs without the role accept.
var ErrNoAccept = accept.ErrNoAccept

// Submit accepts a task: it is on disk when Submit returns. The error is
// task.Invalid for a faulty submission, ErrBusy, or one of the database. See
// Result.Status for a task that a key says is there already.
func (e *Engine) Submit(ctx context.Context, s Submission) (Result, error) {
	results, err := e.SubmitMany(ctx, []Submission{s}, true)
	if err != nil {
		return Result{}, err
	}
	return results[0], nil
}

// SubmitMany accepts up to task.MaxBatch tasks in one transaction and returns a
// result for each, in order. It fills the defaults into subs. When atomic is set,
// either all are accepted or none.
func (e *Engine) SubmitMany(ctx context.Context, subs []Submission, atomic bool) ([]Result, error) {
	if !e.has(Accept) {
		return nil, ErrNoAccept
	}
	if len(subs) > task.MaxBatch {
		var bad task.Invalid
		bad.Add("tasks", "has %d entries: at most %d are allowed", len(subs), task.MaxBatch)
		return nil, bad
	}
	return e.acceptor.Accept(ctx, subs, atomic)
}

// Prepare checks a submission and turns it into a row, for a store's own
// submission inside your transaction (postgres.SubmitTx, sqlite's Store.Tx).
// Call Woken afterwards.
func (e *Engine) Prepare(ctx context.Context, s Submission) (store.NewTask, error) {
	return e.acceptor.Prepare(ctx, &s)
}

// Woken tells the engine that tasks became ready in a transaction of yours,
// after its commit. Without it they are found within a second.
func (e *Engine) Woken(woken []store.Woken) { e.wake(woken) }

// Tasks looks at tasks and steers them.
func (e *Engine) Tasks() *Tasks { return e.tasks }

// Queues looks at queues and steers them.
func (e *Engine) Queues() *Queues { return e.queues }

// Functions looks at durable functions and steers them.
func (e *Engine) Functions() *Functions { return e.functions }

// Metrics returns the instruments of the engine.
func (e *Engine) Metrics() *Metrics { return e.cfg.Metrics }

// InFlight is how many attempts are under way on this node, those included that
// have ended and whose end is being written.
func (e *Engine) InFlight() (n int) {
	for _, l := range e.loops {
		n += l.InFlight() + l.Settling()
	}
	return n
}

// PublicKeys returns the keys that verify pushes, as a JWK set (RFC 7517, RFC
// 8037); nil when pushes are not signed.
func (e *Engine) PublicKeys() []byte {
	if e.keys == nil {
		return nil
	}
	return e.keys.PublicJWKS()
}

// Call is what a handler can know of the task it carries out.
type Call = local.Call

// HandleFunc registers a handler that gets the payload as it is. Register
// before Run; the name of a handler decides which nodes get its tasks.
func (e *Engine) HandleFunc(name string, fn func(ctx context.Context, c *Call) error) {
	e.handlers.Handle(name, fn)
}

// Handle registers a handler with typed arguments: the payload is decoded from
// JSON. A payload that does not fit fails the task at once. The handler's error
// decides what is next: nil is done, sendoff.Permanent fails the task,
// sendoff.RetryAfter and sendoff.Snooze set the time, all others are retried
// after the backoff. CallOf gives the rest of the task.
func Handle[Args any](e *Engine, name string, fn func(ctx context.Context, args Args) error) {
	e.handlers.Handle(name, func(ctx context.Context, c *Call) error {
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
