package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/sethvargo/go-retry"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// patiently calls fn until its outcome is known: again when it lost against
// another transaction or did not reach the database, and with session.again set
// when it may have been committed already. fn must give the same result when it
// is repeated. Each try has its own deadline, after which its connection is
// closed; a caller's context never ends a commit.
func (s *Store) patiently(ctx context.Context, fn func(context.Context, *session) error) error {
	backoff := retry.NewExponential(10 * time.Millisecond)
	backoff = retry.WithJitterPercent(30, retry.WithCappedDuration(time.Second, backoff))
	backoff = retry.WithMaxDuration(s.options.Patience, backoff)
	again, gates := false, []task.ID(nil)
	return retry.Do(context.WithoutCancel(ctx), backoff, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, s.options.Deadline)
		defer cancel()
		err := s.with(ctx, s.hot, func(c *session) error {
			c.again, c.before = again, &gates
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
	var gates []task.ID
	audit := store.AuditOf(ctx)
	for try := 1; ; try++ {
		err := s.with(waiting, s.hot, func(c *session) error {
			c.before, c.audit = &gates, audit
			err := fn(ctx, c)
			if err == nil && c.audited && !c.began {
				audit.Done()
			}
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
		c.terms, c.s = s.terms, s
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
