package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// pins keep the plans of the hot statements whatever the statistics say: a
// queue is usually analyzed while it is empty, and a plan made for that takes a
// thousand times longer when it is not. Sorting is ruled out with them, and jit
// because a disabled sort that remains is costed so high that it would start.
const pins = `select set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true),
 set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
 set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)`

// barrier makes a transaction that changes nothing wait for the standby.
const barrier = `select pg_logical_emit_message(true, 'sendoff', 'barrier')`

// session is one connection in the hands of one goroutine.
type session struct {
	conn  *pgconn.PgConn
	terms string // of a transaction that writes; "" = the caller's
	began bool   // inside begin ... commit
	fixed bool   // the pins hold until the end of the transaction
	again bool   // an earlier try may have been committed
	stale bool   // it must not be used again
	moved bool   // what is behind it takes no writes

	s      *Store      // of a transaction that writes
	late   []lateComer // who has to come to its gates before the commit
	held   *gateCache  // what the transaction knows of gates; nil = nothing
	before *[]task.ID  // gates that its earlier tries have come to

	audit   *store.Audit // of the action that the transaction is; nil = none
	audited bool         // its row is among the statements
}

// terms is how every transaction that writes begins: what a role, a database or
// a server may have been given as defaults must not weaken what is promised. A
// commit is on disk (which of the stronger levels is left to whoever chose one),
// and the warning that a standby was not waited for is sent. The database ends
// by itself what we have given up by then, so that it is not left waiting for a
// lock, and what a stopped process left open, so that it holds no locks.
func terms(deadline time.Duration) string {
	return fmt.Sprintf(`
select set_config('synchronous_commit', case current_setting('synchronous_commit') when 'off' then 'on' else current_setting('synchronous_commit') end, true),
 set_config('client_min_messages', 'warning', true), set_config('lock_timeout', '0', true),
 set_config('statement_timeout', '%d', true), set_config('idle_in_transaction_session_timeout', '%[1]d', true)`,
		max((deadline*9/10).Milliseconds(), 1))
}

// do sends statements in one round trip. Outside begin ... commit they are one
// transaction, committed when do returns nil.
func (c *session) do(ctx context.Context, stmts ...*stmt) error {
	if c.began {
		return c.send(ctx, append(c.unsentWrites(), stmts...)...)
	}
	if c.terms != "" {
		stmts = append([]*stmt{query(c.terms)}, stmts...)
	}
	stmts = append(stmts, c.auditStmts()...)
	if c.conn.CustomData()[isolated] == nil {
		return c.send(ctx, stmts...)
	}
	stmts = append([]*stmt{query(beginSQL)}, stmts...)
	err := c.send(ctx, append(stmts, query("commit"))...)
	if err != nil && !c.conn.IsClosed() {
		_ = c.send(ctx, query("rollback"))
	}
	return err
}

// beginSQL asks for the level that the statements were written for.
const beginSQL = "begin isolation level read committed"

// send sends statements in one round trip.
func (c *session) send(ctx context.Context, stmts ...*stmt) error {
	if err := c.unsent(ctx); err != nil {
		return err
	}
	pinned := c.began && c.fixed
	if stmts = c.pinOnce(c.withPins(stmts)); len(stmts) == 0 {
		return nil
	}
	warned := c.conn.CustomData()
	delete(warned, syncWarning)
	batch, err := c.batch(ctx, stmts, pinned)
	if err != nil {
		return c.judge(err)
	}
	results := c.conn.ExecBatch(ctx, batch)
	var failed error
	for i := 0; results.NextResult(); i++ {
		rr := results.ResultReader()
		for rr.NextRow() {
			if i >= len(stmts) || stmts[i].each == nil {
				continue
			}
			r := wireRow{values: rr.Values()}
			if stmts[i].each(&r); r.err != nil && failed == nil {
				failed = fmt.Errorf("read a row of %.40q: %w", stmts[i].sql, r.err)
			}
		}
		_, _ = rr.Close() // its error is that of results
	}
	if err := results.Close(); err != nil {
		return c.judge(err)
	}
	for _, q := range stmts {
		c.late = append(c.late, q.late...)
	}
	if warned[syncWarning] != nil {
		return fmt.Errorf("%w: the database stopped waiting for its standby", errUnknown)
	}
	return failed
}

