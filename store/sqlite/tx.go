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
	woken woken
}

// Tx calls fn with a transaction of its own, so that a program which keeps its
// tables in the same file can change them and submit tasks together. Nothing
// else is written meanwhile: fn must be quick, must call no method of the
// store, and must neither commit nor roll back. Its error undoes everything.
// The tasks that became ready are returned after the commit.
func (s *Store) Tx(ctx context.Context, fn func(*Turn) error) ([]store.Woken, error) {
	var turn Turn
	o := &op{rank: rankAlone, alone: true, weight: 1}
	o.run = func(w *writer) error { return w.lend(ctx, &turn, fn) }
	if err := s.pipe.Do(context.WithoutCancel(ctx), o); err != nil {
		return nil, s.translate(err)
	}
	return turn.woken.list, s.translate(o.err)
}

// Insert stores tasks in the transaction; see store.Inserter.
func (t *Turn) Insert(tasks []store.NewTask, atomic bool) ([]store.Inserted, error) {
	if err := t.w.mark(); err != nil {
		return nil, err
	}
	out, err := t.w.insert(tasks, atomic, &t.woken)
	if err != nil {
		return nil, err
	}
	return out, t.w.listNew()
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
