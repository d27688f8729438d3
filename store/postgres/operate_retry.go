package postgres

import (
	"context"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// Retry starts a new run; see store.Operator.
func (s *Store) Retry(ctx context.Context, id task.ID) ([]store.Woken, error) {
	var woken []store.Woken
	err := s.operate(ctx, "retry", id, func(ctx context.Context, row *store.Row) error {
		if !row.State.Final() {
			return store.ErrNotFinal
		}
		span := s.clock.take(1)
		if err := s.retry(ctx, row, span.first, store.Alone); err != nil {
			s.clock.untake(span)
			return err
		}
		woken = []store.Woken{{Lane: row.Lane, Priority: row.Priority, Position: span.first}}
		return nil
	})
	return woken, err
}

// retry makes a task ready that has ended as row says. errRace when it has not.
func (s *Store) retry(ctx context.Context, row *store.Row, position int64, reach store.Reach) error {
	if row.Flags&store.FlagKeys == 0 && row.Kind != task.Function {
		changed := false
		return raced(s.write(ctx, query(pins), retryTask(row, position, &changed)), &changed)
	}
	return s.change(ctx, func(ctx context.Context, c *session) error {
		if err := c.begin(ctx, query(pins)); err != nil {
			return err
		}
		keys, err := s.reclaim(ctx, c, row)
		if err != nil {
			return err
		}
		f, changed := newFamily(s.clock, s.clock.now()), false
		q := retryTask(row, position, &changed)
		if row.Kind != task.Function {
			err = c.do(ctx, q)
		} else {
			ids := []task.ID{row.ID}
			err = c.do(ctx, append(f.lock(nil, ids), q, f.look(ids))...)
		}
		if err := raced(err, &changed); err != nil {
			return err
		}
		if row.Kind == task.Function {
			f.leaveCalls(f.members[row.ID], row.Token, reach)
			f.reset(f.members[row.ID], 0, nil)
			keys = append(keys, f.statements()...)
		}
		return c.commit(ctx, keys...)
	})
}

var retrySQL = words.SQL(`
with o as (
 select` + inTask + `from sendoff.task t where t.id = $1 and t.state = $2 and t.run = $3 and t.finished_at = $4 and` + hasAnswer + `),
u as (
 update sendoff.task set state = :ready, reason = :reason_retried, at = $5, flags = flags & ~(:flag_parent | :flag_undo | :flag_canceling),
  run = run + 1, failures = 0, crashes = 0, expires_at = 0, first_started = 0, finished_at = 0, answer_headers = null, answer_body = null
 where id = $1 and state = $2 and run = $3 and finished_at = $4 returning id, lane, prio),
a as (insert into sendoff.attempt (` + attemptColumns + `) select o.* from o, u),
d as (delete from sendoff.dead d using u where $2 = :failed and d.lane = u.lane and d.at = $4 and d.id = u.id),
r as (insert into sendoff.ready (pos, lane, prio, id) select $5, lane, prio, id from u)
select from u`)

func retryTask(row *store.Row, position int64, changed *bool) *stmt {
	return query(retrySQL).
		id(row.ID).i2(int16(row.State)).i4(row.Run).i8(row.FinishedAt).i8(position).
		rows(func(*wireRow) { *changed = true })
}
