package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// atGates does a step at gates in the transaction, and leaves what comes of it for later.
func (w *writer) atGates(k *woken, step func(*store.Keeper) error) error {
	return w.stepAt(&gateFloor{w: w, k: k}, step)
}

func (w *writer) stepAt(f *gateFloor, step func(*store.Keeper) error) error {
	keeper := store.Keeper{Now: w.now, Floor: f, Counts: &w.counts}
	if err := step(&keeper); err != nil {
		return err
	}
	todos, err := keeper.Close()
	for i := range todos {
		err = errors.Join(err, w.leaveGateOpen(&todos[i]))
	}
	return err
}

// leaveGateOpen writes that a gate is to be opened. What was to be sooner stays so.
func (w *writer) leaveGateOpen(t *store.Todo) error {
	return w.exec(`insert into todo (task, kind, token, at, detail) values (?,?,?,?,?)
		on conflict (task, kind, token) do update set at = min(at, excluded.at)`, t.Task[:], int64(t.Kind), t.Token, t.At, t.Detail())
}

// enterGates lets a task that could run now come to its gates. Those that it replaces
// are canceled.
func (w *writer) enterGates(row *store.Row, how store.Arrival, why task.Reason, k *woken) (e store.Entered, err error) {
	gates, err := store.DecodeGates(row.Gates)
	if err != nil {
		return e, err
	}
	if how == store.Newcomer {
		if first, g, ok := store.EnterFirst(row, gates, why); ok {
			if n, err := w.changed(makeGate, gateValues(&g)...); err != nil || n > 0 {
				w.counts[g.Kind][store.GateEntered] += n
				return first, err
			}
		}
	}
	for _, wait := range []bool{false, true} {
		err = w.atGates(k, func(keeper *store.Keeper) (err error) {
			e, err = keeper.Enter(row, gates, how, why, wait)
			return err
		})
		if err != nil || e.Replaces == (store.Hash{}) {
			break
		}
		if err = w.cancelAt(e.Replaces, k); err != nil {
			break
		}
	}
	return e, err
}

