package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

const messageColumns = ` seq, kind, "from", correlation, state, reason, name, error, body `

func readMessage(r *wireRow) store.Message {
	return store.Message{
		Seq: r.i8(), Kind: store.MessageKind(r.i2()), From: r.id(), Correlation: uint64(r.i8()), State: task.State(r.i2()),
		Reason: task.Reason(r.i2()), Name: r.text(), Error: r.text(), Body: r.bytes(),
	}
}

// --- Resume

// resumeCall is a call of Resume that waits for the pipeline.
type resumeCall struct {
	id              task.ID
	after           int64
	limit, maxBytes int
	out             store.Resumption
	total           int64 // messages that ever came
	err             error
}

// Resume returns what a function needs to go on; see store.Functions.
func (s *Store) Resume(ctx context.Context, id task.ID, after int64, limit, maxBytes int) (store.Resumption, error) {
	if err := s.enter(); err != nil {
		return store.Resumption{}, err
	}
	defer s.calls.Done()
	call := &resumeCall{id: id, after: after, limit: limit, maxBytes: maxBytes}
	if err := s.resumes.Do(ctx, call); err != nil {
		return store.Resumption{}, closedError(err)
	}
	if call.err != nil {
		return store.Resumption{}, fmt.Errorf("resume a function: %w", call.err)
	}
	return call.out, nil
}

// handleResumes is the pipeline's handler.
func (s *Store) handleResumes(ctx context.Context, calls []*resumeCall) {
	ctx, cancel := context.WithTimeout(ctx, s.options.Deadline)
	defer cancel()
	err := s.fetch(ctx, query(pins), messagesStmt(calls), statesStmt(calls))
	for _, c := range calls {
		c.err = err
		if n := len(c.out.Messages); n > 0 {
			c.out.More = c.out.Messages[n-1].Seq < c.total
		}
	}
}

// messagesStmt reads the first messages of functions, up to their bounds.
func messagesStmt(calls []*resumeCall) *stmt {
	n := len(calls)
	return query(`
select s.n, m.seq, m.kind, m."from", m.correlation, m.state, m.reason, m.name, m.error, m.body
from unnest($1, $2, $3, $4) with ordinality as s(id, after, lim, bytes, n)
cross join lateral (
 select i.*, row_number() over w as place, sum(coalesce(octet_length(i.body), 0)) over w as size
 from (select * from sendoff.inbox where task = s.id and seq > s.after order by seq limit s.lim) i
 window w as (order by i.seq rows unbounded preceding)) m
where m.place = 1 or m.size <= s.bytes`).
		ids(n, func(i int) task.ID { return calls[i].id }).
		i8s(n, func(i int) int64 { return calls[i].after }).
		i8s(n, func(i int) int64 { return int64(max(calls[i].limit, 1)) }).
		i8s(n, func(i int) int64 { return int64(calls[i].maxBytes) }).
		rows(func(r *wireRow) {
			c := calls[r.i8()-1]
			c.out.Messages = append(c.out.Messages, readMessage(r))
		})
}

// statesStmt reads what else functions need. It comes after the messages, so
// that one which arrives in between is seen as one that was left out.
func statesStmt(calls []*resumeCall) *stmt {
	n := len(calls)
	return query(`
select s.n, w.epoch, w.open, w.writer, w.total, b.bytes,
 (select coalesce(sum(octet_length(j.bytes)), 0) from sendoff.journal j where j.task = s.id)
from unnest($1) with ordinality as s(id, n)
left join sendoff.wait w on w.task = s.id left join sendoff.body b on b.task = s.id and b.part = 1`).
		ids(n, func(i int) task.ID { return calls[i].id }).
		rows(func(r *wireRow) {
			c := calls[r.i8()-1]
			c.out.Epoch, c.out.Open, c.out.Writer, c.total = r.i4(), r.i8(), r.i8(), r.i8()
			c.out.State, c.out.Journal = r.bytes(), r.i8()
		})
}

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

// --- Append

// appendCall is a call of Append that waits for the pipeline.
type appendCall struct {
	checkpoints []store.Checkpoint
	errs        []error
	err         error
}

func (c *appendCall) weight() int { return len(c.checkpoints) }

// Append adds to the journals of running functions; see store.Functions.
func (s *Store) Append(ctx context.Context, checkpoints []store.Checkpoint) ([]error, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.calls.Done()
	if len(checkpoints) == 0 {
		return nil, nil
	}
	call := &appendCall{checkpoints: checkpoints, errs: make([]error, len(checkpoints))}
	if err := s.appends.Do(ctx, call); err != nil {
		return nil, closedError(err)
	}
	if call.err != nil {
		return nil, fmt.Errorf("append to journals: %w", call.err)
	}
	return call.errs, nil
}

