package sqlite

import (
	"context"
	"database/sql"

	"github.com/sendoff-dev/sendoff/store"
)

// Turn is a transaction of the program that embeds the engine, on the writing
// connection and in the writer's turn.
type Turn struct {
	*sql.Tx
	w     *writer
	after []func() // the commit
}

var (
	_ store.Tx        = (*Turn)(nil)
	_ store.LaneMaker = (*Turn)(nil)
)

// Tx calls fn with a transaction of its own, so that a program which keeps its
// tables in the same file can change them and submit tasks together: give the Turn to
// the engine's SubmitTx. Nothing else is written meanwhile: fn must be quick, must call
// no other method that writes to the store, and must neither commit nor roll back. Its
// error undoes everything, and is returned. ctx ends the transaction as long as it has
// not begun to commit.
func (s *Store) Tx(ctx context.Context, fn func(*Turn) error) error {
	var turn Turn
	o := &op{rank: rankAlone, alone: true, weight: 1}
	o.run = func(w *writer) error { return w.lend(ctx, &turn, fn) }
	if err := s.pipe.Do(context.WithoutCancel(ctx), o); err != nil {
		return s.translate(err)
	}
	if o.err != nil {
		return s.translate(o.err)
	}
	for _, fn := range turn.after {
		fn()
	}
	return nil
}

// Insert implements store.Inserter, in the transaction.
func (t *Turn) Insert(_ context.Context, tasks []store.NewTask, atomic bool) ([]store.Inserted, []store.Woken, error) {
	if err := t.w.mark(); err != nil {
		return nil, nil, err
	}
	var k woken
	out, err := t.w.insert(tasks, atomic, &k)
	if err != nil {
		return nil, nil, err
	}
	return out, k.list, t.w.listNew()
}

// EnsureLane implements store.LaneMaker.
func (t *Turn) EnsureLane(_ context.Context, namespace int32, queue, pool string, maxQueues int) (store.Lane, error) {
	return t.w.ensureLane(namespace, queue, pool, maxQueues)
}

// Tell implements store.Tx.
func (t *Turn) Tell(_ context.Context, woken []store.Woken, wake func([]store.Woken)) error {
	t.after = append(t.after, func() { wake(woken) })
	return nil
}

func (w *writer) lend(ctx context.Context, turn *Turn, fn func(*Turn) error) error {
	return w.guarded(func() error {
		tx, err := w.conn.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		w.now = w.clock()
		turn.Tx, turn.w = tx, w
		if err := fn(turn); err != nil {
			_ = tx.Rollback()
			return err
		}
		return tx.Commit()
	})
}
