package postgres

import (
	"bytes"
	"cmp"
	"context"
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
	woken *[]store.Woken // what becomes ready is told here, until the commit

	behind bool // it holds tasks, whose locks come after those of gates

	// Of a batch of inserts: tasks that have come and are not written yet.
	plan  *plan
	fresh map[task.ID]*newRow
}

func (f *gateFloor) do(stmts ...*stmt) error { return f.c.do(f.ctx, stmts...) }

// atGates does a step at gates, and leaves what comes of it for later.
func (f *gateFloor) atGates(step func(*store.Keeper) error) error {
	keeper := store.Keeper{Now: f.now, Floor: f, Counts: &f.c.gates().counts}
	if err := step(&keeper); err != nil {
		return err
	}
	todos, err := keeper.Close()
	all := f.c.gates().todos
	for i := range todos {
		t := &todos[i]
		if before := all[t.Task]; before == nil || t.At < before.At {
			all[t.Task] = t
		}
	}
	return err
}

// gateChange is a transaction at gates.
func (s *Store) gateChange(ctx context.Context, fn func(*gateFloor) error) (woken []store.Woken, err error) {
	err = s.change(ctx, func(ctx context.Context, c *session) error {
		woken = nil
		f := &gateFloor{s: s, ctx: ctx, c: c, now: s.clock.now(), woken: &woken}
		if err := c.begin(ctx, query(pins)); err != nil {
			return err
		}
		if err := fn(f); err != nil {
			return err
		}
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

// Gate reads and locks a gate.
func (f *gateFloor) Gate(id store.Hash) (*store.GateRow, error) {
	cache := f.c.gates()
	if _, ok := cache.held[id]; !ok {
		if err := f.hold([]task.ID{task.ID(id)}); err != nil {
			return nil, err
		}
	}
	if cache.held[id] == nil {
		return nil, nil
	}
	g := *cache.held[id]
	return &g, nil
}

// PutGate has a gate be written before the commit.
func (f *gateFloor) PutGate(g *store.GateRow, over bool) error {
	cache := f.c.gates()
	cache.dirty[g.ID], cache.held[g.ID] = true, nil
	if !over {
		now := *g
		cache.held[g.ID] = &now
	}
	return nil
}

const (
	// firstInLineSQL reads who is first in lines, whose gates are locked: nobody else
	// changes then where a task stands that waits there.
	firstInLineSQL = `
select s.gate, l.prio, l.at, l.task, l.lane, t.id is not null, t.prio, t.kind, t.flags, t.state, t.reason, t.crashes, t.at, t.gates
from unnest($1, $2) as s(gate, n)
cross join lateral (select * from sendoff.line l where l.gate = s.gate order by l.gate, l.prio, l.at, l.task limit s.n) l
left join sendoff.task t on t.id = any(array[l.task])`
	lockRowSQL  = `select` + rowColumns + `from sendoff.task t where t.id = $1 for update`
	takeLineSQL = `select true from sendoff.line where gate = $1 and prio = $2 and at = $3 and task = $4`
)

// readAhead is how many in line are read at once when it is not known how many enter.
const readAhead = 16

// lookAtLines reads as many in line at gates as are asked for.
func (f *gateFloor) lookAtLines(want map[store.Hash]int) *stmt {
	cache := f.c.gates()
	ids := make([]task.ID, 0, len(want))
	for id := range want {
		ids = append(ids, task.ID(id))
		cache.lines[id] = &line{whole: true}
	}
	ids = sortedIDs(ids)
	return query(firstInLineSQL).idList(ids).
		i4s(len(ids), func(i int) int32 { return int32(want[store.Hash(ids[i])]) }).
		rows(func(r *wireRow) {
			at := readInLine(r)
			l := cache.lines[at.entry.Gate]
			l.first = append(l.first, at)
			l.whole = len(l.first) < want[at.entry.Gate]
		})
}

func readInLine(r *wireRow) inLineRow {
	e := store.LineEntry{Gate: store.Hash(r.id()), Priority: r.i2(), At: r.i8(), Task: r.id(), Lane: r.i4()}
	if !r.bool() {
		return inLineRow{entry: e}
	}
	return inLineRow{e, &store.Row{
		ID: e.Task, Lane: e.Lane, Priority: r.i2(), Kind: task.Kind(r.i2()), Flags: r.i4(), State: task.State(r.i2()), Reason: task.Reason(r.i2()),
		Crashes: r.i4(), At: r.i8(), Gates: r.bytes(),
	}}
}

// First returns who is first in line.
func (f *gateFloor) First(gate store.Hash) (*store.Row, error) {
	lines := f.c.gates().lines
	if l := lines[gate]; l == nil || len(l.first) == 0 && !l.whole {
		if err := f.do(f.lookAtLines(map[store.Hash]int{gate: readAhead})); err != nil {
			return nil, err
		}
	}
	if len(lines[gate].first) == 0 {
		return nil, nil
	}
	at := lines[gate].first[0]
	if r := f.fresh[at.entry.Task]; r != nil {
		row := r.row()
		return &row, nil
	}
	if at.row == nil {
		return nil, nil
	}
	row := *at.row
	return &row, nil
}

// row reads and locks a task; nil when there is none.
func (f *gateFloor) row(id task.ID) (row *store.Row, err error) {
	err = f.do(query(lockRowSQL).id(id).rows(func(r *wireRow) {
		found := readRow(r)
		row = &found
	}))
	return row, err
}

// PutLine adds a place in line.
func (f *gateFloor) PutLine(e store.LineEntry) error {
	cache := f.c.gates()
	delete(cache.lines, e.Gate)
	if _, taken := cache.lineWrites[e]; taken {
		delete(cache.lineWrites, e)
	} else {
		cache.lineWrites[e] = true
	}
	return nil
}

// TakeLine takes a place away, and tells whether it was there.
func (f *gateFloor) TakeLine(e store.LineEntry) (there bool, err error) {
	cache := f.c.gates()
	if added, ok := cache.lineWrites[e]; ok {
		if added {
			delete(cache.lines, e.Gate)
			delete(cache.lineWrites, e)
		}
		return added, nil
	}
	if l := cache.lines[e.Gate]; l != nil {
		if i := slices.IndexFunc(l.first, func(at inLineRow) bool { return at.entry == e }); i >= 0 {
			l.first = slices.Delete(l.first, i, i+1)
			cache.lineWrites[e] = false
			return true, nil
		}
	}
	err = f.do(query(takeLineSQL).id(task.ID(e.Gate)).i2(e.Priority).i8(e.At).id(e.Task).rows(func(*wireRow) { there = true }))
	if there {
		delete(cache.lines, e.Gate)
		cache.lineWrites[e] = false
	}
	return there, err
}

// Admit has a task that stood in line wait where it waits now.
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
	f.stand(row, p, pos)
	return nil
}

// stand has a task wait where it waits now, and be listed there, but for a line.
func (f *gateFloor) stand(row *store.Row, p store.Placement, pos int64) {
	lane := row.Lane
	switch p.State {
	case task.Ready:
		lane = p.Lane
		*f.woken = store.Collect(*f.woken, p.Woken(pos))
	default:
		pos = p.Due
	}
	w := &f.c.gates().gateWrites
	w.stands = append(w.stands, standsAt{row.ID, pos, lane, p.Priority, p.State, p.Reason, p.Flags})
}

var (
	finishOpen   = words.SQL(`delete from sendoff.todo where task = $1 and kind = :todo_open_gate and token = 0`)
	takeLeavers  = `delete from sendoff.leaver l using unnest($1, $2) as s(task, token) where l.task = s.task and l.token = s.token returning l.task, l.token, l.node, l.gates`
	leaverOfDead = `
delete from sendoff.leaver l where not exists (select from sendoff.node n where n.id = l.node and n.lease_until > coalesce($1, ` + databaseClock + `))
returning l.task, l.token, l.node, l.gates`
	leaverOfClaim = `delete from sendoff.leaver l where l.task = any($1) and l.node = $2 returning l.task, l.token, l.node, l.gates`
)

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
	if err := f.hold(ids); err != nil {
		return err
	}
	for i := range gone {
		row := gone[i].Row()
		if err := f.leave(&row); err != nil {
			return err
		}
	}
	return nil
}

// leave gives up the places of a task that ends, given as it stood before.
func (f *gateFloor) leave(row *store.Row) error {
	if row.Flags&store.FlagGate == 0 {
		return nil
	}
	gates, err := store.DecodeGates(row.Gates)
	if err != nil {
		return err
	}
	return f.leaveThem(row, gates, true)
}

// leaveThem gives up the places of a task at its gates, or those that it does not keep
// while it waits.
func (f *gateFloor) leaveThem(row *store.Row, gates []store.Gate, ends bool) error {
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