// entry is one checkpoint of a batch.
type entry struct {
	*store.Checkpoint
	err  *error
	done bool
}

type entryKey struct {
	id            task.ID
	offset, token int64
}

func (e *entry) key() entryKey { return entryKey{e.ID, e.Offset, e.Token} }

// handleAppends is the pipeline's handler.
func (s *Store) handleAppends(ctx context.Context, calls []*appendCall) {
	var entries []*entry
	for _, call := range calls {
		for i := range call.checkpoints {
			entries = append(entries, &entry{Checkpoint: &call.checkpoints[i], err: &call.errs[i]})
		}
	}
	slices.SortStableFunc(entries, func(a, b *entry) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	err := s.patiently(ctx, func(ctx context.Context, c *session) error {
		first := make(map[entryKey]*entry, len(entries))
		for _, e := range entries {
			e.done = false
			if first[e.key()] == nil {
				first[e.key()] = e
			}
		}
		stmts := []*stmt{query(pins)}
		if c.again {
			stmts = append(stmts, query(barrier))
		}
		return c.do(ctx, append(stmts, appendStmt(entries, func(k entryKey) { first[k].done = true }))...)
	})
	if err == nil {
		err = s.explainAppends(ctx, entries)
	}
	for _, call := range calls {
		call.err = err
	}
}

// appendStmt adds segments of running functions to their journals. The shared
// lock keeps whoever ends or restarts the function waiting until they are there.
//
// The task is asked for laterally: for a join the planner, who expects one running
// task, goes through all tasks once for each checkpoint.
func appendStmt(entries []*entry, each func(entryKey)) *stmt {
	n := len(entries)
	return query(`
with s as materialized (
 select s.id, s.off, s.token, s.bytes from unnest($1, $2, $3, $4) as s(id, off, token, bytes)
 cross join lateral (select from sendoff.task t where t.id = s.id and t.token = s.token and t.state = 2 and t.kind = 2 for share) t)
insert into sendoff.journal (task, "offset", token, bytes) select id, off, token, bytes from s
on conflict do nothing returning task, "offset", token`).
		ids(n, func(i int) task.ID { return entries[i].ID }).
		i8s(n, func(i int) int64 { return entries[i].Offset }).
		i8s(n, func(i int) int64 { return entries[i].Token }).
		blobs(n, func(i int) []byte { return present(entries[i].Bytes) }).
		rows(func(r *wireRow) { each(entryKey{r.id(), r.i8(), r.i8()}) })
}

// explainAppends tells apart checkpoints that were not written: there already,
// in the way of another one, or of an attempt that lost its lease.
func (s *Store) explainAppends(ctx context.Context, entries []*entry) error {
	var missing []*entry
	for _, e := range entries {
		if !e.done {
			missing = append(missing, e)
		}
	}
	n := len(missing)
	if n == 0 {
		return nil
	}
	return s.patiently(ctx, func(ctx context.Context, c *session) error {
		return c.do(ctx, query(pins), query(`
select s.n, t.id is not null, j.token = s.token and j.bytes = s.bytes
from unnest($1, $2, $3, $4) with ordinality as s(id, off, token, bytes, n)
left join sendoff.task t on t.id = s.id and t.token = s.token and t.state = 2 and t.kind = 2
left join sendoff.journal j on j.task = s.id and j."offset" = s.off`).
			ids(n, func(i int) task.ID { return missing[i].ID }).
			i8s(n, func(i int) int64 { return missing[i].Offset }).
			i8s(n, func(i int) int64 { return missing[i].Token }).
			blobs(n, func(i int) []byte { return present(missing[i].Bytes) }).
			rows(func(r *wireRow) {
				e := missing[r.i8()-1]
				switch running, same := r.bool(), r.bool(); {
				case !running:
					*e.err = store.ErrLeaseLost
				case !same:
					*e.err = store.ErrBadValue
				}
			}))
	})
}

// --- for people

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
		switch m := f.members[id]; {
		case m == nil || !m.there:
			return store.ErrNotFound
		case m.kind != task.Function:
			return store.ErrNotFunction
		case m.standing.state.Final():
			return store.ErrFinal
		default:
			f.deliver(m, store.Message{Kind: store.Signal, Name: name, Body: body}, &woken)
		}
		return c.commit(ctx, f.statements()...)
	})
	if err != nil {
		return nil, fmt.Errorf("signal: %w", err)
	}
	return woken, nil
}

