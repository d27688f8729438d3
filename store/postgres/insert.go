package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Insert stores tasks; see store.Inserter.
func (s *Store) Insert(ctx context.Context, tasks []store.NewTask, atomic bool) ([]store.Inserted, []store.Woken, error) {
	if err := s.enter(); err != nil {
		return nil, nil, err
	}
	defer s.calls.Done()
	if len(tasks) == 0 {
		return nil, nil, nil
	}
	op := &insertOp{tasks: tasks, out: make([]store.Inserted, len(tasks)), atomic: atomic}
	if telling(tasks) {
		s.insertTelling(ctx, op)
	} else if len(tasks) >= copyFrom && !keyed(tasks) {
		if err := s.insertLarge(ctx, op); err != nil {
			return nil, nil, err
		}
	} else if err := s.inserts.Do(ctx, op); err != nil {
		return nil, nil, closedError(err)
	}
	if op.err != nil {
		return nil, nil, fmt.Errorf("insert tasks: %w", op.err)
	}
	return op.out, op.woken, nil
}

// insertLarge gives an insert that is a batch by itself a connection of its own.
func (s *Store) insertLarge(ctx context.Context, op *insertOp) error {
	select {
	case s.copies <- struct{}{}:
		defer func() { <-s.copies }()
	case <-ctx.Done():
		return ctx.Err()
	}
	s.insertOps(ctx, []*insertOp{op})
	return nil
}

// insertOps stores the tasks of several calls in one transaction. When a value
// is to blame for a failure it is found by halving, so that it fails alone.
func (s *Store) insertOps(ctx context.Context, ops []*insertOp) {
	err := s.insertBatch(ctx, ops)
	if err != nil {
		for _, op := range ops {
			op.woken = nil
		}
	}
	switch {
	case err == nil:
	case !isDataError(err):
		for _, op := range ops {
			op.err = err
		}
	case len(ops) > 1:
		s.insertOps(ctx, ops[:len(ops)/2])
		s.insertOps(ctx, ops[len(ops)/2:])
	case len(ops[0].tasks) == 1:
		ops[0].out[0] = store.Inserted{Status: store.Invalid}
	case ops[0].atomic:
		s.blame(ctx, ops[0])
	default:
		half := len(ops[0].tasks) / 2
		for _, part := range []*insertOp{ops[0].part(0, half), ops[0].part(half, len(ops[0].tasks))} {
			s.insertOps(ctx, []*insertOp{part})
			ops[0].err = errors.Join(ops[0].err, part.err)
			for _, w := range part.woken {
				ops[0].woken = store.Collect(ops[0].woken, w)
			}
		}
	}
}

// blame finds the first task of an atomic op that cannot be stored: the longest
// beginning that can is searched, and given up each time.
func (s *Store) blame(ctx context.Context, op *insertOp) {
	good, bad := 0, len(op.tasks) // the first good can be stored, the first bad cannot
	for bad-good > 1 {
		middle := (good + bad) / 2
		err := s.change(ctx, func(ctx context.Context, c *session) error {
			p := &plan{now: s.clock.now()}
			for i := range middle {
				p.add(op, &op.tasks[i])
			}
			return c.begin(ctx, p.statements(true)...) // never committed
		})
		switch {
		case err == nil:
			good = middle
		case isDataError(err):
			bad = middle
		default:
			op.err = err
			return
		}
	}
	for i := range op.out {
		op.out[i] = store.Inserted{Status: store.Skipped}
	}
	op.out[bad-1] = store.Inserted{Status: store.Invalid}
}

// insertBatch stores ops in one transaction. It starts on the assumption that
// no task has a key and none is stored already; when that is wrong it looks
// first.
func (s *Store) insertBatch(ctx context.Context, ops []*insertOp) error {
	now, careful := s.clock.now(), false
	tasks := 0
	for _, op := range ops {
		tasks += len(op.tasks)
		careful = careful || keyed(op.tasks) || telling(op.tasks)
	}
	return s.patiently(ctx, func(ctx context.Context, c *session) error {
		if !careful && !c.again {
			err := s.insertPlain(ctx, c, ops, now, tasks)
			if !isTaken(err) {
				return err
			}
			careful = true
		}
		return s.insertCareful(ctx, c, ops, now)
	})
}

