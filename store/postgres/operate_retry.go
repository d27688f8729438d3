package postgres

import (
	"context"
	"errors"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// Retry starts a new run; see store.Operator.
func (s *Store) Retry(ctx context.Context, id task.ID) ([]store.Woken, error) {
	return s.retryOf(ctx, id, false)
}

// RetryFollowers starts a new run, and leaves it to a todo to start those anew that were
// canceled because of the task; see store.Deps.
func (s *Store) RetryFollowers(ctx context.Context, id task.ID) ([]store.Woken, error) {
	return s.retryOf(ctx, id, true)
}

func (s *Store) retryOf(ctx context.Context, id task.ID, followers bool) ([]store.Woken, error) {
	var woken []store.Woken
	err := s.operate(ctx, "retry", id, func(ctx context.Context, row *store.Row) (err error) {
		if err := row.CanRetry(); err != nil {
			return err
		}
		woken, err = s.retry(ctx, row, store.Alone, followers)
		return err
	})
	return woken, err
}

// retry makes a task ready that has ended as row says, or has it wait for what it depends
// on. errRace when it has not.
func (s *Store) retry(ctx context.Context, row *store.Row, reach store.Reach, followers bool) ([]store.Woken, error) {
	span := s.clock.take(1)
	if row.Flags&store.FlagGate != 0 {
		var woken []store.Woken
		_, err := s.retryAt(ctx, row, span.first, reach, followers, &woken)
		return woken, err
	}
	waits, err := s.retryAt(ctx, row, span.first, reach, followers, nil)
	if err != nil || waits {
		s.clock.untake(span)
		return nil, err
	}
	return []store.Woken{{Lane: row.Lane, Priority: row.Priority, Position: span.first}}, nil
}

func (s *Store) retryAt(ctx context.Context, row *store.Row, position int64, reach store.Reach, followers bool, gated *[]store.Woken) (waits bool, err error) {
	revives := followers && row.Flags&store.FlagDeps != 0
	if row.Flags&(store.FlagKeys|store.FlagNeed|store.FlagWaits) == 0 && !revives && gated == nil {
		changed := false
		return false, s.act(ctx, &changed, query(pins), retryTask(row, position, false, &changed))
	}
	err = s.change(ctx, func(ctx context.Context, c *session) error {
		if gated != nil {
			*gated = nil
		}
		if err := c.begin(ctx, query(pins)); err != nil {
			return err
		}
		writes, held := s.reclaim(ctx, c, row)
		at := &gateFloor{s: s, ctx: ctx, c: c, now: s.clock.now(), woken: gated}
		if held != nil && !errors.Is(held, store.ErrKeyHeld) {
			return held
		} else if err := at.lockGatesOfRow(row); err != nil {
			return err
		}
		if waits = false; row.Flags&store.FlagNeed != 0 {
			n, counts, err := recount(ctx, c, row)
			if err != nil {
				return err
			}
			waits, writes = n.Waits, append(writes, counts...)
		}
		if held != nil {
			return held
		}
		f, changed := newFamily(s.clock, s.clock.now()), false
		if err := raced(f.retried(ctx, c, row, retryTask(row, position, waits, &changed)), &changed); err != nil {
			return err
		}
		if revives {
			f.leave(&store.Todo{Kind: store.Revive, Task: row.ID, Token: int64(row.Run) + 1, At: f.now})
		}
		if row.Flags&store.FlagWaits != 0 {
			f.leaveCalls(f.members[row.ID], row.Token, reach)
			f.reset(f.members[row.ID], 0, nil)
		}
		writes = append(writes, f.statements()...)
		if gated == nil || waits {
			return c.commit(ctx, writes...)
		}
		if err := c.do(ctx, writes...); err != nil {
			return err
		}
		before := row.Retried()
		if err := at.reenter(&before, task.Retried, position, store.Again); err != nil {
			return err
		}
		return c.commit(ctx)
	})
	return waits, err
}

// retried makes a task ready by q, and looks at the calls of one that waits for them.
func (f *family) retried(ctx context.Context, c *session, row *store.Row, q *stmt) error {
	if row.Flags&store.FlagWaits == 0 {
		return c.do(ctx, q)
	}
	ids := []task.ID{row.ID}
	return c.do(ctx, append(f.lock(nil, ids), q, f.look(ids))...)
}

var retrySQL = words.SQL(`
with o as (
 select` + inTask + `from sendoff.task t where t.id = $1 and t.state = $2 and t.run = $3 and t.finished_at = $4 and` + hasAnswer + `),
u as (
 update sendoff.task set state = $6, reason = $7, at = case $6 when :ready then $5 else 0 end, answer_headers = null, answer_body = null,
  run = $9, failures = $10, crashes = $11, first_started = $12, finished_at = $13, expires_at = $14, flags = $15
 where id = $1 and state = $2 and run = $3 and finished_at = $4 and flags = $16 returning id, lane),
a as (insert into sendoff.attempt (` + attemptColumns + `) select o.* from o, u),
d as (delete from sendoff.dead d using u where $2 = :failed and d.lane = u.lane and d.at = $4 and d.id = u.id),
r as (insert into sendoff.ready (pos, lane, prio, id) select $5, lane, $8, id from u where $6 = :ready)
select from u`)

// retryTask has an ended task enter a new run, or wait for what it depends on.
func retryTask(row *store.Row, position int64, waits bool, changed *bool) *stmt {
	next := row.Retried()
	e := store.Enter(next.Entrant(), task.Retried)
	if waits {
		e.State, e.Reason = task.Blocked, task.Depends
	}
	return query(retrySQL).
		id(row.ID).i2(int16(row.State)).i4(row.Run).i8(row.FinishedAt).i8(position).
		i2(int16(e.State)).i2(int16(e.Reason)).i2(e.Priority).
		i4(next.Run).i4(next.Failures).i4(next.Crashes).i8(next.FirstStarted).i8(next.FinishedAt).i8(next.ExpiresAt).i4(next.Flags).i4(row.Flags).
		rows(func(*wireRow) { *changed = true })
}
