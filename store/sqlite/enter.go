package sqlite

import (
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// makeReady lets a task that is on no work list enter at a position: whatever was
// not ready becomes so here.
func (w *writer) makeReady(id task.ID, who store.Entrant, why task.Reason, pos int64, k *woken) error {
	if who.Flags&store.FlagGate != 0 {
		return w.comeAgain(id, why, pos, store.Due, k)
	}
	e := store.Enter(who, why)
	if err := w.exec(`update task set state = ?, reason = ?, at = ? where id = ?`, int64(e.State), int64(e.Reason), pos, id[:]); err != nil {
		return err
	}
	return w.list(id, e, pos, k)
}

// list lists a task that has entered. One that this transaction has inserted is
// listed with all the others by listNew.
func (w *writer) list(id task.ID, e store.Entry, pos int64, k *woken) error {
	k.add(e.Lane, e.Priority, pos)
	if w.waiting[id] {
		delete(w.waiting, id)
		w.unlisted = true
		return nil
	}
	return w.exec(`insert into ready (lane, prio, pos, id) values (?,?,?,?)`, e.Lane, e.Priority, pos, id[:])
}

var listNewTasks = words.SQL(`insert into ready (lane, prio, pos, id) select lane, prio, at, id from task where rowid > ? and state = :ready`)

// listNew puts the ready tasks that this transaction has inserted into ready,
// all with one statement. Row numbers rise, so the new rows are the last ones.
func (w *writer) listNew() error {
	if !w.unlisted {
		return nil
	}
	if err := w.exec(listNewTasks, w.newest); err != nil {
		return err
	}
	return w.mark()
}

// mark notes which tasks are there before the transaction inserts others.
func (w *writer) mark() error {
	w.unlisted = false
	clear(w.waiting)
	return w.one(`select coalesce(max(rowid), 0) from task`, nil, &w.newest)
}

// pushTimer lists a task that waits for a time, in the state that it has.
func (w *writer) pushTimer(at int64, id task.ID, lane int32, state task.State) error {
	return w.exec(`insert into timer (at, id, lane, kind) values (?,?,?,?)`, at, id[:], lane, int64(state))
}

func (w *writer) pushDead(lane int32, at int64, id task.ID) error {
	return w.exec(`insert into dead (lane, at, id) values (?,?,?)`, lane, at, id[:])
}

// unlist takes a task off the list that it is on.
func (w *writer) unlist(row *store.Row) error {
	switch row.Place() {
	case store.InReady:
		e := row.InLine()
		return w.exec(`delete from ready where lane = ? and prio = ? and pos = ? and id = ?`, e.Lane, e.Priority, e.Position, e.ID[:])
	case store.InTimer:
		return w.exec(`delete from timer where at = ? and id = ?`, row.At, row.ID[:])
	}
	if row.Place() == store.InRelation {
		return w.unneed(row.ID)
	}
	if row.State == task.Failed {
		return w.exec(`delete from dead where lane = ? and at = ? and id = ?`, row.Lane, row.FinishedAt, row.ID[:])
	}
	return nil
}
