package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// gateFloor is an open transaction as a store.Keeper sees it. What it wakes is woken
// when the transaction is committed.
type gateFloor struct {
	s     *Store
	ctx   context.Context //nolint:containedctx // of the transaction: a Keeper asks for its steps, and knows of none
	c     *session
	now   int64
	woken []store.Woken

	// Of a batch of inserts: tasks that have come and are not written yet.
	plan  *plan
	fresh map[task.ID]*newRow
}

func (f *gateFloor) do(stmts ...*stmt) error { return f.c.do(f.ctx, stmts...) }

// later has statements sent before the next ones, in the same round trip.
func (f *gateFloor) later(stmts ...*stmt) { f.c.later = append(f.c.later, stmts...) }

// atGates does a step at gates, and leaves what comes of it for later.
func (f *gateFloor) atGates(step func(*store.Keeper) error) error {
	keeper := store.Keeper{Now: f.now, Floor: f}
	if err := step(&keeper); err != nil {
		return err
	}
	todos, err := keeper.Close()
	if err != nil || len(todos) == 0 {
		return err
	}
	list := make([]*store.Todo, len(todos))
	for i := range todos {
		list[i] = &todos[i]
	}
	f.later(bindTodos(query(leaveOpenSQL), list).
		i8s(len(list), func(i int) int64 { return list[i].At }).
		blobs(len(list), func(i int) []byte { return list[i].Detail() }))
	return nil
}

// leaveOpenSQL keeps what was to be sooner.
const leaveOpenSQL = `
insert into sendoff.todo (task, kind, token, at, detail) select * from unnest($1, $2, $3, $4, $5)
on conflict (task, kind, token) do update set at = least(sendoff.todo.at, excluded.at)`

// gateChange is a transaction at gates.
func (s *Store) gateChange(ctx context.Context, fn func(*gateFloor) error) (woken []store.Woken, err error) {
	err = s.change(ctx, func(ctx context.Context, c *session) error {
		f := &gateFloor{s: s, ctx: ctx, c: c, now: s.clock.now()}
		if err := c.begin(ctx, query(pins)); err != nil {
			return err
		}
		if err := fn(f); err != nil {
			return err
		}
		woken = f.woken
		return c.commit(ctx)
	})
	return woken, err
}

const gateColumns = ` id, kind, ns, name, capacity, every, burst, paused, configured, inside, waiting, last, next, holder `

func readGate(r *wireRow) store.GateRow {
	return store.GateRow{
		ID: store.Hash(r.id()), Kind: store.GateKind(r.i2()), Namespace: r.i4(), Name: r.text(), Capacity: r.i4(), Every: r.i8(), Burst: r.i4(),
		Paused: r.bool(), Configured: r.bool(), Inside: r.i4(), Waiting: r.i4(), Last: r.i8(), Next: r.i8(), Holder: r.id(),
	}
}

var (
	// makeGateSQL has a gate be there to be locked: of two transactions that come to a
	// new one, the second waits for the first.
	makeGateSQL = `
insert into sendoff.gate (id, kind, ns, name, capacity, every, burst, inside, waiting, last, next)
select id, 0, 0, '', 0, 0, 0, 0, 0, 0, 0 from unnest($1) as s(id) where not exists (select from sendoff.gate g where g.id = s.id)
on conflict (id) do nothing returning id`
	lockGatesSQL = `select` + gateColumns + `from unnest($1) as s(want) cross join lateral (select * from sendoff.gate g where g.id = s.want for update) g`
)

// gateCache is the gates that a transaction has locked, as they stand, and what it has not
// sent yet. A gate that is not there is nil; made, when a row is there to be locked.
type gateCache struct {
	held map[store.Hash]*store.GateRow
	made map[store.Hash]bool
}