func (s *Store) insertPlain(ctx context.Context, c *session, ops []*insertOp, now int64, tasks int) error {
	p := &plan{now: now, rows: make([]newRow, 0, tasks)}
	for _, op := range ops {
		op.woken = nil
		for i := range op.tasks {
			p.add(op, &op.tasks[i])
			op.out[i] = store.Inserted{Status: store.Created, ID: op.tasks[i].ID, CreatedAt: now}
		}
	}
	span := s.clock.take(p.ready)
	p.place(span)
	var err error
	if tasks >= copyFrom {
		err = p.copy(ctx, c)
	} else {
		err = c.do(ctx, p.statements(false)...)
	}
	if err != nil && !errors.Is(err, errUnknown) {
		s.clock.untake(span)
	}
	return err
}

func (s *Store) insertCareful(ctx context.Context, c *session, ops []*insertOp, now int64) error {
	if !c.again { // otherwise what the first try woke is woken still
		for _, op := range ops {
			op.woken = nil
		}
	}
	p := newPlan(now)
	if err := c.begin(ctx, p.look(ops)...); err != nil {
		return c.giveUp(ctx, err)
	}
	for _, op := range ops {
		p.resolve(op, c.again)
	}
	span := s.clock.take(p.ready)
	p.place(span)
	err := p.replaceFunctions(ctx, c, s.clock)
	writes := p.writes()
	if err == nil && len(p.told) > 0 {
		writes, err = p.tell(ctx, c, s.clock, writes)
	}
	if err == nil {
		err = c.commit(ctx, writes...)
	}
	if err != nil && !errors.Is(err, errUnknown) {
		s.clock.untake(span)
	}
	return c.giveUp(ctx, err)
}

// giveUp ends a transaction that failed.
func (c *session) giveUp(ctx context.Context, err error) error {
	if err != nil && c.began {
		c.rollback(ctx)
	}
	return err
}

// SubmitTx stores tasks in the caller's transaction: they exist when it commits,
// and not before. When it was committed, hand woken to the engine; otherwise a
// poll finds the tasks. An error leaves the transaction to be rolled back.
//
// The keys of the tasks stay locked until the transaction ends, so end it soon.
// They are as durable as that commit is: mind synchronous_commit.
func SubmitTx(ctx context.Context, tx pgx.Tx, s *Store, tasks []store.NewTask, atomic bool) ([]store.Inserted, []store.Woken, error) {
	if len(tasks) == 0 {
		return nil, nil, nil
	}
	op := &insertOp{tasks: tasks, out: make([]store.Inserted, len(tasks)), atomic: atomic}
	c := &session{conn: tx.Conn().PgConn()}
	p := newPlan(s.clock.now())
	if err := c.do(ctx, p.look([]*insertOp{op})...); err != nil {
		return nil, nil, fmt.Errorf("submit tasks: %w", translate(err))
	}
	p.resolve(op, false)
	p.place(s.clock.take(p.ready))
	err := p.replaceFunctions(ctx, c, s.clock)
	writes := p.writes()
	if err == nil && len(p.told) > 0 {
		writes, err = p.tell(ctx, c, s.clock, writes)
	}
	if err == nil {
		err = c.do(ctx, writes...)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("submit tasks: %w", translate(err))
	}
	return op.out, op.woken, nil
}

func newPlan(now int64) *plan {
	return &plan{
		now: now, keys: map[store.KeyName]store.KeyEntry{}, existing: map[task.ID]*standing{}, made: map[task.ID]int{},
		resolver: store.Resolver{Now: now, Taken: map[store.KeyName]*store.Taken{}},
	}
}

