package postgres

import (
	"maps"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// enter lets a task that could run now come to its gates. Those that it replaces are
// canceled.
func (f *gateFloor) enter(row *store.Row, how store.Arrival, why task.Reason) (e store.Entered, err error) {
	gates, err := store.DecodeGates(row.Gates)
	if err != nil {
		return e, err
	}
	for _, wait := range []bool{false, true} {
		err = f.atGates(func(k *store.Keeper) (err error) {
			e, err = k.Enter(row, gates, how, why, wait)
			return err
		})
		if err != nil || e.Replaces == (store.Hash{}) {
			break
		}
		if err = f.cancelAt(e.Replaces, row.ID); err != nil {
			break
		}
	}
	return e, err
}

const lineSQL = `select task from sendoff.line where gate = $1 order by gate, prio, at, task limit $2`

// cancelAt cancels those that are at a gate: those in line first, so that none of them
// enters. Who comes is not among them, though it may be there: canceled while it ran, and
// begun anew before its node has stopped it.
func (f *gateFloor) cancelAt(gate store.Hash, comes task.ID) error {
	g, err := f.Gate(gate)
	if err != nil || g == nil {
		return err
	}
	var ids []task.ID
	err = f.do(query(lineSQL).id(task.ID(gate)).i8(store.MaxReplaced).rows(func(r *wireRow) { ids = append(ids, r.id()) }))
	if err != nil {
		return err
	}
	if g.Inside > 0 && g.Holder != comes {
		ids = append(ids, g.Holder)
	}
	for _, id := range ids {
		if fresh := f.fresh[id]; fresh != nil {
			err = f.replaceFresh(fresh)
		} else {
			err = f.cancel(id, task.Replaced, store.Alone)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// replaceFresh cancels a task of the same batch that has not been written yet.
func (f *gateFloor) replaceFresh(r *newRow) error {
	row := r.row()
	r.state, r.replaced = task.Scheduled, true // place makes it canceled
	return f.leave(&row)
}

var (
	endOneSQL    = `update sendoff.task set state = $5, reason = $2, finished_at = $3, at = $4 where id = $1`
	putDeadSQL   = `insert into sendoff.dead (at, lane, id) values ($1, $2, $3)`
	putLeaverSQL = `insert into sendoff.leaver (task, token, node, gates) values ($1, $2, $3, $4)`
	dropReadySQL = `delete from sendoff.ready where lane = $1 and prio = $2 and pos = $3 and id = $4`
	dropTimerSQL = `delete from sendoff.timer where at = $1 and id = $2`
)

// endOne ends a task that does not run, where it stands.
func (f *gateFloor) endOne(row *store.Row, to task.State, why task.Reason) []*stmt {
	stmts := []*stmt{query(endOneSQL).id(row.ID).i2(int16(why)).i8(f.now).i8(row.At).i2(int16(to))}
	if to == task.Failed {
		stmts = append(stmts, query(putDeadSQL).i8(f.now).i4(row.Lane).id(row.ID))
	}
	return stmts
}

// cancel ends a task that has not ended.
func (f *gateFloor) cancel(id task.ID, why task.Reason, reach store.Reach) error {
	row, err := f.rowWithEntry(id)
	if err != nil || row == nil || row.State.Final() {
		return err
	}
	return f.end(row, task.Canceled, why, reach)
}

// end ends a task, and tells all whom that concerns. One that runs can only be canceled.
func (f *gateFloor) end(row *store.Row, to task.State, why task.Reason, reach store.Reach) error {
	family, related, text := newFamily(f.s.clock, f.now), []task.ID{row.ID, row.Parent}, ""
	stmts := append(family.lock(nil, related), f.unlist(row)...)
	switch {
	case row.State == task.Running:
		text = store.CanceledError
		stmts = append(stmts, cancelRunning(row, why, f.now, true), putLeaver(row))
	case why == task.Expired:
		text = store.ExpiredError
		fallthrough
	default:
		stmts = append(stmts, f.endOne(row, to, why)...)
	}
	if err := f.do(append(stmts, family.look(related))...); err != nil {
		return err
	}
	family.leaveCalls(family.members[row.ID], row.Token, reach)
	family.ended(family.members[row.ID], to, why, text, nil, f.woken)
	if err := f.do(family.statements()...); err != nil {
		return err
	}
	if row.Flags&store.FlagDeps != 0 {
		followers, err := f.s.newFollowing(f.now).tell(f.ctx, f.c, []root{endOf(row.ID, row.Run, row.Flags, task.EndOf(to, why), f.woken)})
		if err == nil {
			err = f.do(followers...)
		}
		if err != nil {
			return err
		}
	}
	if row.State == task.Running {
		return nil
	}
	return f.leave(row)
}

var (
	lockReadySQL = words.SQL(`
select from sendoff.task t cross join lateral (
 select from sendoff.ready r where r.lane = t.lane and r.prio = any(array[t.prio, :suspect_priority::int2]) and r.pos = t.at and r.id = t.id for update) r
where t.id = $1 and t.state = :ready`)
	lockTimerSQL = words.SQL(`
select from sendoff.task t cross join lateral (select from sendoff.timer r where r.at = t.at and r.id = t.id for update) r
where t.id = $1 and t.state in (:scheduled, :suspended, :blocked)`)
	lockNeedSQL = `select from sendoff.need n where n.task = $1 and n.waits for update`
)

// rowWithEntry reads and locks a task after the entry of the list that it is on, which is
// the order in which claims and timers do.
func (f *gateFloor) rowWithEntry(id task.ID) (row *store.Row, err error) {
	err = f.do(query(lockReadySQL).id(id), query(lockTimerSQL).id(id), query(lockNeedSQL).id(id), query(lockRowSQL).id(id).rows(func(r *wireRow) {
		found := readRow(r)
		row = &found
	}))
	return row, err
}

// unlist takes a task off the list that it is on, but for a line.
func (f *gateFloor) unlist(row *store.Row) []*stmt {
	switch row.Place() {
	case store.InReady:
		e := row.InLine()
		return []*stmt{query(dropReadySQL).i4(e.Lane).i2(e.Priority).i8(e.Position).id(e.ID)}
	case store.InTimer:
		return []*stmt{query(dropTimerSQL).i8(row.At).id(row.ID)}
	case store.InRelation:
		return []*stmt{query(unlistNeedSQL).i2(int16(row.State)).id(row.ID)}
	}
	return nil
}

// putLeaver has a task that was canceled while it ran keep its places until its node
// has stopped it.
func putLeaver(row *store.Row) *stmt {
	if row.Flags&store.FlagGate == 0 {
		return query(`select`)
	}
	return query(putLeaverSQL).id(row.ID).i8(row.Token).id(row.Node).bytes(row.Gates)
}

// reenter lets a task come to its gates that this transaction has made ready at a
// position, given as it stood before.
func (f *gateFloor) reenter(before *store.Row, why task.Reason, pos int64, how store.Arrival) error {
	if how != store.Beyond {
		how = before.ArrivalOf(why)
	}
	entry := store.Enter(before.Entrant(), why)
	if err := f.do(query(dropReadySQL).i4(entry.Lane).i2(entry.Priority).i8(pos).id(before.ID)); err != nil {
		return err
	}
	return f.comeAs(before, why, pos, how)
}

// come lets a task come to its gates that is on no list any more and has waited for
// something else.
func (f *gateFloor) come(row *store.Row, why task.Reason, pos int64) error {
	return f.comeAs(row, why, pos, row.ArrivalOf(why))
}

func (f *gateFloor) comeAs(before *store.Row, why task.Reason, pos int64, how store.Arrival) error {
	e, err := f.enter(before, how, why)
	switch {
	case err != nil:
		return err
	case e.Refusal(how) != nil:
		return e.Refusal(how)
	case e.Dropped():
		return f.skip(before, e.Reason)
	}
	f.stand(before, e.Placement, pos)
	return nil
}

// skip ends a task that its gates drop.
func (f *gateFloor) skip(row *store.Row, why task.Reason) error {
	family, related := newFamily(f.s.clock, f.now), []task.ID{row.ID, row.Parent}
	stmts := slices.Concat(family.lock(nil, related), f.endOne(row, task.Canceled, why), []*stmt{family.look(related)})
	if err := f.do(stmts...); err != nil {
		return err
	}
	family.ended(family.members[row.ID], task.Canceled, why, "", nil, f.woken)
	if row.Flags&store.FlagDeps != 0 {
		family.roots = append(family.roots, endOf(row.ID, row.Run, row.Flags, task.EndOf(task.Canceled, why), f.woken))
	}
	writes, err := f.s.rest(f.ctx, f.c, family)
	if err != nil {
		return err
	}
	return f.do(writes...)
}

// row is a row of a plan as one that is at its gates.
func (r *newRow) row() store.Row {
	return store.Row{
		ID: r.ID, Lane: r.Lane, Priority: r.Priority, Kind: r.Kind, Flags: r.flags, State: r.state, Reason: r.reason, At: r.at, Gates: r.gates,
	}
}

// come lets the rows of a plan come to their gates that could run now, in order, and
// leaves those out that are dropped.
func (p *plan) come(f *gateFloor) error {
	if !slices.ContainsFunc(p.rows, func(r newRow) bool { return r.gates != nil }) {
		return nil
	}
	f.plan, f.fresh = p, map[task.ID]*newRow{}
	for i := range p.rows {
		r := &p.rows[i]
		if r.state != task.Ready || r.replaced {
			continue
		}
		p.ready--
		if r.gates != nil {
			if err := p.comeOne(f, r); err != nil {
				return err
			}
		}
		if r.state == task.Ready {
			r.at, r.placed = f.s.clock.take(1).first, true
			r.op.woken = store.Collect(r.op.woken, store.Woken{Lane: r.Lane, Priority: r.Priority, Position: r.at})
		}
	}
	p.rows = slices.DeleteFunc(p.rows, func(r newRow) bool { return r.dropped })
	return p.madeAt(f)
}

// holdOf locks the gates of all tasks of ops, and those of the tasks that they depend on,
// which are locked after that.
func (f *gateFloor) holdOf(ops []*insertOp) error {
	var all []store.Gate
	var ups []task.ID
	for _, op := range ops {
		for i := range op.tasks {
			all = append(all, op.tasks[i].Gates...)
			ups = append(ups, op.tasks[i].Deps...)
		}
	}
	if len(ups) > 0 {
		gates, err := f.gatesOf(query(gatesOfSQL).idList(sortedIDs(ups)))
		if err != nil {
			return err
		}
		all = append(all, store.InTurn(gates)...)
	}
	if len(all) == 0 && len(f.c.known()) == 0 {
		return nil
	}
	return f.holdFor(all)
}

func (p *plan) comeOne(f *gateFloor, r *newRow) error {
	row := r.row()
	f.woken = &r.op.woken
	e, err := f.enter(&row, store.Newcomer, r.reason)
	if err != nil {
		return err
	}
	if e.Dropped() {
		r.state = e.State
		p.drop(r, e.Holder)
		return nil
	}
	r.state, r.reason, r.at, r.flags = e.State, e.Reason, e.Due, e.Flags
	f.fresh[r.ID] = r
	return nil
}

// madeAt tells when those were made because of which others were dropped.
func (p *plan) madeAt(f *gateFloor) error {
	made := map[task.ID]int64{}
	for _, in := range p.dropped {
		made[in.ID] = 0
		if f.fresh[in.ID] != nil {
			made[in.ID] = p.now
		}
	}
	if len(made) == 0 {
		return nil
	}
	err := f.do(query(`select id, created_at from sendoff.task where id = any($1)`).idList(slices.Collect(maps.Keys(made))).
		rows(func(r *wireRow) { made[r.id()] = r.i8() }))
	for _, in := range p.dropped {
		in.CreatedAt = made[in.ID]
	}
	return err
}

// drop answers for a task that is not to be stored.
func (p *plan) drop(r *newRow, holder task.ID) {
	r.dropped = true
	for i := range r.op.tasks {
		if r.op.tasks[i].ID == r.ID {
			r.op.out[i] = store.Inserted{Status: store.Dropped, ID: holder}
			p.dropped = append(p.dropped, &r.op.out[i])
		}
	}
	for name, e := range p.keys {
		if e.Task == r.ID {
			delete(p.keys, name)
		}
	}
}