// hold locks gates in their order, and then has those be there that are not, in theirs: so
// two transactions never wait for each other. From then on none of them is asked for. One
// that was made or deleted by another transaction meanwhile is asked for again: without
// its row two could make it at a time.
func (f *gateFloor) hold(ids []task.ID) error {
	cache := f.c.gates()
	for len(ids) > 0 {
		missing := slices.Clone(ids)
		have := func(id store.Hash, g *store.GateRow) {
			missing = slices.DeleteFunc(missing, func(other task.ID) bool { return other == task.ID(id) })
			cache.held[id] = g
		}
		err := f.do(
			query(lockGatesSQL).idList(ids).rows(func(r *wireRow) {
				g := readGate(r)
				have(g.ID, &g)
			}),
			query(makeGateSQL).idList(ids).rows(func(r *wireRow) {
				id := store.Hash(r.id())
				have(id, nil)
				cache.made[id] = true
			}))
		if err != nil {
			return err
		}
		ids = missing
	}
	return nil
}

// letGo deletes the rows of gates that were held and are not there after all.
func (f *gateFloor) letGo() {
	for id := range f.c.gates().made {
		f.later(query(dropGateSQL).id(task.ID(id)))
	}
	clear(f.c.gates().made)
}

// Gate reads and locks a gate.
func (f *gateFloor) Gate(id store.Hash) (*store.GateRow, error) {
	cache := f.c.gates()
	if _, ok := cache.held[id]; !ok {
		if err := f.hold([]task.ID{task.ID(id)}); err != nil {
			return nil, err
		}
		if cache.made[id] {
			f.later(query(dropGateSQL).id(task.ID(id)))
			delete(cache.made, id)
		}
	}
	if cache.held[id] == nil {
		return nil, nil
	}
	g := *cache.held[id]
	return &g, nil
}

const (
	dropGateSQL = `delete from sendoff.gate where id = $1`
	putGateSQL  = `
insert into sendoff.gate (id, kind, ns, name, capacity, every, burst, paused, configured, inside, waiting, last, next, holder)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
on conflict (id) do update set kind = excluded.kind, ns = excluded.ns, name = excluded.name, capacity = excluded.capacity, every = excluded.every,
 burst = excluded.burst, paused = excluded.paused, configured = excluded.configured, inside = excluded.inside,
 waiting = excluded.waiting, last = excluded.last, next = excluded.next, holder = excluded.holder`
)

func (f *gateFloor) PutGate(g *store.GateRow, over bool) error {
	cache := f.c.gates()
	delete(cache.made, g.ID)
	if over {
		cache.held[g.ID] = nil
		f.later(query(dropGateSQL).id(task.ID(g.ID)))
		return nil
	}
	now := *g
	cache.held[g.ID] = &now
	f.later(query(putGateSQL).
		id(task.ID(g.ID)).i2(int16(g.Kind)).i4(g.Namespace).text(g.Name).i4(g.Capacity).i8(g.Every).i4(g.Burst).bool(g.Paused).bool(g.Configured).
		i4(g.Inside).i4(g.Waiting).i8(g.Last).i8(g.Next).id(g.Holder))
	return nil
}

const (
	firstInLineSQL = `select task from sendoff.line where gate = $1 order by gate, prio, at, task limit 1`
	lockRowSQL     = `select` + rowColumns + `from sendoff.task t where t.id = $1 for update`
	putLineSQL     = `insert into sendoff.line (gate, prio, at, task, lane) values ($1, $2, $3, $4, $5)`
	takeLineSQL    = `delete from sendoff.line where gate = $1 and prio = $2 and at = $3 and task = $4 returning true`
)

// First returns who is first in line, and locks it.
func (f *gateFloor) First(gate store.Hash) (*store.Row, error) {
	var id task.ID
	if err := f.do(query(firstInLineSQL).id(task.ID(gate)).rows(func(r *wireRow) { id = r.id() })); err != nil || id.IsZero() {
		return nil, err
	}
	if r := f.fresh[id]; r != nil {
		row := r.row()
		return &row, nil
	}
	return f.row(id)
}

// row reads and locks a task; nil when there is none.
func (f *gateFloor) row(id task.ID) (row *store.Row, err error) {
	err = f.do(query(lockRowSQL).id(id).rows(func(r *wireRow) {
		found := readRow(r)
		row = &found
	}))
	return row, err
}