// Advisory locks of a transaction, all of them ended with it.
const (
	lockCatalog = 0x73656e_01 // names are being made
	lockKeys    = 0x73656e_02 // shared: some keys are locked one by one; alone: all are
	lockClaims  = 0x73656e_03 // shared: a claim is being made; alone: none is
)

// maxKeyLocks bounds the locks of one transaction: the database has room for a
// few thousand in all.
const maxKeyLocks = 64

// lookKeys locks keys and reads what stands behind them.
func (p *plan) lookKeys(names []store.KeyName) (stmts []*stmt) {
	if locks := keyLocks(names); len(locks) > maxKeyLocks {
		stmts = append(stmts, query(`select pg_advisory_xact_lock($1)`).i8(lockKeys))
	} else if len(locks) > 0 {
		stmts = append(stmts, query(`select pg_advisory_xact_lock_shared($1)`).i8(lockKeys),
			query(`select pg_advisory_xact_lock(n) from unnest($1) as n`).i8s(len(locks), func(i int) int64 { return locks[i] }))
	}
	if len(names) > 0 {
		stmts = append(stmts, query(`
select k.ns, k.kind, k.hash, k.body, k.task, k.until, k.while_open, t.id, t.created_at, t.lane, t.prio, t.crashes, t.at, t.state, t.kind, t.flags, t.parent
from unnest($1, $2, $3) as n(ns, kind, hash)
join sendoff.key k on k.ns = n.ns and k.kind = n.kind and k.hash = n.hash
left join sendoff.task t on t.id = k.task`).
			i4s(len(names), func(i int) int32 { return names[i].Namespace }).
			i2s(len(names), func(i int) int16 { return int16(names[i].Kind) }).
			blobs(len(names), func(i int) []byte { return names[i].Hash[:] }).
			rows(p.readKey))
	}
	return stmts
}

// look locks the keys of ops and reads what stands behind them, and which of
// the ids are taken.
func (p *plan) look(ops []*insertOp) []*stmt {
	stmts := p.lookKeys(keyNames(ops))
	var ids []task.ID
	for _, op := range ops {
		for i := range op.tasks {
			ids = append(ids, op.tasks[i].ID)
		}
	}
	return append(stmts, query(`
select id, created_at, lane, prio, crashes, at, state, kind, flags, parent from sendoff.task where id = any($1)`).idList(ids).
		rows(func(r *wireRow) { p.readStanding(r) }))
}

// replaceFunctions cancels the victims, when functions are concerned by that, and
// works out what it means for these.
func (p *plan) replaceFunctions(ctx context.Context, c *session, clock *clock) error {
	var related []task.ID
	for _, v := range p.victims {
		if v.kind == task.Function || v.flags&store.FlagParent != 0 {
			related = append(related, v.id, v.parent)
		}
	}
	if len(related) == 0 {
		return nil
	}
	f := newFamily(clock, p.now)
	gone := map[task.ID]bool{}
	stmts := append(f.lock(nil, related), f.look(related),
		cancelWaiting(p.victims, p.now, task.Replaced, func(id task.ID) { gone[id] = true }))
	if err := c.do(ctx, stmts...); err != nil {
		return err
	}
	for i, v := range p.victims {
		if m := f.members[v.id]; m != nil && gone[v.id] {
			f.ended(m, task.Canceled, task.Replaced, "", nil, &p.causes[i].woken)
		}
	}
	p.lost = append([]*stmt{}, f.statements()...)
	return nil
}

func (p *plan) readKey(r *wireRow) {
	e := store.KeyEntry{Namespace: r.i4(), Kind: store.KeyKind(r.i2()), Hash: r.hash(), Body: r.hash(), Task: r.id(), Until: r.i8(), WhileOpen: r.bool()}
	taken := &store.Taken{Entry: e}
	if had := p.readStanding(r); had != nil {
		taken.State, taken.Kind = had.state, had.kind
	}
	p.resolver.Taken[store.KeyName{Namespace: e.Namespace, Kind: e.Kind, Hash: e.Hash}] = taken
}

