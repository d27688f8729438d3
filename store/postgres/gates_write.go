package postgres

import (
	"bytes"
	"maps"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// gateWrites is what a transaction has decided about lines, and has not sent yet. Gates
// themselves are written before the commit: nobody else reads them meanwhile.
type gateWrites struct {
	lineWrites map[store.LineEntry]bool // true = a place in line is added, false = it is taken away
	stands     []standsAt
	todos      map[task.ID]*store.Todo // gates to be opened later
}

// standsAt is where a task waits from now on.
type standsAt struct {
	id    task.ID
	at    int64
	lane  int32 // of the list that it is on
	prio  int16
	state task.State
	why   task.Reason
	flags int32
}

const (
	putLineSQL  = `insert into sendoff.line (gate, prio, at, task, lane) select * from unnest($1, $2, $3, $4, $5)`
	dropLineSQL = `
delete from sendoff.line l using unnest($1, $2, $3, $4) as s(gate, prio, at, task)
where l.gate = s.gate and l.prio = s.prio and l.at = s.at and l.task = s.task`

	// leaveOpenSQL keeps what was to be sooner.
	leaveOpenSQL = `
insert into sendoff.todo (task, kind, token, at, detail) select * from unnest($1, $2, $3, $4, $5)
on conflict (task, kind, token) do update set at = least(sendoff.todo.at, excluded.at)`

	dropGatesSQL = `delete from sendoff.gate g using unnest($1) as s(id) where g.id = any(array[s.id])`
	putGatesSQL  = `
update sendoff.gate g set kind = s.kind, ns = s.ns, name = s.name, capacity = s.capacity, every = s.every, burst = s.burst, paused = s.paused,
 configured = s.configured, inside = s.inside, waiting = s.waiting, last = s.last, next = s.next, holder = s.holder
from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
 as s(id, kind, ns, name, capacity, every, burst, paused, configured, inside, waiting, last, next, holder)
where g.id = any(array[s.id])`
)

// standSQL writes where tasks wait, and lists them there, but for a line. Of the flags it
// changes only those that gates do: others may be set by whoever does not hold these.
var standSQL = words.SQL(`
with s as materialized (select * from unnest($1, $2, $3, $4, $5, $6, $7) as s(id, at, lane, prio, state, reason, flags)),
u as (
 update sendoff.task t set state = s.state, reason = s.reason, at = s.at,
  flags = (t.flags & ~(:flag_holds | :flag_slot)) | (s.flags & (:flag_holds | :flag_slot))
 from s where t.id = any(array[s.id]) returning s.id, s.at, s.lane, s.prio, s.state),
r as (insert into sendoff.ready (pos, lane, prio, id) select at, lane, prio, id from u where state = :ready)
insert into sendoff.timer (at, lane, kind, id) select at, lane, state, id from u where state = :scheduled`)

// unsentWrites are the statements for what was decided about lines since the last time.
func (c *session) unsentWrites() (stmts []*stmt) {
	if c.held == nil {
		return nil
	}
	w := &c.held.gateWrites
	stmts = append(stmts, w.lineStmts()...)
	if len(w.stands) > 0 {
		stmts = append(stmts, standStmt(w.stands))
		w.stands = nil
	}
	if len(w.todos) > 0 {
		list := slices.SortedFunc(maps.Values(w.todos), func(a, b *store.Todo) int { return bytes.Compare(a.Task[:], b.Task[:]) })
		stmts = append(stmts, bindTodos(query(leaveOpenSQL), list).
			i8s(len(list), func(i int) int64 { return list[i].At }).
			blobs(len(list), func(i int) []byte { return list[i].Detail() }))
		clear(w.todos)
	}
	return stmts
}

func (w *gateWrites) lineStmts() (stmts []*stmt) {
	var puts, drops []store.LineEntry
	for _, e := range slices.SortedFunc(maps.Keys(w.lineWrites), store.CompareLine) {
		if w.lineWrites[e] {
			puts = append(puts, e)
		} else {
			drops = append(drops, e)
		}
	}
	clear(w.lineWrites)
	if n := len(puts); n > 0 {
		stmts = append(stmts, bindLine(puts, putLineSQL).i4s(n, func(i int) int32 { return puts[i].Lane }))
	}
	if len(drops) > 0 {
		stmts = append(stmts, bindLine(drops, dropLineSQL))
	}
	return stmts
}

func bindLine(list []store.LineEntry, sql string) *stmt {
	n := len(list)
	return query(sql).
		ids(n, func(i int) task.ID { return task.ID(list[i].Gate) }).
		i2s(n, func(i int) int16 { return list[i].Priority }).
		i8s(n, func(i int) int64 { return list[i].At }).
		ids(n, func(i int) task.ID { return list[i].Task })
}

func standStmt(list []standsAt) *stmt {
	slices.SortStableFunc(list, func(a, b standsAt) int { return bytes.Compare(a.id[:], b.id[:]) })
	n := len(list)
	return query(standSQL).
		ids(n, func(i int) task.ID { return list[i].id }).
		i8s(n, func(i int) int64 { return list[i].at }).
		i4s(n, func(i int) int32 { return list[i].lane }).
		i2s(n, func(i int) int16 { return list[i].prio }).
		i2s(n, func(i int) int16 { return int16(list[i].state) }).
		i2s(n, func(i int) int16 { return int16(list[i].why) }).
		i4s(n, func(i int) int32 { return list[i].flags })
}

// gateStmts are the statements that write the gates themselves, and let go of those that
// are not there after all.
func (c *session) gateStmts() (stmts []*stmt) {
	if c.held == nil {
		return nil
	}
	var rows []*store.GateRow
	var over []task.ID
	for id := range c.held.dirty {
		if g := c.held.held[id]; g != nil {
			rows = append(rows, g)
			delete(c.held.made, id)
		} else {
			over = append(over, task.ID(id))
		}
	}
	for id := range c.held.made {
		over = append(over, task.ID(id))
	}
	clear(c.held.dirty)
	clear(c.held.made)
	if len(rows) > 0 {
		stmts = append(stmts, putGates(rows))
	}
	if len(over) > 0 {
		stmts = append(stmts, query(dropGatesSQL).idList(sortedIDs(over)))
	}
	return stmts
}

func putGates(rows []*store.GateRow) *stmt {
	slices.SortFunc(rows, func(a, b *store.GateRow) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	n := len(rows)
	return query(putGatesSQL).
		ids(n, func(i int) task.ID { return task.ID(rows[i].ID) }).
		i2s(n, func(i int) int16 { return int16(rows[i].Kind) }).
		i4s(n, func(i int) int32 { return rows[i].Namespace }).
		rawTexts(n, func(i int) string { return rows[i].Name }).
		i4s(n, func(i int) int32 { return rows[i].Capacity }).
		i8s(n, func(i int) int64 { return rows[i].Every }).
		i4s(n, func(i int) int32 { return rows[i].Burst }).
		bools(n, func(i int) bool { return rows[i].Paused }).
		bools(n, func(i int) bool { return rows[i].Configured }).
		i4s(n, func(i int) int32 { return rows[i].Inside }).
		i4s(n, func(i int) int32 { return rows[i].Waiting }).
		i8s(n, func(i int) int64 { return rows[i].Last }).
		i8s(n, func(i int) int64 { return rows[i].Next }).
		ids(n, func(i int) task.ID { return rows[i].Holder })
}
