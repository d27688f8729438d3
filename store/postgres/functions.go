package postgres

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// Journal returns the segments of a journal; see store.Functions.
func (s *Store) Journal(ctx context.Context, id task.ID) ([]task.Segment, error) {
	var segments []task.Segment
	err := s.read(ctx, query(pins), query(`select "offset", bytes from sendoff.journal where task = $1 order by "offset"`).id(id).
		rows(func(r *wireRow) { segments = append(segments, task.Segment{Offset: r.i8(), Bytes: r.bytes()}) }))
	if err != nil {
		return nil, fmt.Errorf("read a journal: %w", err)
	}
	return segments, nil
}

// Signal gives a message to a function; see store.Functions.
func (s *Store) Signal(ctx context.Context, id task.ID, name string, body []byte) ([]store.Woken, error) {
	var woken []store.Woken
	err := s.change(ctx, func(ctx context.Context, c *session) error {
		woken = nil
		f := newFamily(s.clock, s.clock.now())
		ids := []task.ID{id}
		if err := c.begin(ctx, slices.Concat([]*stmt{query(pins)}, f.lock(ids, nil), []*stmt{f.look(ids)})...); err != nil {
			return err
		}
		if f.made[id] {
			// Nobody who ends or suspends the function could see the row that was
			// made just now: have them wait for it at the task.
			err := c.do(ctx, query(`select from sendoff.task where id = $1 for share`).id(id), f.look(ids))
			if err != nil {
				return err
			}
		}
		m := f.members[id]
		if m == nil || !m.there {
			return store.ErrNotFound
		}
		if err := (&store.Row{Kind: m.kind, State: m.standing.state}).CanTell(); err != nil {
			return err
		}
		f.deliver(m, store.Message{Kind: store.Signal, Name: name, Body: body}, &woken)
		return c.commit(ctx, f.statements()...)
	})
	if err != nil {
		return nil, fmt.Errorf("signal: %w", err)
	}
	return woken, nil
}

// undoSQL marks a function, and makes a waiting one ready. Whoever takes the timer does it.
var undoSQL = words.SQL(`
with m as (delete from sendoff.timer where $12 and at = $3 and id = $1 returning id),
u as (
 update sendoff.task set flags = $5, expires_at = $6, state = $7, reason = $8, at = $9
 where id = $1 and state = $2 and at = $3 and token = $4 and flags = $10 and (not $12 or exists (select from m)) returning id, lane),
r as (insert into sendoff.ready (pos, lane, prio, id) select $9, lane, $11, id from u where $12)
select from u`)

func undoTask(row *store.Row, position, until int64, changed *bool) *stmt {
	next, waits := row.Undone(until), row.Place() == store.InTimer
	e := store.Entry{State: row.State, Reason: row.Reason}
	if waits {
		e = store.Enter(next.Entrant(), task.NoReason)
	} else {
		position = row.At
	}
	return query(undoSQL).
		id(row.ID).i2(int16(row.State)).i8(row.At).i8(row.Token).i4(next.Flags).i8(next.ExpiresAt).
		i2(int16(e.State)).i2(int16(e.Reason)).i8(position).i4(row.Flags).i2(e.Priority).bool(waits).
		rows(func(*wireRow) { *changed = true })
}

// Undo begins to cancel a function that has something to undo; see store.Functions.
func (s *Store) Undo(ctx context.Context, id task.ID, grace int64) ([]store.Woken, error) {
	var woken []store.Woken
	err := s.operate(ctx, "undo", id, func(ctx context.Context, row *store.Row) error {
		if err := row.CanUndo(); err != nil {
			return err
		}
		if row.Flags&store.FlagGate != 0 {
			var err error
			woken, err = s.undoGated(ctx, row, grace)
			return err
		}
		changed, span := false, s.clock.take(1)
		err := s.act(ctx, &changed, query(pins), undoTask(row, span.first, s.clock.now()+grace, &changed))
		if err != nil || row.Place() != store.InTimer {
			s.clock.untake(span)
			return err
		}
		woken = []store.Woken{{Lane: row.Lane, Priority: row.Priority, Position: span.first}}
		return nil
	})
	return woken, err
}

