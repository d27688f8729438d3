package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/sethvargo/go-retry"

	"github.com/sendoff-dev/sendoff/store"
)

// errUnknown says that a transaction may or may not have been committed.
var errUnknown = errors.New("the outcome of the transaction is not known")

// errUnsent says that nothing was done: the database was not reached, or what
// was reached takes no writes.
var errUnsent = errors.New("the database did not take it")

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
	again bool   // an earlier try may have been committed
	stale bool   // it must not be used again
	moved bool   // what is behind it takes no writes
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
		return c.send(ctx, stmts...)
	}
	if c.terms != "" {
		stmts = append([]*stmt{query(c.terms)}, stmts...)
	}
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
	warned := c.conn.CustomData()
	delete(warned, syncWarning)
	var batch pgconn.Batch
	for _, q := range stmts {
		batch.ExecParams(q.sql, q.values, q.oids, formats(len(q.values)), binaryFormat)
	}
	results := c.conn.ExecBatch(ctx, &batch)
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
	if warned[syncWarning] != nil {
		return fmt.Errorf("%w: the database stopped waiting for its standby", errUnknown)
	}
	return failed
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

// judge tells errors after which nothing was committed from those after which
// nobody knows, and notes what the connection is still good for. The driver's
// SafeToRetry is of no use here: when a connection dies under a batch it reports
// "conn closed", as if nothing had been sent.
func (c *session) judge(err error) error {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if ok && isStale(pgErr) {
		c.stale = true
	}
	switch {
	case ok && slices.Contains([]string{readOnly, idleSession, idleTransaction}, pgErr.Code):
		c.moved = pgErr.Code == readOnly
		return fmt.Errorf("%w: %w", errUnsent, err)
	case ok && rolledBack(pgErr) && pgErr.Code == "53100":
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	case ok && rolledBack(pgErr):
		return err
	}
	return fmt.Errorf("%w: %w", errUnknown, err)
}

// rolledBack tells whether an error of the server ended the transaction only,
// not the connection or what is behind it.
func rolledBack(err *pgconn.PgError) bool {
	return err.SeverityUnlocalized == "ERROR" && class(err) != "08" && class(err) != "58"
}

// readOnly is what a standby answers, and a database that was told to take no
// writes. The connection keeps answering so when others would not: after a
// failover behind one address, or when only its session was told so.
const readOnly = "25006"

// What a role's timeouts end, in the time when nothing was asked for.
const (
	idleSession     = "57P05"
	idleTransaction = "25P03"
)

// isStale tells whether a connection that answered so must not be used again.
func isStale(err *pgconn.PgError) bool {
	return err.Code == readOnly || class(err) == "08" || len(err.Code) == 5 && err.Code[:4] == "57P0" || err.SeverityUnlocalized != "ERROR"
}

func class(err *pgconn.PgError) string {
	if len(err.Code) < 2 {
		return ""
	}
	return err.Code[:2]
}

// isConflict tells whether a transaction lost against another, or was told to
// stop, and can simply be repeated.
func isConflict(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && slices.Contains([]string{"40001", "40P01", "55P03", "57014"}, pgErr.Code)
}

// isDataError tells whether a value is to blame.
func isDataError(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (class(pgErr) == "22" || class(pgErr) == "23")
}

// isTaken tells whether a task with one of the ids is there already.
func isTaken(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pgErr.Code == "23505" && pgErr.ConstraintName == "task_pkey"
}

// with runs fn on a connection of the pool, and closes it when it answered that
// it is no longer good for that.
func (s *Store) with(ctx context.Context, pool *pgxpool.Pool, fn func(*session) error) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnsent, err)
	}
	defer conn.Release()
	c := &session{conn: conn.Conn().PgConn()}
	if pool != s.reads {
		c.terms = s.terms
	}
	err = fn(c)
	if c.stale {
		s.forsake(ctx, c)
	}
	return err
}

// forsake closes a connection, and when what is behind it takes no writes, has
// all others made anew as well: where they lead may have changed.
func (s *Store) forsake(ctx context.Context, c *session) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if c.moved {
		leavePooler(ctx, c.conn)
		for _, pool := range s.pools() {
			pool.Reset()
		}
	}
	_ = c.conn.Close(ctx)
}

// patiently calls fn until its outcome is known: again when it lost against
// another transaction or did not reach the database, and with session.again set
// when it may have been committed already. fn must give the same result when it
// is repeated. Each try has its own deadline, after which its connection is
// closed; a caller's context never ends a commit.
func (s *Store) patiently(ctx context.Context, fn func(context.Context, *session) error) error {
	backoff := retry.NewExponential(10 * time.Millisecond)
	backoff = retry.WithJitterPercent(30, retry.WithCappedDuration(time.Second, backoff))
	backoff = retry.WithMaxDuration(s.options.Patience, backoff)
	again := false
	return retry.Do(context.WithoutCancel(ctx), backoff, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, s.options.Deadline)
		defer cancel()
		err := s.with(ctx, s.hot, func(c *session) error {
			c.again = again
			return fn(ctx, c)
		})
		if end, ok := errors.AsType[*settled](err); ok {
			return end.err
		}
		switch {
		case errors.Is(err, errUnknown):
			again = true
			s.log.WarnContext(ctx, "a commit has an unknown outcome, it is sent again", "err", err)
			return retry.RetryableError(err)
		case errors.Is(err, errUnsent), isConflict(err):
			return retry.RetryableError(err)
		}
		return err
	})
}

