package postgres

import (
	"context"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// insertOp is a call of Insert, or a part of one.
type insertOp struct {
	tasks  []store.NewTask
	out    []store.Inserted
	atomic bool
	woken  []store.Woken
	err    error
}

func (op *insertOp) weight() int { return len(op.tasks) }

func (op *insertOp) part(from, to int) *insertOp {
	return &insertOp{tasks: op.tasks[from:to], out: op.out[from:to], atomic: op.atomic}
}

// telling tells whether a task brings signals.
func telling(tasks []store.NewTask) bool {
	return slices.ContainsFunc(tasks, func(t store.NewTask) bool { return len(t.Tell) > 0 })
}

// depending tells whether a task depends on others.
func depending(tasks []store.NewTask) bool {
	return slices.ContainsFunc(tasks, func(t store.NewTask) bool { return len(t.Deps) > 0 })
}

// gated tells whether a task has gates.
func gated(tasks []store.NewTask) bool {
	return slices.ContainsFunc(tasks, func(t store.NewTask) bool { return len(t.Gates) > 0 })
}

func keyed(tasks []store.NewTask) bool {
	return slices.ContainsFunc(tasks, func(t store.NewTask) bool { return len(t.Keys) > 0 })
}

// newRow is a task as it will be written.
type newRow struct {
	*store.NewTask
	op       *insertOp
	at       int64
	flags    int32
	state    task.State
	reason   task.Reason
	finished int64 // of one that a later task of the batch replaced
	replaced bool
	keys     []byte
	gates    []byte
	placed   bool // it has its position already
	dropped  bool // its gates do not have it stored
}

// plan is what a batch of inserts will write. now stays the same when the batch
// is sent again.
type plan struct {
	now     int64
	rows    []newRow
	ready   int // rows that got a position
	keys    map[store.KeyName]store.KeyEntry
	victims []victim
	causes  []*insertOp // of the victims
	lost    []*stmt     // what the ends of victims mean for functions
	told    []told
	deps    []store.Dep
	needs   []store.Need
	marked  []task.ID // stored tasks that others depend on from now on
	gone    []root    // victims that others depend on
	dropped []*store.Inserted

	// What was read before, under the locks of the keys.
	existing map[task.ID]*standing
	resolver store.Resolver
	made     map[task.ID]int // index in rows
	ups      map[task.ID]*up // what new tasks depend on, locked
}

// standing is where a stored task stands, enough to find its entry in a work
// list.
type standing struct {
	created int64
	lane    int32
	prio    int16
	crashes int32
	at      int64
	state   task.State
	kind    task.Kind
	flags   int32
	parent  task.ID
	reason  task.Reason
}

// victim is a waiting task that is to be canceled.
type victim struct {
	id task.ID
	*standing
}

func (v *standing) readyPriority() int16 { return task.ReadyPriority(v.kind, v.prio, v.crashes) }

func (v *standing) entrant() store.Entrant {
	return store.Entrant{Lane: v.lane, Kind: v.kind, Priority: v.prio, Crashes: v.crashes, Flags: v.flags}
}

// add puts a task into the plan without asking whether it may be stored.
func (p *plan) add(op *insertOp, t *store.NewTask) {
	place := store.Placed(t, p.now)
	if place.Place() == store.InReady {
		p.ready++
	}
	p.rows = append(p.rows, newRow{
		NewTask: t, op: op, state: place.State, reason: place.Reason, at: place.Due, flags: place.Flags,
		keys: store.EncodeKeyNames(t.Keys), gates: store.EncodeGates(t.Gates),
	})
}

// place gives the ready rows their positions, in order, and tells the ops what
// they woke.
func (p *plan) place(s span) {
	next := s.first
	for i := range p.rows {
		r := &p.rows[i]
		if r.state != task.Ready || r.placed {
			continue
		}
		r.at = next
		next++
		r.op.woken = store.Collect(r.op.woken, store.Woken{Lane: r.Lane, Priority: r.Priority, Position: r.at})
	}
	for i := range p.rows {
		if r := &p.rows[i]; r.replaced {
			r.state, r.reason, r.finished = task.Canceled, task.Replaced, p.now
		}
	}
}

// resolve decides about the tasks of an op, in order, and plans the ones that
// may be stored. again says that an earlier try may have stored them.
func (p *plan) resolve(op *insertOp, again bool) {
	for next := 0; next < len(op.tasks); {
		var segment []store.NewTask
		var places []int
		segment, places, next = p.segment(op, next, again)
		verdicts := p.resolver.Batch(segment, op.atomic)
		if bad := slices.IndexFunc(verdicts, refused); op.atomic && bad >= 0 {
			for i := range op.out {
				op.out[i] = store.Inserted{Status: store.Skipped}
			}
			op.out[places[bad]] = p.answer(verdicts[bad].Inserted)
			return
		}
		for i, v := range verdicts {
			op.out[places[i]] = p.answer(v.Inserted)
			if v.Inserted.Status == store.Created {
				p.create(op, &op.tasks[places[i]], v)
			}
			if signals := op.tasks[places[i]].Tell; len(signals) > 0 && (v.Tell || v.Inserted.Status == store.Created && p.rows[len(p.rows)-1].state != task.Canceled) {
				p.told = append(p.told, told{v.Inserted.ID, signals, op})
			}
			for _, k := range v.Keys {
				p.keys[k.Name()] = store.KeyEntryFor(k, v.Inserted.ID, p.now)
			}
		}
	}
}

func refused(v store.Verdict) bool { return v.Inserted.Status.Refused() }

// segment answers for the tasks from next on that are stored already, and
// collects the others with their places. It ends where an id comes back that
// may yet be refused; in an atomic op that would refuse everything.
func (p *plan) segment(op *insertOp, next int, again bool) ([]store.NewTask, []int, int) {
	var segment []store.NewTask
	var places []int
	seen := map[task.ID]bool{}
	for i := next; i < len(op.tasks); i++ {
		t := &op.tasks[i]
		had := p.existing[t.ID]
		_, made := p.made[t.ID]
		switch {
		case had != nil:
			p.stored(t.ID)
			op.out[i] = store.Inserted{Status: store.Created, ID: t.ID, CreatedAt: had.created}
			if again && had.state == task.Ready {
				op.woken = store.Collect(op.woken, store.Woken{Lane: had.lane, Priority: had.readyPriority(), Position: had.at})
			}
		case made, seen[t.ID] && op.atomic:
			op.out[i] = store.Inserted{Status: store.Created, ID: t.ID, CreatedAt: p.now}
		case seen[t.ID]:
			return segment, places, i
		default:
			seen[t.ID] = true
			segment = append(segment, *t)
			places = append(places, i)
		}
	}
	return segment, places, len(op.tasks)
}

// answer adds when the task that has a key was made.
func (p *plan) answer(in store.Inserted) store.Inserted {
	if _, ok := p.made[in.ID]; ok {
		in.CreatedAt = p.now
	} else if had := p.existing[in.ID]; had != nil {
		in.CreatedAt = had.created
	}
	return in
}

func (p *plan) create(op *insertOp, t *store.NewTask, v store.Verdict) {
	if row, ok := p.made[v.Cancel]; ok {
		p.rows[row].replaced = true
	} else if had := p.existing[v.Cancel]; had != nil {
		p.victims, p.causes = append(p.victims, victim{v.Cancel, had}), append(p.causes, op)
	}
	p.made[t.ID] = len(p.rows)
	p.add(op, t)
	if len(v.Deps) > 0 {
		p.depend(v.Deps)
	}
}

func newPlan(now int64) *plan {
	return &plan{
		now: now, keys: map[store.KeyName]store.KeyEntry{}, existing: map[task.ID]*standing{}, made: map[task.ID]int{},
		resolver: store.Resolver{Now: now, Taken: map[store.KeyName]*store.Taken{}},
	}
}

// look locks what the tasks of ops depend on, and reads which of the ids are taken.
func (p *plan) look(ops []*insertOp) []*stmt {
	var ids []task.ID
	for _, op := range ops {
		for i := range op.tasks {
			ids = append(ids, op.tasks[i].ID)
		}
	}
	return append(p.lookForUps(ops), query(`
select id, created_at, lane, prio, crashes, at, state, kind, flags, parent, reason from sendoff.task where id = any($1)`).idList(ids).
		rows(func(r *wireRow) { p.readStanding(r) }))
}

func (p *plan) readStanding(r *wireRow) *standing {
	id := r.id()
	had := &standing{created: r.i8(), lane: r.i4(), prio: r.i2(), crashes: r.i4(), at: r.i8(), state: task.State(r.i2())}
	had.kind, had.flags, had.parent, had.reason = task.Kind(r.i2()), r.i4(), r.id(), task.Reason(r.i2())
	if id.IsZero() {
		return nil // the task of a key is gone
	}
	p.existing[id] = had
	return had
}

// stored says that a task of the batch is there already, so that others may depend on it.
func (p *plan) stored(id task.ID) {
	if had := p.existing[id]; p.resolver.Ups != nil {
		p.resolver.Ups[id] = store.Up{ID: id, End: task.EndOf(had.state, had.reason)}
	}
}

// replaceRelated cancels the victims, when others are concerned by that, and works out
// what it means for functions.
func (p *plan) replaceRelated(ctx context.Context, c *session, s *Store) error {
	if slices.ContainsFunc(p.victims, func(v victim) bool { return v.flags&store.FlagGate != 0 }) {
		return p.replaceGated(&gateFloor{s: s, ctx: ctx, c: c, now: p.now})
	}
	var related []task.ID
	for _, v := range p.victims {
		if v.flags&(store.FlagParent|store.FlagWaits) != 0 {
			related = append(related, v.id, v.parent)
		}
	}
	if len(p.victims) == 0 {
		return nil
	}
	f := newFamily(s.clock, p.now)
	gone := map[task.ID]root{} // of those that others depend on, whom to tell
	stmts := f.lock(nil, related)
	if len(related) > 0 {
		stmts = append(stmts, f.look(related))
	}
	stmts = append(stmts, cancelWaiting(p.victims, p.now, task.Replaced, true, func(id task.ID, flags, run int32) {
		gone[id] = root{}
		if flags&store.FlagDeps != 0 {
			gone[id] = endOf(id, run, flags, task.EndedBadly, new([]store.Woken))
		}
	}))
	if err := c.do(ctx, stmts...); err != nil {
		return err
	}
	for i, v := range p.victims {
		up, was := gone[v.id]
		if m := f.members[v.id]; m != nil && was {
			f.ended(m, task.Canceled, task.Replaced, "", nil, &p.causes[i].woken)
		}
		if up.woken != nil {
			up.woken = &p.causes[i].woken
			p.gone = append(p.gone, up)
		}
	}
	p.lost = append([]*stmt{}, f.statements()...)
	return nil
}

// replaceGated cancels the victims one by one: some of them have gates, which they leave.
func (p *plan) replaceGated(f *gateFloor) error {
	ids := make([]task.ID, len(p.victims))
	for i := range ids {
		ids[i] = p.victims[i].id
	}
	if err := f.lockGatesOf(ids); err != nil {
		return err
	}
	for i, id := range ids {
		row, err := f.rowWithEntry(id)
		if err != nil {
			return err
		}
		if row == nil || !store.Replaceable(row.State, row.Reason) {
			continue // a claim was faster
		}
		f.woken = &p.causes[i].woken
		if err := f.end(row, task.Canceled, task.Replaced, store.Alone); err != nil {
			return err
		}
	}
	p.lost = []*stmt{}
	return nil
}

// endedUps are the tasks of the batch itself that have ended, and that others of it depend
// on, as they counted them before, or that have callbacks.
func (p *plan) endedUps() (roots []root) {
	for i := range p.rows {
		r := &p.rows[i]
		if r.replaced && r.flags&store.FlagDeps != 0 || r.state.Final() && r.flags&store.FlagCallbacks != 0 {
			roots = append(roots, endOf(r.ID, 1, r.flags, task.EndOf(r.state, r.reason), &r.op.woken))
		}
	}
	return roots
}
