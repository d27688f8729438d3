package postgres

import (
	"errors"
	"maps"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// gateCache is what a transaction knows of gates: those that it has locked, as they
// stand, and who is first in line there. One that is not there is nil.
type gateCache struct {
	held  map[store.Hash]*store.GateRow
	made  map[store.Hash]bool  // a row is there to be locked, and goes with the transaction unless it is written
	dirty map[store.Hash]bool  // not written yet
	lines map[store.Hash]*line // as far as they were read

	counts store.GateCounts // what was decided so far
	gateWrites
}

// line is who stands first in line at a gate.
type line struct {
	first []inLineRow
	whole bool // nobody else does
}

// inLineRow is a place in line with the task that stands there; nil when it is not
// stored yet.
type inLineRow struct {
	entry store.LineEntry
	row   *store.Row
}

// gates is what the transaction knows of gates.
func (c *session) gates() *gateCache {
	if c.held == nil {
		c.held = &gateCache{
			held: map[store.Hash]*store.GateRow{}, made: map[store.Hash]bool{}, dirty: map[store.Hash]bool{}, lines: map[store.Hash]*line{},
			gateWrites: gateWrites{lineWrites: map[store.LineEntry]bool{}, todos: map[task.ID]*store.Todo{}},
		}
	}
	return c.held
}

// missing are those of the gates that are not locked, in their order.
func (g *gateCache) missing(ids []task.ID) []task.ID {
	return slices.DeleteFunc(sortedIDs(ids), func(id task.ID) bool {
		_, ok := g.held[store.Hash(id)]
		return ok
	})
}

func (g *gateCache) have(r *wireRow) {
	row := readGate(r)
	g.held[row.ID] = &row
}

var (
	// makeGateSQL has a gate be there to be locked: of two transactions that come to a
	// new one, the second waits for the first.
	makeGateSQL = `
insert into sendoff.gate (id, kind, ns, name, capacity, every, burst, inside, waiting, last, next)
select id, 0, 0, '', 0, 0, 0, 0, 0, 0, 0 from unnest($1) as s(id) where not exists (select from sendoff.gate g where g.id = s.id)
on conflict (id) do nothing returning id`
	lockGatesSQL = `select` + gateColumns + `from unnest($1) as s(want) cross join lateral (select * from sendoff.gate g where g.id = s.want for update) g`

	// Whoever holds what comes later in the order of locks does not wait for gates as long
	// as it takes the server to look for a deadlock: it begins anew, with their locks.
	hurrySQL = `select set_config('lock_timeout', '20ms', true)`
	calmSQL  = `select set_config('lock_timeout', '0', true)`
)

// hold locks gates in their order, and then has those be there that are not, in theirs: so
// two transactions never wait for each other. From then on none of them is asked for. One
// that was made or deleted by another transaction meanwhile is asked for again: without
// its row two could make it at a time. Gates that are found to be needed when others are
// locked already are not waited for: the transaction is repeated, and locks all at first.
func (f *gateFloor) hold(ids []task.ID) error {
	cache := f.c.gates()
	ids = cache.missing(slices.Concat(ids, f.c.known()))
	hurries := f.c.before != nil // otherwise it is not ours to repeat
	for late := f.behind || len(cache.held) > 0; len(ids) > 0; late = true {
		stmts := []*stmt{
			query(lockGatesSQL).idList(ids).rows(cache.have),
			query(makeGateSQL).idList(ids).rows(func(r *wireRow) {
				id := store.Hash(r.id())
				cache.held[id], cache.made[id] = nil, true
			}),
		}
		if late && hurries {
			stmts = slices.Concat([]*stmt{query(hurrySQL)}, stmts, []*stmt{query(calmSQL)})
		}
		if err := f.do(stmts...); err != nil {
			if isConflict(err) {
				f.c.know(ids)
			}
			return err
		}
		ids = cache.missing(ids)
	}
	return nil
}

// know remembers gates, besides those that are locked, for when the transaction is repeated.
func (c *session) know(ids []task.ID) {
	if c.before == nil {
		return
	}
	for id := range maps.Keys(c.gates().held) {
		ids = append(ids, task.ID(id))
	}
	*c.before = sortedIDs(slices.Concat(*c.before, ids))
}

// known are the gates that an earlier try of the transaction came to.
func (c *session) known() []task.ID {
	if c.before == nil {
		return nil
	}
	return *c.before
}

// lookedAt is of how many in line the gates are locked beforehand.
const lookedAt = 64

// gatesInLineSQL lists what those ask for who are in line first.
const gatesInLineSQL = `
select t.gates from (select task from sendoff.line where gate = $1 order by gate, prio, at, task limit $2) l
join sendoff.task t on t.id = any(array[l.task])`

// holdLine locks a gate, and in the order of all of them those that whoever is in line there
// has besides.
func (f *gateFloor) holdLine(id store.Hash) error {
	return f.holdAll(query(gatesInLineSQL).id(task.ID(id)).i8(lookedAt), task.ID(id))
}

// holdAll locks the gates of the tasks that a statement finds, and others, in the order of
// all of them.
func (f *gateFloor) holdAll(find *stmt, others ...task.ID) error {
	gates, err := f.gatesOf(find)
	if err != nil {
		return err
	}
	return f.hold(append(gateIDs(gates), others...))
}

// gatesOf reads what the tasks ask for that a statement finds.
func (f *gateFloor) gatesOf(find *stmt) (all []store.Gate, err error) {
	var bad error
	err = f.do(find.rows(func(r *wireRow) {
		gates, err := store.DecodeGates(r.bytes())
		all, bad = append(all, gates...), errors.Join(bad, err)
	}))
	return all, errors.Join(err, bad)
}

// gatesOfOthersSQL lists what those ask for who are at gates: in line first, and inside.
const gatesOfOthersSQL = `
select t.gates from unnest($1) as s(gate) cross join lateral (
 select o.task from (select task from sendoff.line where gate = s.gate order by gate, prio, at, task limit $2) o
 union all select holder from sendoff.gate g where g.id = s.gate and holder is not null) l
join sendoff.task t on t.id = any(array[l.task]) where t.gates is not null`

// holdFor locks the gates that tasks come to, and with them those of the tasks that they
// may replace, in the order of all of them.
func (f *gateFloor) holdFor(gates []store.Gate) error {
	var replaced []task.ID
	for i := range gates {
		if gates[i].OnFull == store.ReplaceThem {
			replaced = append(replaced, task.ID(gates[i].ID()))
		}
	}
	if len(replaced) > 0 {
		return f.holdAll(query(gatesOfOthersSQL).idList(sortedIDs(replaced)).i8(lookedAt), gateIDs(gates)...)
	}
	return f.hold(gateIDs(gates))
}

// holdAsked locks the gates of the tasks that a statement finds, as holdFor does.
func (f *gateFloor) holdAsked(find *stmt) error {
	gates, err := f.gatesOf(find)
	if err != nil || len(gates) == 0 {
		return err
	}
	return f.holdFor(gates)
}

func gateIDs(gates []store.Gate) []task.ID {
	ids := make([]task.ID, len(gates))
	for i := range gates {
		ids[i] = task.ID(gates[i].ID())
	}
	return ids
}