func (f *gateFloor) PutLine(e store.LineEntry) error {
	f.later(query(putLineSQL).id(task.ID(e.Gate)).i2(e.Priority).i8(e.At).id(e.Task).i4(e.Lane))
	return nil
}

func (f *gateFloor) TakeLine(e store.LineEntry) (there bool, err error) {
	err = f.do(query(takeLineSQL).id(task.ID(e.Gate)).i2(e.Priority).i8(e.At).id(e.Task).rows(func(*wireRow) { there = true }))
	return there, err
}

func (f *gateFloor) Admit(row *store.Row, p store.Placement) error {
	var pos int64
	if p.State == task.Ready {
		pos = f.s.clock.take(1).first
	}
	if r := f.fresh[row.ID]; r != nil {
		r.state, r.reason, r.at, r.flags = p.State, p.Reason, p.Due, p.Flags
		if p.State == task.Ready {
			r.at, r.placed = pos, true
			r.op.woken = store.Collect(r.op.woken, p.Woken(pos))
		}
		return nil
	}
	return f.stand(row, p, pos)
}

var (
	standSQL     = `update sendoff.task set state = $2, reason = $3, at = $4, flags = $5 where id = $1`
	putReadySQL  = `insert into sendoff.ready (pos, lane, prio, id) values ($1, $2, $3, $4)`
	putTimerSQL  = `insert into sendoff.timer (at, lane, kind, id) values ($1, $2, $3, $4)`
	finishOpen   = words.SQL(`delete from sendoff.todo where task = $1 and kind = :todo_open_gate and token = 0`)
	takeLeavers  = `delete from sendoff.leaver l using unnest($1, $2) as s(task, token) where l.task = s.task and l.token = s.token returning l.task, l.token, l.node, l.gates`
	leaverOfDead = `
delete from sendoff.leaver l where not exists (select from sendoff.node n where n.id = l.node and n.lease_until > coalesce($1, ` + databaseClock + `))
returning l.task, l.token, l.node, l.gates`
	leaverOfClaim = `delete from sendoff.leaver l where l.task = any($1) and l.node = $2 returning l.task, l.token, l.node, l.gates`
)

// stand writes where a task waits now, and lists it there, but for a line.
func (f *gateFloor) stand(row *store.Row, p store.Placement, pos int64) error {
	if p.State != task.Ready {
		pos = p.Due
	}
	stmts := []*stmt{query(standSQL).id(row.ID).i2(int16(p.State)).i2(int16(p.Reason)).i8(pos).i4(p.Flags)}
	switch p.State {
	case task.Ready:
		stmts = append(stmts, query(putReadySQL).i8(pos).i4(p.Lane).i2(p.Priority).id(row.ID))
		f.woken = store.Collect(f.woken, p.Woken(pos))
	case task.Scheduled:
		stmts = append(stmts, query(putTimerSQL).i8(pos).i4(row.Lane).i2(int16(p.State)).id(row.ID))
	}
	f.later(stmts...)
	return nil
}

func readLeaver(r *wireRow) store.Leaver {
	return store.Leaver{Task: r.id(), Token: r.i8(), Node: r.id(), Gates: r.bytes()}
}

// left lets go of the places of attempts that have stopped.
func (f *gateFloor) left(q *stmt) error {
	var gone []store.Leaver
	if err := f.do(q.rows(func(r *wireRow) { gone = append(gone, readLeaver(r)) })); err != nil {
		return err
	}
	slices.SortFunc(gone, func(a, b store.Leaver) int {
		return cmp.Or(bytes.Compare(a.Task[:], b.Task[:]), cmp.Compare(a.Token, b.Token))
	})
	var ids []task.ID
	for i := range gone {
		gates, err := store.DecodeGates(gone[i].Gates)
		if err != nil {
			return err
		}
		ids = append(ids, gateIDs(gates)...)
	}
	if err := f.hold(sortedIDs(ids)); err != nil {
		return err
	}
	f.letGo()
	for i := range gone {
		row := gone[i].Row()
		if err := f.leave(&row, true); err != nil {
			return err
		}
	}
	return nil
}