// cancelAt cancels those that are at a gate: those in line first, so that none of them
// enters.
func (w *writer) cancelAt(gate store.Hash, k *woken) error {
	g, err := (&gateFloor{w: w, k: k}).Gate(gate)
	if err != nil || g == nil {
		return err
	}
	var ids []task.ID
	err = w.query(func(r *sql.Rows) error {
		id, err := scanID(r)
		ids = append(ids, id)
		return err
	}, `select task from line where gate = ? order by prio, at, task limit ?`, gate[:], store.MaxReplaced)
	if err != nil {
		return err
	}
	if g.Inside > 0 {
		ids = append(ids, g.Holder)
	}
	for _, id := range ids {
		if _, err := w.cancel(id, task.Replaced, store.Alone, k); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return nil
}

// comeAgain lets a task come to its gates that has waited for something else.
func (w *writer) comeAgain(id task.ID, why task.Reason, pos int64, how store.Arrival, k *woken) error {
	row, err := w.row(id)
	if err != nil {
		return err
	}
	switch {
	case row.State == task.Ready: // it is inside
		return w.stand(&row, store.Placement{Entry: store.Enter(row.Entrant(), why), Flags: row.Flags}, pos, k)
	case how == store.Beyond:
	case row.InGateLine():
		return nil // it keeps its place
	default:
		how = row.ArrivalOf(why)
	}
	e, err := w.enterGates(&row, how, why, k)
	switch {
	case err != nil:
		return err
	case e.Refusal(how) != nil:
		return e.Refusal(how)
	case e.Dropped():
		if err := w.exec(cancelTask, int64(e.Reason), w.now, id[:]); err != nil {
			return err
		}
		return w.ended(&row, e.State, e.Reason, "", nil, k)
	}
	return w.stand(&row, e.Placement, pos, k)
}

// stand writes where a task waits now, and lists it there, but for a line.
func (w *writer) stand(row *store.Row, p store.Placement, pos int64, k *woken) error {
	if p.State != task.Ready {
		pos = p.Due
	}
	err := w.exec(`update task set state = ?, reason = ?, at = ?, flags = ? where id = ?`, int64(p.State), int64(p.Reason), pos, p.Flags, row.ID[:])
	switch {
	case err != nil:
		return err
	case p.State == task.Ready:
		return w.list(row.ID, p.Entry, pos, k)
	case p.State == task.Scheduled:
		return w.pushTimer(pos, row.ID, row.Lane, p.State)
	}
	return nil
}

// leaveGates gives up the places of a task that ends, given as it stood before, or those
// that it does not keep while it waits.
func (w *writer) leaveGates(row *store.Row, ends bool, k *woken) error {
	if row.Flags&store.FlagGate == 0 {
		return nil
	}
	gates, err := store.DecodeGates(row.Gates)
	if err != nil {
		return err
	}
	if ends && len(gates) == 1 && row.Inside(gates[0].Kind) {
		return w.leaveOne(row, gates, k)
	}
	return w.atGates(k, func(keeper *store.Keeper) error {
		if ends {
			return keeper.Leave(row, gates)
		}
		return keeper.LeaveLimits(row, gates)
	})
}

// leaveOne gives up the only place of a task that ends. It is tried first whether nobody
// else is there, unless somebody was in line when it was last looked.
func (w *writer) leaveOne(row *store.Row, gates []store.Gate, k *woken) error {
	id := gates[0].ID()
	if !w.lined[id] {
		if n, err := w.changed(leaveAlone, id[:]); err != nil || n > 0 {
			return err
		}
	}
	f := &gateFloor{w: w, k: k}
	if err := f.look(id); err != nil {
		return err
	}
	return w.stepAt(f, func(keeper *store.Keeper) error { return keeper.Leave(row, gates) })
}

// leaveSlowly has a task that is canceled while it runs keep its places until its node
// has stopped it.
func (w *writer) leaveSlowly(row *store.Row) error {
	if row.Flags&store.FlagGate == 0 {
		return nil
	}
	return w.exec(`insert into leaver (task, token, node, gates) values (?,?,?,?)`, row.ID[:], row.Token, row.Node[:], row.Gates)
}

// left lets go of the places of attempts that have stopped.
func (w *writer) left(k *woken, query string, args ...any) error {
	var gone []store.Row
	err := w.query(func(r *sql.Rows) error {
		l, err := scanLeaver(r)
		gone = append(gone, l.Row())
		return err
	}, query+` returning task, token, node, gates`, args...)
	for i := range gone {
		if err == nil {
			err = w.leaveGates(&gone[i], true, k)
		}
	}
	return err
}

// Left implements store.Gates.
func (s *Store) Left(ctx context.Context, stopped []store.Held) ([]store.Woken, error) {
	return s.step(ctx, func(w *writer, k *woken) error {
		for _, h := range stopped {
			if err := w.left(k, `delete from leaver where task = ? and token = ?`, h.ID[:], h.Token); err != nil {
				return err
			}
		}
		return nil
	})
}

// Open implements store.Gates.
func (s *Store) Open(ctx context.Context, id store.Hash) ([]store.Woken, error) {
	return s.step(ctx, func(w *writer, k *woken) error {
		if err := w.exec(finishOpen, id[:]); err != nil {
			return err
		}
		return w.atGates(k, func(keeper *store.Keeper) error { return keeper.Open(id) })
	})
}

var finishOpen = words.SQL(`delete from todo where task = ? and kind = :todo_open_gate and token = 0`)

// SetLimit implements store.Gates.
func (s *Store) SetLimit(ctx context.Context, l store.Limit) error {
	return s.do(ctx, rankOther, 1, func(w *writer) error {
		return w.atGates(&woken{}, func(keeper *store.Keeper) error { return keeper.Set(l) })
	})
}

// DeleteLimit implements store.Gates.
func (s *Store) DeleteLimit(ctx context.Context, namespace int32, key string) error {
	return s.do(ctx, rankOther, 1, func(w *writer) error {
		return w.atGates(&woken{}, func(keeper *store.Keeper) error { return keeper.Forget(namespace, key) })
	})
}

// Gate implements store.Gates.
func (s *Store) Gate(ctx context.Context, id store.Hash) (store.GateRow, error) {
	rows, err := readAll(ctx, s, scanGate, selectGate+`where id = ?`, id[:])
	if err != nil || len(rows) == 0 {
		return store.GateRow{}, errors.Join(err, store.ErrNotFound)
	}
	return rows[0], nil
}

// Limits implements store.Gates.
func (s *Store) Limits(ctx context.Context, namespace int32, after string, n int) ([]store.GateRow, error) {
	return readAll(ctx, s, scanGate, selectGate+`where configured and ns = ? and name > ? order by name limit ?`, namespace, after, n)
}

// gateFloor is the transaction as a store.Keeper sees it.
type gateFloor struct {
	w *writer
	k *woken

	// What was read together, until it is asked for or changed.
	gate  *store.GateRow
	first *store.Row
	seen  store.GateRow // as it is stored
}

const (
	gateColumns = ` g.id, g.kind, g.ns, g.name, g.capacity, g.every, g.burst, g.paused, g.configured, g.inside, g.waiting, g.last, g.next, g.holder `
	selectGate  = `select` + gateColumns + `from gate g `

	firstColumns = ` t.id, t.lane, t.prio, t.kind, t.flags, t.state, t.reason, t.crashes, t.at, t.gates `
	firstInLine  = ` t.id = (select task from line where gate = ?1 order by prio, at, task limit 1) `
	lookAtGate   = `select` + gateColumns + `,` + firstColumns + `from gate g join task t on` + firstInLine + `where g.id = ?1`
)

// gateScan are the places for the columns of a gate.
func gateScan(g *store.GateRow, id, holder *sql.RawBytes) []any {
	return []any{
		id, &g.Kind, &g.Namespace, &g.Name, &g.Capacity, &g.Every, &g.Burst, &g.Paused, &g.Configured,
		&g.Inside, &g.Waiting, &g.Last, &g.Next, holder,
	}
}

func scanGate(r *sql.Rows) (g store.GateRow, err error) {
	var id, holder sql.RawBytes
	err = r.Scan(gateScan(&g, &id, &holder)...)
	copy(g.ID[:], id)
	copy(g.Holder[:], holder)
	return g, err
}

func firstScan(t *store.Row, id *sql.RawBytes) []any {
	return []any{id, &t.Lane, &t.Priority, &t.Kind, &t.Flags, &t.State, &t.Reason, &t.Crashes, &t.At, &t.Gates}
}

// look reads a gate at which somebody stands in line, and who is first there.
func (f *gateFloor) look(gate store.Hash) error {
	return f.w.query(func(r *sql.Rows) error {
		var id, holder, first sql.RawBytes
		g, t := &store.GateRow{}, &store.Row{}
		err := r.Scan(append(gateScan(g, &id, &holder), firstScan(t, &first)...)...)
		copy(g.ID[:], id)
		copy(g.Holder[:], holder)
		copy(t.ID[:], first)
		f.gate, f.first, f.seen = g, t, *g
		return err
	}, lookAtGate, gate[:])
}

func (f *gateFloor) Gate(id store.Hash) (*store.GateRow, error) {
	if g := f.gate; g != nil && g.ID == id {
		f.gate = nil
		return g, nil
	}
	var g *store.GateRow
	err := f.w.query(func(r *sql.Rows) error {
		found, err := scanGate(r)
		g = &found
		return err
	}, selectGate+`where g.id = ?`, id[:])
	return g, err
}

func (f *gateFloor) PutGate(g *store.GateRow, over bool) error {
	f.w.inLine(g)
	if over {
		return f.w.exec(`delete from gate where id = ?`, g.ID[:])
	}
	if f.seen.ID == g.ID && f.seen.Settings() == g.Settings() {
		return f.w.exec(`update gate set inside = ?, waiting = ?, last = ?, next = ?, holder = ? where id = ?`,
			g.Inside, g.Waiting, g.Last, g.Next, idOrNull(g.Holder), g.ID[:])
	}
	return f.w.exec(insertGate+` on conflict (id) do update set capacity = excluded.capacity, every = excluded.every,
		burst = excluded.burst, paused = excluded.paused, configured = excluded.configured, inside = excluded.inside,
		waiting = excluded.waiting, last = excluded.last, next = excluded.next, holder = excluded.holder`,
		gateValues(g)...)
}

// manyLined bounds what the writer remembers of gates.
const manyLined = 10_000

// inLine remembers whether somebody is in line at a gate, which is no more than a guess:
// the transaction may be rolled back.
func (w *writer) inLine(g *store.GateRow) {
	if g.Waiting == 0 {
		delete(w.lined, g.ID)
		return
	}
	if len(w.lined) >= manyLined {
		clear(w.lined)
	}
	w.lined[g.ID] = true
}

const (
	insertGate = `insert into gate (id, kind, ns, name, capacity, every, burst, paused, configured, inside, waiting, last, next, holder)
		values (?,?,?,?,?,?,?,?,?,?,?,?,?,?)`
	makeGate = insertGate + ` on conflict do nothing`

	// leaveAlone is all that is left to do when the last one leaves a gate: it is over.
	leaveAlone = `delete from gate where id = ? and inside = 1 and waiting = 0 and not configured and every = 0`
)

func gateValues(g *store.GateRow) []any {
	return []any{
		g.ID[:], int64(g.Kind), g.Namespace, g.Name, g.Capacity, g.Every, g.Burst, g.Paused, g.Configured,
		g.Inside, g.Waiting, g.Last, g.Next, idOrNull(g.Holder),
	}
}

func (f *gateFloor) First(gate store.Hash) (*store.Row, error) {
	if t := f.first; t != nil && f.seen.ID == gate {
		return t, nil
	}
	var first *store.Row
	err := f.w.query(func(r *sql.Rows) error {
		var id sql.RawBytes
		first = &store.Row{}
		err := r.Scan(firstScan(first, &id)...)
		copy(first.ID[:], id)
		return err
	}, `select`+firstColumns+`from task t where`+firstInLine, gate[:])
	return first, err
}

func (f *gateFloor) PutLine(e store.LineEntry) error {
	f.first = nil
	return f.w.exec(`insert into line (gate, prio, at, task, lane) values (?,?,?,?,?)`, e.Gate[:], e.Priority, e.At, e.Task[:], e.Lane)
}

func (f *gateFloor) TakeLine(e store.LineEntry) (bool, error) {
	f.first = nil
	n, err := f.w.changed(`delete from line where gate = ? and prio = ? and at = ? and task = ?`, e.Gate[:], e.Priority, e.At, e.Task[:])
	return n > 0, err
}

func (f *gateFloor) Admit(row *store.Row, p store.Placement) error {
	var pos int64
	if p.State == task.Ready {
		pos = f.w.position()
	}
	return f.w.stand(row, p, pos, f.k)
}

func scanLine(r *sql.Rows) (e store.LineEntry, err error) {
	var gate, id sql.RawBytes
	err = r.Scan(&gate, &e.Priority, &e.At, &id, &e.Lane)
	copy(e.Gate[:], gate)
	copy(e.Task[:], id)
	return e, err
}

func scanLeaver(r *sql.Rows) (l store.Leaver, err error) {
	var id, node []byte
	err = r.Scan(&id, &l.Token, &node, &l.Gates)
	copy(l.Task[:], id)
	copy(l.Node[:], node)
	return l, err
}
