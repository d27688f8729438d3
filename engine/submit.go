package engine

import (
	"context"
	"errors"

	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/task"
)

// Errors of Submit and SubmitMany, besides task.Invalid and those of the database.
var (
	ErrBusy     = accept.ErrBusy     // too many tasks wait for their commit; try again in a second
	ErrNoAccept = accept.ErrNoAccept // this engine runs without the role accept
)

var errUnstorable = errors.New("the database cannot store a value of this task")

// Submit accepts a task: it is on disk when Submit returns. The error is
// task.Invalid for a faulty task, ErrBusy, ErrNoAccept, or one of the database. See
// Result.Status for what keys say of a task.
func (e *Engine) Submit(ctx context.Context, t Task) (Result, error) {
	results, err := e.SubmitMany(ctx, []Task{t}, true)
	if err != nil {
		return Result{}, err
	}
	return results[0], nil
}

// SubmitMany accepts up to task.MaxBatch tasks in one transaction and returns a
// result for each, in order. When atomic is set, either all are accepted or none, and
// a faulty one fails the whole call; otherwise it is Invalid in its result.
func (e *Engine) SubmitMany(ctx context.Context, tasks []Task, atomic bool) ([]Result, error) {
	return submit(tasks, atomic, func(subs []accept.Submission) ([]accept.Result, error) {
		return e.acceptor.Accept(ctx, subs, atomic)
	})
}

// submit has tasks accepted and says of each what became of it.
func submit(tasks []Task, atomic bool, accepts func([]accept.Submission) ([]accept.Result, error)) ([]Result, error) {
	results := make([]Result, len(tasks))
	subs, at := make([]accept.Submission, 0, len(tasks)), make([]int, 0, len(tasks))
	var faults task.Invalid
	for i := range tasks {
		n := len(subs)
		subs = subs[:n+1]
		err := tasks[i].submission(&subs[n])
		if bad, ok := errors.AsType[task.Invalid](err); ok && atomic {
			faults.Join(accept.Place(i, len(tasks)), bad)
		}
		if err != nil {
			results[i], subs = Result{Status: Invalid, Err: err}, subs[:n]
			continue
		}
		at = append(at, i)
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	accepted, err := accepts(subs)
	if err != nil {
		return nil, err
	}
	for n, i := range at {
		results[i] = resultOf(&subs[n], &accepted[n])
	}
	return results, nil
}

// Tasks looks at tasks and steers them.
func (e *Engine) Tasks() *Tasks { return &Tasks{e.tasks, e.waits} }

// Queues looks at queues and steers them.
func (e *Engine) Queues() *Queues { return &Queues{e.queues} }

// Limits looks at limits and configures them.
func (e *Engine) Limits() *Limits { return &Limits{e.gates} }

// Functions looks at durable functions and steers them.
func (e *Engine) Functions() *Functions { return &Functions{e.functions, e.tasks} }

// Metrics returns the instruments of the engine.
func (e *Engine) Metrics() *Metrics { return e.cfg.Metrics }

// InFlight is how many attempts are under way on this node, those included that
// have ended and whose end is being written.
func (e *Engine) InFlight() int { return e.loops.inFlight() }

// PublicKeys returns the keys that verify pushes, as a JWK set (RFC 7517, RFC
// 8037); nil when pushes are not signed.
func (e *Engine) PublicKeys() []byte {
	if e.keys == nil {
		return nil
	}
	return e.keys.Current().PublicJWKS()
}