// leave gives up the places of a task that ends, given as it stood before, or those
// that it does not keep while it waits.
func (f *gateFloor) leave(row *store.Row, ends bool) error {
	if row.Flags&store.FlagGate == 0 {
		return nil
	}
	gates, err := store.DecodeGates(row.Gates)
	if err != nil {
		return err
	}
	return f.atGates(func(k *store.Keeper) error {
		if ends {
			return k.Leave(row, gates)
		}
		return k.LeaveLimits(row, gates)
	})
}

// Left implements store.Gates.
func (s *Store) Left(ctx context.Context, stopped []store.Held) ([]store.Woken, error) {
	if len(stopped) == 0 {
		return nil, nil
	}
	n := len(stopped)
	woken, err := s.gateChange(ctx, func(f *gateFloor) error {
		return f.left(query(takeLeavers).
			ids(n, func(i int) task.ID { return stopped[i].ID }).i8s(n, func(i int) int64 { return stopped[i].Token }))
	})
	if err != nil {
		return nil, fmt.Errorf("leave gates: %w", err)
	}
	return woken, nil
}

// Open implements store.Gates.
func (s *Store) Open(ctx context.Context, id store.Hash) ([]store.Woken, error) {
	woken, err := s.gateChange(ctx, func(f *gateFloor) error {
		if err := f.holdLine(id); err != nil {
			return err
		}
		f.letGo()
		if err := f.do(query(finishOpen).id(task.ID(id))); err != nil {
			return err
		}
		return f.atGates(func(k *store.Keeper) error { return k.Open(id) })
	})
	if err != nil {
		return nil, fmt.Errorf("open a gate: %w", err)
	}
	return woken, nil
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
	ids := others
	var bad error
	err := f.do(find.rows(func(r *wireRow) {
		gates, err := store.DecodeGates(r.bytes())
		ids, bad = append(ids, gateIDs(gates)...), errors.Join(bad, err)
	}))
	if err != nil || bad != nil {
		return errors.Join(err, bad)
	}
	return f.hold(sortedIDs(ids))
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
	return f.hold(sortedIDs(gateIDs(gates)))
}

func gateIDs(gates []store.Gate) []task.ID {
	ids := make([]task.ID, len(gates))
	for i := range gates {
		ids[i] = task.ID(gates[i].ID())
	}
	return ids
}

// SetLimit implements store.Gates.
func (s *Store) SetLimit(ctx context.Context, l store.Limit) error {
	_, err := s.gateChange(ctx, func(f *gateFloor) error {
		return f.atGates(func(k *store.Keeper) error { return k.Set(l) })
	})
	if err != nil {
		return fmt.Errorf("set a limit: %w", err)
	}
	return nil
}

// DeleteLimit implements store.Gates.
func (s *Store) DeleteLimit(ctx context.Context, namespace int32, key string) error {
	_, err := s.gateChange(ctx, func(f *gateFloor) error {
		return f.atGates(func(k *store.Keeper) error { return k.Forget(namespace, key) })
	})
	if err != nil {
		return fmt.Errorf("delete a limit: %w", err)
	}
	return nil
}

// Gate implements store.Gates.
func (s *Store) Gate(ctx context.Context, id store.Hash) (g store.GateRow, err error) {
	found := false
	err = s.read(ctx, query(pins), query(`select`+gateColumns+`from sendoff.gate where id = $1`).id(task.ID(id)).
		rows(func(r *wireRow) { g, found = readGate(r), true }))
	switch {
	case err != nil:
		return g, fmt.Errorf("look a gate up: %w", err)
	case !found:
		return g, store.ErrNotFound
	}
	return g, nil
}

// Limits implements store.Gates.
func (s *Store) Limits(ctx context.Context, namespace int32, after string, n int) (list []store.GateRow, err error) {
	err = s.read(ctx, query(`select`+gateColumns+`from sendoff.gate where configured and ns = $1 and name > $2 order by name limit $3`).
		i4(namespace).text(after).i8(int64(n)).rows(func(r *wireRow) { list = append(list, readGate(r)) }))
	if err != nil {
		return nil, fmt.Errorf("list limits: %w", err)
	}
	return list, nil
}