func (p *plan) readStanding(r *wireRow) *standing {
	id := r.id()
	had := &standing{created: r.i8(), lane: r.i4(), prio: r.i2(), crashes: r.i4(), at: r.i8(), state: task.State(r.i2())}
	had.kind, had.flags, had.parent = task.Kind(r.i2()), r.i4(), r.id()
	if id.IsZero() {
		return nil // the task of a key is gone
	}
	p.existing[id] = had
	return had
}

// writes is everything a careful plan writes, in the order of locks.
func (p *plan) writes() []*stmt {
	var stmts []*stmt
	if len(p.victims) > 0 && p.lost == nil {
		stmts = append(stmts, cancelWaiting(p.victims, p.now, task.Replaced, nil))
	}
	stmts = append(stmts, p.lost...)
	if len(p.rows) > 0 {
		stmts = append(stmts, p.statements(true)...)
	}
	if len(p.keys) > 0 {
		stmts = append(stmts, writeKeys(slices.Collect(maps.Values(p.keys))))
	}
	return stmts
}

func writeKeys(entries []store.KeyEntry) *stmt {
	n := len(entries)
	return query(`
insert into sendoff.key (ns, kind, hash, body, task, until, while_open)
select * from unnest($1, $2, $3, $4, $5, $6, $7)
on conflict (ns, kind, hash) do update set body = excluded.body, task = excluded.task, until = excluded.until, while_open = excluded.while_open`).
		i4s(n, func(i int) int32 { return entries[i].Namespace }).
		i2s(n, func(i int) int16 { return int16(entries[i].Kind) }).
		blobs(n, func(i int) []byte { return entries[i].Hash[:] }).
		blobs(n, func(i int) []byte { return entries[i].Body[:] }).
		ids(n, func(i int) task.ID { return entries[i].Task }).
		i8s(n, func(i int) int64 { return entries[i].Until }).
		bools(n, func(i int) bool { return entries[i].WhileOpen })
}

const newTasks = `
 (id, created_at, expires_at, at, lane, flags, max_attempts, prio, kind, state, reason, finished_at, parent, root, grp, keys, spec, payload, correlation, epoch)
 select id, $1, coalesce(expires_at, 0), at, lane, flags, max_attempts, prio, kind, state, reason, coalesce(finished_at, 0), parent, root, grp, keys, spec, payload, correlation, epoch
 from `

const newTasksFrom = `unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
 as s(id, expires_at, at, lane, flags, max_attempts, prio, kind, state, reason, finished_at, parent, root, grp, keys, spec, payload, correlation, epoch)`

// statements write the rows of the plan. Unless some of them may be stored
// already, they are told apart here and not by the database.
func (p *plan) statements(some bool) []*stmt {
	if some {
		q := query(`
with s as materialized (select * from ` + newTasksFrom + `),
i as (insert into sendoff.task` + newTasks + `s on conflict (id) do nothing returning id),
r as (insert into sendoff.ready (pos, lane, prio, id) select s.at, s.lane, s.prio, s.id from s join i using (id) where s.state = 1),
m as (insert into sendoff.timer (at, lane, id) select s.at, s.lane, s.id from s join i using (id) where s.state = 3)
insert into sendoff.body (task, part, bytes) select b.id, 0, b.bytes from unnest($21, $22) as b(id, bytes) join i using (id)`)
		return []*stmt{p.bindBodies(p.bindRows(q))}
	}
	stmts := []*stmt{p.bindRows(query(`insert into sendoff.task` + newTasks + newTasksFrom))}
	if p.ready > 0 {
		ready := p.in(task.Ready)
		stmts = append(stmts, query(`insert into sendoff.ready (pos, lane, prio, id) select * from unnest($1, $2, $3, $4)`).
			i8s(len(ready), func(i int) int64 { return ready[i].at }).
			i4s(len(ready), func(i int) int32 { return ready[i].Lane }).
			i2s(len(ready), func(i int) int16 { return ready[i].Priority }).
			ids(len(ready), func(i int) task.ID { return ready[i].ID }))
	}
	if p.ready < len(p.rows) {
		timers := p.in(task.Scheduled)
		stmts = append(stmts, query(`insert into sendoff.timer (at, lane, id) select * from unnest($1, $2, $3)`).
			i8s(len(timers), func(i int) int64 { return timers[i].at }).
			i4s(len(timers), func(i int) int32 { return timers[i].Lane }).
			ids(len(timers), func(i int) task.ID { return timers[i].ID }))
	}
	if len(p.bodies()) > 0 {
		stmts = append(stmts, p.bindBodies(query(`insert into sendoff.body (task, part, bytes) select id, 0, bytes from unnest($1, $2) as b(id, bytes)`)))
	}
	return stmts
}

