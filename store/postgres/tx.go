package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/sendoff-dev/sendoff/store"
)

// Tx is a transaction of the program that embeds the engine, see [Store.In].
type Tx struct {
	s     *Store
	tx    pgx.Tx
	quiet bool
}

var _ store.Tx = Tx{}

// In lets tasks be submitted in a transaction of yours on the same database, over
// whichever pool or connection: give it to the engine's SubmitTx. They exist when it
// commits, and not before. The keys of the tasks stay locked until the transaction
// ends, so end it soon. They are as durable as that commit is: mind
// synchronous_commit. An error leaves the transaction to be rolled back.
//
// The commit tells all nodes that listen of the tasks by a notification (NOTIFY), so
// that they start at once; through a pooler, see Options.ListenDSN, they are found by a
// poll within about a second. PostgreSQL lets transactions with notifications commit
// one after the other only; [Tx.Quietly] is for many small ones at a time.
func (s *Store) In(tx pgx.Tx) Tx { return Tx{s: s, tx: tx} }

// Quietly is the same transaction, whose commit tells nobody: a poll finds the tasks
// within about a second.
func (t Tx) Quietly() Tx {
	t.quiet = true
	return t
}

// Insert implements store.Inserter, in the transaction.
func (t Tx) Insert(ctx context.Context, tasks []store.NewTask, atomic bool) ([]store.Inserted, []store.Woken, error) {
	if len(tasks) == 0 {
		return nil, nil, nil
	}
	op := &insertOp{tasks: tasks, out: make([]store.Inserted, len(tasks)), atomic: atomic}
	c := &session{conn: t.tx.Conn().PgConn(), s: t.s, began: true}
	p := newPlan(t.s.clock.now())
	if err := p.lookAround(&gateFloor{s: t.s, ctx: ctx, c: c, now: p.now}, []*insertOp{op}, c.do); err != nil {
		return nil, nil, fmt.Errorf("submit tasks: %w", translate(err))
	}
	p.resolve(op, false)
	writes, _, err := t.s.carryOut(ctx, c, p)
	if err == nil {
		writes, err = c.last(ctx, writes)
	}
	if err == nil {
		err = c.do(ctx, writes...)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("submit tasks: %w", translate(err))
	}
	return op.out, op.woken, nil
}

// Tell implements store.Tx.
func (t Tx) Tell(ctx context.Context, woken []store.Woken, _ func([]store.Woken)) error {
	if t.quiet {
		return nil
	}
	payload, err := json.Marshal(store.Hint{Woken: woken})
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	if len(payload) > maxHint {
		half := len(woken) / 2
		if err := t.Tell(ctx, woken[:half], nil); err != nil {
			return err
		}
		return t.Tell(ctx, woken[half:], nil)
	}
	c := &session{conn: t.tx.Conn().PgConn()}
	if err := c.do(ctx, query(`select pg_notify($1, $2)`).text(channel).text(string(payload))); err != nil {
		return fmt.Errorf("notify: %w", translate(err))
	}
	return nil
}