// pinOnce leaves pins out that hold already. They are the transaction's.
func (c *session) pinOnce(stmts []*stmt) []*stmt {
	held := c.began && c.fixed
	stmts = slices.DeleteFunc(slices.Clone(stmts), func(q *stmt) bool {
		again := q.sql == pins && held
		held = held || q.sql == pins
		return again
	})
	c.fixed = c.began && held
	return stmts
}

// unsent is an error when nothing can be sent.
func (c *session) unsent(ctx context.Context) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", errUnsent, ctx.Err())
	case c.conn.IsClosed():
		return fmt.Errorf("%w: the connection is closed", errUnsent)
	}
	return nil
}

func formats(n int) []int16 {
	if n == 0 {
		return nil
	}
	return binaryFormat
}

// begin opens a transaction of several round trips. One that is repeated has the locks of
// the gates that it came to before.
func (c *session) begin(ctx context.Context, stmts ...*stmt) error {
	if len(c.known()) == 0 {
		return c.open(ctx, stmts...)
	}
	if err := c.open(ctx, query(pins)); err != nil {
		return err
	}
	f := gateFloor{s: c.s, ctx: ctx, c: c}
	if err := f.hold(nil); err != nil {
		return err
	}
	return c.do(ctx, stmts...)
}

// open is begin of one that locks something before gates.
func (c *session) open(ctx context.Context, stmts ...*stmt) error {
	c.began, c.fixed = true, false
	if c.again {
		stmts = append([]*stmt{query(barrier)}, stmts...)
	}
	return c.send(ctx, append([]*stmt{query(beginSQL), query(c.terms)}, stmts...)...)
}

// commit sends the last statements and ends the transaction.
func (c *session) commit(ctx context.Context, stmts ...*stmt) error {
	stmts, err := c.last(ctx, stmts)
	if err == nil {
		err = c.do(ctx, append(append(stmts, c.auditStmts()...), query("commit"))...)
	}
	if err == nil {
		if c.held != nil {
			c.s.totals.Add(&c.held.counts)
		}
		c.began, c.held = false, nil
	}
	return err
}

// last returns the statements that are left when those who came late were at their gates.
func (c *session) last(ctx context.Context, stmts []*stmt) ([]*stmt, error) {
	if slices.ContainsFunc(stmts, func(q *stmt) bool { return len(q.late) > 0 }) || len(c.late) > 0 {
		if err := c.do(ctx, stmts...); err != nil {
			return nil, err
		}
		if err := c.enterLate(ctx); err != nil {
			return nil, err
		}
		stmts = nil
	}
	return append(c.gateStmts(), stmts...), nil
}

// rollback gives up what was begun. A connection on which that fails is
// dropped by the pool.
func (c *session) rollback(ctx context.Context) {
	if !c.conn.IsClosed() {
		_ = c.send(ctx, query("rollback"))
	}
	c.began, c.held = false, nil
}

// giveUp ends a transaction that failed.
func (c *session) giveUp(ctx context.Context, err error) error {
	if err != nil && c.began {
		c.rollback(ctx)
	}
	return err
}

// Advisory locks of a transaction, all of them ended with it.
const (
	lockCatalog = 0x73656e_01 // names are being made
	lockKeys    = 0x73656e_02 // shared: some keys are locked one by one; alone: all are
	lockClaims  = 0x73656e_03 // shared: a claim is being made; alone: none is
	lockShares  = 0x73656e_04 // the limits of queues are being shared
	lockGraphs  = 0x73656e_05 // definitions of graphs are being put or deleted
	lockAccess  = 0x73656e_06 // keys and namespaces are being changed
	lockRollups = 0x73656e_07 // rollups are being folded
)