// settled wraps an error that patiently must not try to get around.
type settled struct{ err error }

func (s *settled) Error() string { return s.err.Error() }

// write sends statements as one transaction and repeats it when it lost against
// another. The caller's context does not end it.
func (s *Store) write(ctx context.Context, stmts ...*stmt) error {
	return s.change(ctx, func(ctx context.Context, c *session) error { return c.do(ctx, stmts...) })
}

// change runs fn, which may use several round trips between c.begin and
// c.commit, and repeats it when it lost against another transaction.
func (s *Store) change(ctx context.Context, fn func(context.Context, *session) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.calls.Done()
	waiting, stop := context.WithTimeout(ctx, s.options.Deadline)
	defer stop()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options.Deadline)
	defer cancel()
	for try := 1; ; try++ {
		err := s.with(waiting, s.hot, func(c *session) error {
			err := fn(ctx, c)
			if c.began {
				c.rollback(ctx)
			}
			return err
		})
		if err != nil && waiting.Err() != nil && errors.Is(err, errUnsent) {
			return err
		}
		switch {
		case isConflict(err) && try < maxTries && ctx.Err() == nil:
		case errors.Is(err, errUnsent) && try < 3 && ctx.Err() == nil:
		default:
			return err
		}
	}
}

// maxTries bounds repetitions that wait for nothing.
const maxTries = 20

// begin opens a transaction of several round trips.
func (c *session) begin(ctx context.Context, stmts ...*stmt) error {
	c.began = true
	if c.again {
		stmts = append([]*stmt{query(barrier)}, stmts...)
	}
	return c.send(ctx, append([]*stmt{query(beginSQL), query(c.terms)}, stmts...)...)
}

// commit sends the last statements and ends the transaction.
func (c *session) commit(ctx context.Context, stmts ...*stmt) error {
	err := c.do(ctx, append(stmts, query("commit"))...)
	if err == nil {
		c.began = false
	}
	return err
}

// rollback gives up what was begun. A connection on which that fails is
// dropped by the pool.
func (c *session) rollback(ctx context.Context) {
	if !c.conn.IsClosed() {
		_ = c.send(ctx, query("rollback"))
	}
	c.began = false
}

// read sends statements on a connection for readers, as one transaction, and
// tries again when the connection had died.
func (s *Store) read(ctx context.Context, stmts ...*stmt) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.calls.Done()
	return s.fetch(ctx, stmts...)
}

// fetch is read for a call that was counted in already.
func (s *Store) fetch(ctx context.Context, stmts ...*stmt) error {
	for try := 1; ; try++ {
		fresh := true // no row was seen: the statements can be sent again
		for _, q := range stmts {
			if each := q.each; each != nil {
				q.each = func(r *wireRow) { fresh = false; each(r) }
			}
		}
		err := s.fetchOnce(ctx, stmts)
		lost := errors.Is(err, errUnsent) || errors.Is(err, errUnknown)
		if !lost || !fresh || try == 3 || ctx.Err() != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		}
	}
}

func (s *Store) fetchOnce(ctx context.Context, stmts []*stmt) error {
	ctx, cancel := context.WithTimeout(ctx, s.options.Deadline)
	defer cancel()
	return s.with(ctx, s.reads, func(c *session) error { return c.do(ctx, stmts...) })
}

// keep sends statements of the lease, as one transaction, on connections that
// nothing else uses: no lock, no crowd and no dead connection of others stands
// between a node and its heartbeat. They may be repeated, and end with ctx.
func (s *Store) keep(ctx context.Context, stmts ...*stmt) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.calls.Done()
	for try := 1; ; try++ {
		err := s.keepOnce(ctx, s.lease[(try-1)%len(s.lease)], stmts)
		lost := errors.Is(err, errUnsent) || errors.Is(err, errUnknown) || isConflict(err)
		if !lost || try == 3 || ctx.Err() != nil {
			return err
		}
	}
}

// keepOnce lets a connection that hangs have some of the time, and not all of
// it when there is another way to the database.
func (s *Store) keepOnce(ctx context.Context, pool *pgxpool.Pool, stmts []*stmt) error {
	if len(s.lease) > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, leaseTry)
		defer cancel()
	}
	return s.with(ctx, pool, func(c *session) error { return c.do(ctx, stmts...) })
}
