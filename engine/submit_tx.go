package engine

import (
	"context"

	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/catalog"
	"github.com/sendoff-dev/sendoff/store"
)

// SubmitTx accepts a task in a transaction of yours in the engine's own database: a
// *sqlite.Turn, or what In of a *postgres.Store makes of a pgx.Tx. The task is there
// when it commits, and not otherwise, and is started at once then, where the database
// can tell of the commit, or within about a second. An error leaves the transaction to
// be rolled back. Errors are those of Submit, but for ErrBusy.
func (e *Engine) SubmitTx(ctx context.Context, tx store.Tx, t Task) (Result, error) {
	results, err := e.SubmitManyTx(ctx, tx, []Task{t}, true)
	if err != nil {
		return Result{}, err
	}
	return results[0], nil
}

// SubmitManyTx is to SubmitTx what SubmitMany is to Submit.
func (e *Engine) SubmitManyTx(ctx context.Context, tx store.Tx, tasks []Task, atomic bool) ([]Result, error) {
	lanes := lanesIn{catalog: e.catalog, tx: tx}
	wake := func(woken []store.Woken) {
		if lanes.made {
			_ = e.catalog.Refresh(context.WithoutCancel(ctx)) // otherwise the next one, within a second, knows of the lane
		}
		e.wake(woken)
	}
	return submit(tasks, atomic, func(subs []accept.Submission) ([]accept.Result, error) {
		return e.acceptor.AcceptIn(ctx, tx, lanes.lane, wake, subs, atomic)
	})
}

// lanesIn finds the lanes of tasks that are submitted in a transaction. One that is
// made in it is not known before it has committed.
type lanesIn struct {
	catalog *catalog.Catalog
	tx      store.Tx
	made    bool
}

func (l *lanesIn) lane(ctx context.Context, namespace int32, queue, pool, group string) (store.Lane, error) {
	pool = l.catalog.PoolOf(namespace, queue, pool, group)
	maker, alone := l.tx.(store.LaneMaker)
	if !alone {
		return l.catalog.Lane(ctx, namespace, queue, pool)
	}
	if known, ok := l.catalog.Known(namespace, queue, pool); ok {
		return known, nil
	}
	l.made = true
	return maker.EnsureLane(ctx, namespace, queue, pool, catalog.MaxQueues)
}