// Undo begins to cancel a function that has something to undo; see store.Functions.
func (s *Store) Undo(ctx context.Context, id task.ID, grace int64) ([]store.Woken, error) {
	var woken []store.Woken
	err := s.operate(ctx, "undo", id, func(ctx context.Context, row *store.Row) error {
		if err := row.CanUndo(); err != nil {
			return err
		}
		changed, span := false, s.clock.take(1)
		err := raced(s.write(ctx, query(pins), query(undoSQL).
			id(id).i2(int16(row.State)).i8(row.At).i8(row.Token).i8(span.first).i8(s.clock.now()+grace).
			rows(func(*wireRow) { changed = true })), &changed)
		if err != nil || row.State == task.Ready || row.State == task.Running {
			s.clock.untake(span)
			return err
		}
		woken = []store.Woken{{Lane: row.Lane, Priority: row.Priority, Position: span.first}}
		return nil
	})
	return woken, err
}

// undoSQL makes a waiting function ready. Whoever takes the timer does it.
const undoSQL = `
with m as (delete from sendoff.timer where $2 in (3, 4, 5) and at = $3 and id = $1 returning id),
u as (
 update sendoff.task set flags = flags | 64, expires_at = case when expires_at between 1 and $6 then expires_at else $6 end,
  state = case when $2 = 2 then state else 1 end, reason = case when $2 < 3 then reason else 0 end, at = case when $2 < 3 then at else $5 end
 where id = $1 and state = $2 and at = $3 and token = $4 and flags & 96 = 32 and ($2 < 3 or exists (select from m)) returning id, lane, prio),
r as (insert into sendoff.ready (pos, lane, prio, id) select $5, lane, prio, id from u where $2 > 2)
select from u`

// Restart begins a function again; see store.Functions.
func (s *Store) Restart(ctx context.Context, id task.ID) ([]store.Woken, error) {
	var woken []store.Woken
	err := s.operate(ctx, "restart", id, func(ctx context.Context, row *store.Row) error {
		switch {
		case row.Kind != task.Function:
			return store.ErrNotFunction
		case row.State.Final():
			var err error
			if woken, err = s.Retry(ctx, id); errors.Is(err, store.ErrNotFinal) {
				return errRace
			}
			return err
		}
		changed := false
		span := s.clock.take(1)
		q := query(restartSQL).
			id(id).i2(int16(row.State)).i8(row.Token).i8(row.At).i4(row.Lane).i2(task.ReadyPriority(row.Kind, row.Priority, row.Crashes)).
			i8(span.first).i2(int16(task.Restarted)).i2(int16(task.Interrupt)).text(store.RestartedError).i8(s.clock.now()).
			i4(row.Run).i4(row.Failures + 1).i8(row.LastStarted).
			rows(func(*wireRow) { changed = true })
		err := s.alone(ctx, []task.ID{id}, func() []*stmt { changed = false; return []*stmt{q} }, func(f *family) error {
			f.reset(f.members[id], 0, nil)
			return raced(nil, &changed)
		})
		if err != nil {
			s.clock.untake(span)
			return err
		}
		woken = []store.Woken{{Lane: row.Lane, Priority: row.Priority, Position: span.first}}
		return nil
	})
	return woken, err
}

const restartSQL = `
with r as (delete from sendoff.ready where $2 = 1 and lane = $5 and prio = $6 and pos = $4 and id = $1 returning id),
m as (delete from sendoff.timer where $2 in (3, 4, 5) and at = $4 and id = $1 returning id),
u as (
 update sendoff.task set state = 1, reason = $8, at = $7, run = run + 1, failures = 0, crashes = 0, first_started = 0,
  expires_at = case when flags & 64 <> 0 then 0 else expires_at end, flags = flags & ~96,
  token = token + case $2 when 2 then 1 else 0 end, last_outcome = case $2 when 2 then $9 else last_outcome end,
  last_code = case $2 when 2 then 0 else last_code end, last_error = case $2 when 2 then $10 else last_error end,
  last_cause = case $2 when 2 then 0 else last_cause end
 where id = $1 and state = $2 and token = $3 and run = $12 and ($2 = 2 or exists (select from r) or exists (select from m))
 returning id, lane, prio, node),
a as (insert into sendoff.attempt (task, token, started_at, finished_at, run, number, code, outcome, truncated, node, error)
 select id, $3, $14, $11, $12, $13, 0, $9, false, node, $10 from u where $2 = 2),
i as (insert into sendoff.ready (pos, lane, prio, id) select $7, lane, prio, id from u)
select true from u`

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

const treeSQL = `select` + rowColumns + `from sendoff.task t where t.root = $1 and t.id > $2 order by t.root, t.id limit $3`