func (p *plan) in(state task.State) []*newRow {
	rows := make([]*newRow, 0, len(p.rows))
	for i := range p.rows {
		if p.rows[i].state == state {
			rows = append(rows, &p.rows[i])
		}
	}
	return rows
}

func (p *plan) bodies() []*newRow {
	var rows []*newRow
	for i := range p.rows {
		if p.rows[i].flags&store.FlagBody != 0 {
			rows = append(rows, &p.rows[i])
		}
	}
	return rows
}

func (p *plan) bindBodies(q *stmt) *stmt {
	rows := p.bodies()
	return q.ids(len(rows), func(i int) task.ID { return rows[i].ID }).
		blobs(len(rows), func(i int) []byte { return rows[i].Payload })
}

// bindRows passes a column that nobody uses as an empty array, which unnest
// fills up with nulls.
func (p *plan) bindRows(q *stmt) *stmt {
	rows, n := p.rows, len(p.rows)
	used := func(has func(*newRow) bool) int {
		for i := range rows {
			if has(&rows[i]) {
				return n
			}
		}
		return 0
	}
	return q.i8(p.now).
		ids(n, func(i int) task.ID { return rows[i].ID }).
		i8s(used(func(r *newRow) bool { return r.ExpiresAt != 0 }), func(i int) int64 { return rows[i].ExpiresAt }).
		i8s(n, func(i int) int64 { return rows[i].at }).
		i4s(n, func(i int) int32 { return rows[i].Lane }).
		i4s(n, func(i int) int32 { return rows[i].flags }).
		i4s(n, func(i int) int32 { return rows[i].MaxAttempts }).
		i2s(n, func(i int) int16 { return rows[i].Priority }).
		i2s(n, func(i int) int16 { return int16(rows[i].Kind) }).
		i2s(n, func(i int) int16 { return int16(rows[i].state) }).
		i2s(n, func(i int) int16 { return int16(rows[i].reason) }).
		i8s(used(func(r *newRow) bool { return r.finished != 0 }), func(i int) int64 { return rows[i].finished }).
		ids(used(func(r *newRow) bool { return !r.Parent.IsZero() }), func(i int) task.ID { return rows[i].Parent }).
		ids(used(func(r *newRow) bool { return !r.Root.IsZero() }), func(i int) task.ID { return rows[i].Root }).
		blobs(used(func(r *newRow) bool { return r.Group != "" }), func(i int) []byte { return group(rows[i].Group) }).
		blobs(used(func(r *newRow) bool { return r.keys != nil }), func(i int) []byte { return rows[i].keys }).
		blobs(n, func(i int) []byte { return present(rows[i].Spec) }).
		blobs(n, func(i int) []byte { return rows[i].inline() }).
		i8s(used(func(r *newRow) bool { return r.Correlation != 0 }), func(i int) int64 { return int64(rows[i].Correlation) }).
		i4s(used(func(r *newRow) bool { return r.Epoch != 0 }), func(i int) int32 { return rows[i].Epoch })
}

