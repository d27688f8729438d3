package postgres

import (
	"maps"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// writes is everything a careful plan writes, in the order of locks.
func (p *plan) writes() []*stmt {
	var stmts []*stmt
	if len(p.victims) > 0 && p.lost == nil {
		stmts = append(stmts, cancelWaiting(p.victims, p.now, task.Replaced, false, nil))
	}
	stmts = append(stmts, p.lost...)
	if len(p.rows) > 0 {
		stmts = append(stmts, p.statements(true)...)
	}
	stmts = append(stmts, p.depStatements()...)
	if len(p.keys) > 0 {
		stmts = append(stmts, writeKeys(slices.Collect(maps.Values(p.keys))))
	}
	return stmts
}

const newTasks = `
 (id, created_at, expires_at, at, lane, flags, max_attempts, prio, kind, state, reason, finished_at, parent, root, grp, keys, spec, payload, correlation, epoch, gates)
 select id, $1, coalesce(expires_at, 0), at, lane, flags, max_attempts, prio, kind, state, reason, coalesce(finished_at, 0), parent, root, grp, keys, spec, payload, correlation, epoch, gates
 from `

const newTasksFrom = `unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
 as s(id, expires_at, at, lane, flags, max_attempts, prio, kind, state, reason, finished_at, parent, root, grp, keys, spec, payload, correlation, epoch, gates)`

var insertSomeSQL = words.SQL(`
with s as materialized (select * from ` + newTasksFrom + `),
i as (insert into sendoff.task` + newTasks + `s on conflict (id) do nothing returning id, at, lane, prio, state),
r as (insert into sendoff.ready (pos, lane, prio, id) select at, lane, prio, id from i where state = :ready),
m as (insert into sendoff.timer (at, lane, id) select at, lane, id from i where state = :scheduled)
insert into sendoff.body (task, part, bytes) select b.id, :part_payload, b.bytes from unnest($22, $23) as b(id, bytes) join i using (id)`)

var insertBodiesSQL = words.SQL(`insert into sendoff.body (task, part, bytes) select id, :part_payload, bytes from unnest($1, $2) as b(id, bytes)`)

// statements write the rows of the plan. Unless some of them may be stored
// already, they are told apart here and not by the database.
func (p *plan) statements(some bool) []*stmt {
	if some {
		q := query(insertSomeSQL)
		return []*stmt{p.bindBodies(p.bindRows(q))}
	}
	stmts := []*stmt{p.bindRows(simple(`insert into sendoff.task` + newTasks + newTasksFrom))}
	if p.ready > 0 {
		ready := p.in(task.Ready)
		stmts = append(stmts, simple(`insert into sendoff.ready (pos, lane, prio, id) select * from unnest($1, $2, $3, $4)`).
			i8s(len(ready), func(i int) int64 { return ready[i].at }).
			i4s(len(ready), func(i int) int32 { return ready[i].Lane }).
			i2s(len(ready), func(i int) int16 { return ready[i].Priority }).
			ids(len(ready), func(i int) task.ID { return ready[i].ID }))
	}
	if p.ready < len(p.rows) {
		timers := p.in(task.Scheduled)
		stmts = append(stmts, simple(`insert into sendoff.timer (at, lane, id) select * from unnest($1, $2, $3)`).
			i8s(len(timers), func(i int) int64 { return timers[i].at }).
			i4s(len(timers), func(i int) int32 { return timers[i].Lane }).
			ids(len(timers), func(i int) task.ID { return timers[i].ID }))
	}
	if len(p.bodies()) > 0 {
		stmts = append(stmts, p.bindBodies(simple(insertBodiesSQL)))
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
		blobs(n, func(i int) []byte { return store.Inline(rows[i].Payload) }).
		i8s(used(func(r *newRow) bool { return r.Correlation != 0 }), func(i int) int64 { return int64(rows[i].Correlation) }).
		i4s(used(func(r *newRow) bool { return r.Epoch != 0 }), func(i int) int32 { return rows[i].Epoch }).
		blobs(used(func(r *newRow) bool { return r.gates != nil }), func(i int) []byte { return rows[i].gates })
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
