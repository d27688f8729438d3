package postgres

import (
	"context"
	"fmt"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
)

// Whoever changes what runs without a node locks its task before its timer.
var (
	detachSQL = words.SQL(`
with u as (update sendoff.task t set reason = :reason_acknowledgement, node = null, at = $3
 where t.id = $1 and t.token = $2 and t.state = :running and t.reason <> :reason_acknowledgement returning t.id, t.lane, t.at),
m as (insert into sendoff.timer (at, lane, kind, id) select at, lane, :running, id from u)
select at from u`)
	extendSQL = words.SQL(`
with o as materialized (select t.id, t.at from sendoff.task t
 where t.id = $1 and t.token = $2 and t.state = :running and t.reason = :reason_acknowledgement for update),
u as (update sendoff.task t set at = $3 from o where t.id = any(array[o.id]) returning t.id),
m as (update sendoff.timer m set at = $3 from o where m.at = o.at and m.id = o.id)
select $3::int8 from u`)
	attachSQL = words.SQL(`
with o as materialized (select t.id, t.at from sendoff.task t
 where t.id = $1 and t.token = $2 and t.state = :running and t.reason = :reason_acknowledgement and (not $7 or t.at <= $5)
 and exists (select from sendoff.node where id = $4 and lease_until > coalesce($6, ` + databaseClock + `)) for update of t),
u as (update sendoff.task t set reason = :reason_none, node = $4, at = $5 from o where t.id = any(array[o.id]) returning t.id),
m as (delete from sendoff.timer m using o where m.at = o.at and m.id = o.id)
insert into sendoff.claim (id, node, at, ids) select $3, $4, $5, array[id] from u returning true`)
	overdueSQL = words.SQL(`
select r.id, t.token from (select id, at from sendoff.timer where at >= $1 and at <= $2 and kind = :running order by at, id limit $3) r
join sendoff.task t on t.id = any(array[r.id]) order by r.at, r.id`)
)

// Detach takes an attempt from its node; see store.Acks.
func (s *Store) Detach(ctx context.Context, h store.Held, within int64) (int64, error) {
	return s.until(ctx, "detach", detachSQL, h, within, func(row *store.Row) bool { return row.Detached() })
}

// Extend has a detached attempt go on; see store.Acks.
func (s *Store) Extend(ctx context.Context, h store.Held, within int64) (int64, error) {
	return s.until(ctx, "extend", extendSQL, h, within, func(*store.Row) bool { return false })
}

// until changes an attempt, and returns when its time is over. What it leaves as it was may be
// as it should be.
func (s *Store) until(ctx context.Context, verb, sql string, h store.Held, within int64, done func(*store.Row) bool) (until int64, err error) {
	err = s.change(ctx, func(ctx context.Context, c *session) error {
		until = 0
		var row *store.Row
		err := c.begin(ctx, query(pins), query(sql).id(h.ID).i8(h.Token).i8(s.clock.now()+within).rows(func(r *wireRow) { until = r.i8() }), rowAs(h, &row))
		switch {
		case err != nil:
			return err
		case until == 0 && row != nil && done(row):
			until = row.At
		case until == 0:
			return store.ErrLeaseLost
		}
		return c.commit(ctx)
	})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", verb, err)
	}
	return until, nil
}

// rowAs reads the row of a task that runs with a token.
func rowAs(h store.Held, row **store.Row) *stmt {
	*row = nil
	return query(rowAsSQL).id(h.ID).i8(h.Token).rows(func(r *wireRow) {
		found := readRow(r)
		*row = &found
	})
}

var rowAsSQL = words.SQL(`select` + rowColumns + `from sendoff.task t where t.id = $1 and t.token = $2 and t.state = :running`)

// Attach gives a detached attempt to a node; see store.Acks.
func (s *Store) Attach(ctx context.Context, a store.Attach) (attached store.Row, err error) {
	err = s.change(ctx, func(ctx context.Context, c *session) error {
		var row *store.Row
		done, now := false, s.clock.now()
		take := query(attachSQL).id(a.ID).i8(a.Token).id(a.Claim).id(a.Node).i8(now).null8(s.clock.lease()).bool(a.Overdue).
			rows(func(*wireRow) { done = true })
		err := c.begin(ctx, query(pins), take, rowAs(a.Held, &row))
		switch {
		case err != nil:
			return err
		case done && row != nil:
			attached = *row
			return c.commit(ctx)
		case row != nil && row.Detached() && (!a.Overdue || row.At <= now):
			return store.ErrNodeLost
		}
		return store.ErrLeaseLost
	})
	if err != nil {
		return store.Row{}, fmt.Errorf("attach: %w", err)
	}
	return attached, nil
}

// Overdue lists detached attempts whose time has passed; see store.Acks.
func (s *Store) Overdue(ctx context.Context, limit int) (held []store.Held, err error) {
	from, full := s.deadlines.from()
	now := s.clock.now()
	err = s.read(ctx, query(pins), query(overdueSQL).i8(from).i8(now).i8(int64(limit)).
		rows(func(r *wireRow) { held = append(held, store.Held{ID: r.id(), Token: r.i8()}) }))
	if err != nil {
		return nil, fmt.Errorf("list overdue attempts: %w", err)
	}
	if len(held) == 0 { // otherwise they are still there
		s.deadlines.swept(now, full)
	}
	return held, nil
}