func group(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}

// present keeps an empty value from being stored as null.
func present(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// inline is the payload that is kept in the row.
func (r *newRow) inline() []byte {
	if r.flags&store.FlagBody != 0 || len(r.Payload) == 0 {
		return nil
	}
	return r.Payload
}

// --- COPY

// copy writes the rows of a plan that nothing can be in the way of.
func (p *plan) copy(ctx context.Context, c *session) error {
	if err := c.begin(ctx); err != nil {
		return c.giveUp(ctx, err)
	}
	err := c.copy(ctx, `copy sendoff.task (id, created_at, expires_at, at, lane, flags, max_attempts, prio, kind, state, reason, parent, root, grp, spec, payload, correlation, epoch) from stdin binary`,
		p.copyTasks())
	if ready := p.in(task.Ready); err == nil && len(ready) > 0 {
		err = c.copy(ctx, `copy sendoff.ready (pos, lane, prio, id) from stdin binary`, copyRows(len(ready), 4, 62, func(b []byte, i int) []byte {
			r := ready[i]
			return putID(put2(put4(put8(b, r.at), r.Lane), r.Priority), r.ID)
		}))
	}
	if timers := p.in(task.Scheduled); err == nil && len(timers) > 0 {
		err = c.copy(ctx, `copy sendoff.timer (at, lane, id) from stdin binary`, copyRows(len(timers), 3, 56, func(b []byte, i int) []byte {
			r := timers[i]
			return putID(put4(put8(b, r.at), r.Lane), r.ID)
		}))
	}
	if bodies := p.bodies(); err == nil && len(bodies) > 0 {
		err = c.copy(ctx, `copy sendoff.body (task, part, bytes) from stdin binary`, copyRows(len(bodies), 3, 4096, func(b []byte, i int) []byte {
			return putBytes(put2(putID(b, bodies[i].ID), 0), bodies[i].Payload)
		}))
	}
	if err == nil {
		err = c.commit(ctx)
	}
	return c.giveUp(ctx, err)
}

func (p *plan) copyTasks() []byte {
	size := 160
	for i := range min(len(p.rows), 10) {
		size = max(size, 160+len(p.rows[i].Spec)+len(p.rows[i].Payload))
	}
	return copyRows(len(p.rows), 18, min(size, 2048), func(b []byte, i int) []byte {
		r := &p.rows[i]
		b = putID(b, r.ID)
		b = put8(put8(put8(b, p.now), r.ExpiresAt), r.at)
		b = put4(put4(put4(b, r.Lane), r.flags), r.MaxAttempts)
		b = put2(put2(put2(put2(b, r.Priority), int16(r.Kind)), int16(r.state)), int16(r.reason))
		b = putID(putID(b, r.Parent), r.Root)
		b = putText(b, r.Group)
		b = putBytes(putBytes(b, present(r.Spec)), r.inline())
		if r.Correlation == 0 && r.Epoch == 0 {
			return putNull(putNull(b))
		}
		return put4(put8(b, int64(r.Correlation)), r.Epoch)
	})
}

// copyRows encodes rows for COPY in binary.
func copyRows(n, columns, size int, fill func(b []byte, i int) []byte) []byte {
	b := make([]byte, 0, 32+n*(size+2))
	b = append(b, "PGCOPY\n\377\r\n\000"...)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0) // flags, no extension
	for i := range n {
		b = binary.BigEndian.AppendUint16(b, uint16(columns))
		b = fill(b, i)
	}
	return append(b, 0xff, 0xff)
}

func (c *session) copy(ctx context.Context, sql string, data []byte) error {
	if err := c.unsent(ctx); err != nil {
		return err
	}
	if _, err := c.conn.CopyFrom(ctx, bytes.NewReader(data), sql); err != nil {
		return c.judge(err)
	}
	return nil
}