var restartSQL = words.SQL(`
with r as (delete from sendoff.ready where $2 = :ready and lane = $5 and prio = $6 and pos = $4 and id = $1 returning id),
m as (delete from sendoff.timer where $2 in :timed and at = $4 and id = $1 returning id),
u as (
 update sendoff.task set state = $13, reason = $14, at = $7, run = $15, failures = $16, crashes = $17, first_started = $18, expires_at = $19, flags = $20,
  token = token + case $2 when :running then 1 else 0 end, last_outcome = case $2 when :running then $21 else last_outcome end,
  last_code = case $2 when :running then 0 else last_code end, last_error = case $2 when :running then $8 else last_error end,
  last_cause = case $2 when :running then null else last_cause end
 where id = $1 and state = $2 and token = $3 and run = $10 and flags = $22 and ($2 = :running or exists (select from r) or exists (select from m))
 returning id, lane, node),
a as (insert into sendoff.attempt (task, token, started_at, finished_at, run, number, code, outcome, truncated, node, error)
 select id, $3, $12, $9, $10, $11, 0, $21, false, node, $8 from u where $2 = :running),
i as (insert into sendoff.ready (pos, lane, prio, id) select $7, lane, $23, id from u)
select true from u`)

// restartTask has a function enter a new run, whatever it does just now. An attempt that
// is under way ends.
func restartTask(row *store.Row, position, now int64, changed *bool) *stmt {
	was, next, cut := row.InLine(), row.Restarted(), store.RestartedTransition(row)
	e := store.Enter(next.Entrant(), task.Restarted)
	return query(restartSQL).
		id(row.ID).i2(int16(row.State)).i8(row.Token).i8(row.At).i4(row.Lane).i2(was.Priority).
		i8(position).text(cut.Error).i8(now).i4(row.Run).i4(cut.Number()).i8(row.LastStarted).
		i2(int16(e.State)).i2(int16(e.Reason)).i4(next.Run).i4(next.Failures).i4(next.Crashes).i8(next.FirstStarted).i8(next.ExpiresAt).i4(next.Flags).
		i2(int16(cut.Outcome)).i4(row.Flags).i2(e.Priority).
		rows(func(*wireRow) { *changed = true })
}

// Restart begins a function again; see store.Functions.
func (s *Store) Restart(ctx context.Context, id task.ID) ([]store.Woken, error) {
	var woken []store.Woken
	err := s.operate(ctx, "restart", id, func(ctx context.Context, row *store.Row) error {
		if err := row.CanRestart(); err != nil {
			return err
		}
		if row.State.Final() {
			var err error
			woken, err = s.retry(ctx, row, store.WithCalls, false)
			return err
		}
		if row.Flags&store.FlagGate != 0 && row.InGateLine() {
			_, err := s.restartInLine(ctx, row)
			return err
		}
		changed := false
		span := s.clock.take(1)
		q := restartTask(row, span.first, s.clock.now(), &changed)
		gatedWaits := row.Flags&store.FlagGate != 0 && row.Place() == store.InTimer
		if woken = nil; gatedWaits {
			q.late = []lateComer{{id: id, pos: span.first, state: row.State, why: row.Reason, at: row.At, woken: &woken, now: s.clock.now()}}
		}
		err := s.alone(ctx, []task.ID{id}, func() []*stmt { changed = false; return []*stmt{q} }, func(f *family) error {
			f.leaveCalls(f.members[id], row.Token, store.WithCalls)
			f.reset(f.members[id], 0, nil)
			return raced(nil, &changed)
		})
		if err != nil {
			s.clock.untake(span)
			return err
		}
		if gatedWaits {
			return nil
		}
		woken = []store.Woken{{Lane: row.Lane, Priority: row.Priority, Position: span.first}}
		return nil
	})
	return woken, err
}

const treeSQL = `select` + rowColumns + `from sendoff.task t where t.root = $1 and t.id > $2 order by t.root, t.id limit $3`

// Tree lists the tasks of a tree; see store.Functions.
func (s *Store) Tree(ctx context.Context, root, after task.ID, limit int) ([]store.Row, error) {
	var rows []store.Row
	each := func(r *wireRow) { rows = append(rows, readRow(r)) }
	err := s.read(ctx, query(pins),
		query(`select`+rowColumns+`from sendoff.task t where t.id = $1 and t.id > $2`).id(root).id(after).rows(each),
		query(treeSQL).id(root).id(after).i8(int64(limit)).rows(each))
	if err != nil {
		return nil, fmt.Errorf("read a tree: %w", err)
	}
	slices.SortFunc(rows, func(a, b store.Row) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return rows[:min(len(rows), max(limit, 0))], nil
}
