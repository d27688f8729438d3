package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// Cancel implements store.Operator.
func (s *Store) Cancel(ctx context.Context, id task.ID, reach store.Reach) ([]store.Woken, error) {
	return s.step(ctx, func(w *writer, k *woken) error {
		row, err := w.cancel(id, task.Requested, reach, k)
		if err != nil {
			return err
		}
		return row.CanCancel()
	})
}

var cancelTask = words.SQL(`update task set state = :canceled, reason = ?, finished_at = ? where id = ?`)

// cancel ends a task that has not ended and returns it as it was.
func (w *writer) cancel(id task.ID, why task.Reason, reach store.Reach, k *woken) (store.Row, error) {
	row, err := w.row(id)
	if err != nil || row.State.Final() {
		return row, err
	}
	if reach == store.WithCalls {
		if err := w.leaveCalls(&row); err != nil {
			return row, err
		}
	}
	if err := w.unlist(&row); err != nil {
		return row, err
	}
	if row.State == task.Running {
		return row, w.cancelRunning(&row, why, k)
	}
	if err := w.exec(cancelTask, int64(why), w.now, id[:]); err != nil {
		return row, err
	}
	return row, errors.Join(w.ended(&row, task.Canceled, why, "", nil, k), w.leaveGates(&row, true, k))
}

// cancelRunning ends a task together with its attempt, which can settle nothing
// any more.
func (w *writer) cancelRunning(row *store.Row, why task.Reason, k *woken) error {
	t := store.CanceledTransition(row, why)
	if _, err := w.settleSlowly(&t, k); err != nil {
		return err
	}
	return w.exec(`update task set token = token + 1 where id = ?`, row.ID[:])
}

// Retry implements store.Operator.
func (s *Store) Retry(ctx context.Context, id task.ID) ([]store.Woken, error) {
	return s.wake(ctx, id, func(w *writer, row *store.Row, k *woken) error {
		if err := row.CanRetry(); err != nil {
			return err
		}
		return w.retry(row, k)
	})
}

func (w *writer) retry(row *store.Row, k *woken) error {
	waits := false
	if row.Flags&store.FlagNeed == 0 {
		if err := w.reclaim(row); err != nil {
			return err
		}
	} else {
		n, changed, err := w.recount(row)
		if err == nil && n.Verdict().Reason() != task.NoReason {
			err = store.ErrUnmet
		}
		if err == nil {
			err = w.reclaim(row)
		}
		if err == nil {
			err = w.needAgain(&n, changed)
		}
		if err != nil {
			return err
		}
		waits = n.Waits
	}
	if err := w.recordInTask(row.ID); err != nil {
		return err
	}
	if err := w.unlist(row); err != nil {
		return err
	}
	if row.Flags&store.FlagWaits != 0 {
		if err := w.reset(row.ID, 0, nil); err != nil {
			return err
		}
	}
	next := row.Retried()
	if err := w.putRun(&next); err != nil {
		return err
	}
	if waits {
		return w.exec(blockTask, row.ID[:])
	}
	return w.makeReady(row.ID, next.Entrant(), task.Retried, w.position(), k)
}

// putRun writes what a step of a person changes of the run of a task.
func (w *writer) putRun(row *store.Row) error {
	return w.exec(`update task set run = ?, failures = ?, crashes = ?, first_started = ?, finished_at = ?, expires_at = ?, flags = ? where id = ?`,
		row.Run, row.Failures, row.Crashes, row.FirstStarted, row.FinishedAt, row.ExpiresAt, row.Flags, row.ID[:])
}

// RunNow implements store.Operator.
func (s *Store) RunNow(ctx context.Context, id task.ID) ([]store.Woken, error) {
	return s.wake(ctx, id, func(w *writer, row *store.Row, k *woken) error {
		if err := row.CanRunNow(); err != nil || row.State == task.Ready {
			return err
		}
		return w.promote(&dueTimer{at: row.At, id: id, who: row.Entrant()}, k)
	})
}

// RunBeyond implements store.Operator.
func (s *Store) RunBeyond(ctx context.Context, id task.ID) ([]store.Woken, error) {
	return s.wake(ctx, id, func(w *writer, row *store.Row, k *woken) error {
		if err := row.CanRunBeyond(); err != nil || row.State == task.Ready {
			return err
		}
		if row.Flags&store.FlagGate == 0 {
			return w.promote(&dueTimer{at: row.At, id: id, who: row.Entrant()}, k)
		}
		return errors.Join(w.unlist(row), w.comeAgain(id, task.NoReason, w.position(), store.Beyond, k))
	})
}

func (s *Store) wake(ctx context.Context, id task.ID, step func(*writer, *store.Row, *woken) error) ([]store.Woken, error) {
	return s.step(ctx, func(w *writer, k *woken) error {
		row, err := w.row(id)
		if err != nil {
			return err
		}
		return step(w, &row, k)
	})
}

// step does what an operator asks for and returns what that woke.
func (s *Store) step(ctx context.Context, step func(*writer, *woken) error) ([]store.Woken, error) {
	var k woken
	err := s.do(ctx, rankOther, 1, func(w *writer) error {
		k = woken{}
		return step(w, &k)
	})
	if err != nil {
		return nil, err
	}
	return k.list, nil
}

// Delete implements store.Operator.
func (s *Store) Delete(ctx context.Context, id task.ID) ([]store.Woken, error) {
	return s.step(ctx, func(w *writer, k *woken) error { return w.delete(id, k) })
}

func (w *writer) delete(id task.ID, k *woken) error {
	var row store.Row
	var names []byte
	found := false
	err := w.query(func(r *sql.Rows) (err error) {
		found = true
		row, names, err = scanBrief(r)
		return err
	}, selectBrief+` where id = ?`, id[:])
	switch {
	case err != nil:
		return err
	case !found:
		return store.ErrNotFound
	}
	if err := row.CanDelete(); err != nil {
		return err
	}
	if !row.State.Final() && row.Flags&store.FlagParent != 0 {
		if err := w.tell(&row, task.Canceled, task.Requested, "", nil, k); err != nil {
			return err
		}
	}
	if !row.State.Final() {
		if err := errors.Join(w.follow(&row, task.EndedBadly, k), w.leaveGates(&row, true, k)); err != nil {
			return err
		}
	}
	return w.erase(&row, names)
}

// erase deletes a task and everything that belongs to it.
func (w *writer) erase(row *store.Row, names []byte) error {
	if err := w.unlist(row); err != nil {
		return err
	}
	for _, name := range store.DecodeKeyNames(names) {
		err := w.exec(`delete from key where ns = ? and kind = ? and hash = ? and task = ? and until <= ?`,
			name.Namespace, int64(name.Kind), name.Hash[:], row.ID[:], w.now)
		if err != nil {
			return err
		}
	}
	if row.Flags&(store.FlagBody|store.FlagProgress) != 0 {
		if err := w.exec(`delete from body where task = ?`, row.ID[:]); err != nil {
			return err
		}
	}
	if row.Flags&store.FlagWaits != 0 {
		if err := w.eraseFunction(row.ID); err != nil {
			return err
		}
	}
	if err := w.eraseDeps(row); err != nil {
		return err
	}
	if err := w.exec(`delete from attempt where task = ?`, row.ID[:]); err != nil {
		return err
	}
	return w.exec(`delete from task where id = ?`, row.ID[:])
}

func (w *writer) eraseFunction(id task.ID) error {
	return errors.Join(
		w.exec(`delete from wait where task = ?`, id[:]),
		w.exec(`delete from inbox where task = ?`, id[:]),
		w.exec(`delete from journal where task = ?`, id[:]),
		w.exec(`delete from body where task = ?`, id[:]),
	)
}

// Purge implements store.Operator. Timers are listed when the ready tasks have
// ended, because the end of a call can make a suspended parent ready.
func (s *Store) Purge(ctx context.Context, lanes []int32, limit int) (int, []store.Woken, error) {
	purged, k := 0, woken{}
	ctx, part := store.AuditPart(ctx)
	err := s.do(ctx, rankOther, limit, func(w *writer) error {
		purged, k = 0, woken{}
		for _, query := range []string{
			`select id from ready where lane in (select value from json_each(?)) order by lane, prio, pos, id limit ?`,
			purgeTimers,
			purgeNeeds,
			`select distinct task from line where lane in (select value from json_each(?)) order by task limit ?`,
		} {
			n, err := w.purge(query, jsonList(lanes), limit-purged, &k)
			if err != nil {
				return err
			}
			purged += n
		}
		part.SetCount(purged)
		return nil
	})
	if err != nil {
		return 0, nil, err
	}
	return purged, k.list, nil
}

var purgeTimers = words.SQL(`select id from timer where lane in (select value from json_each(?)) and kind <> :running order by at, id limit ?`)

// purge cancels the tasks that a query lists, given lanes and a limit.
func (w *writer) purge(query, lanes string, limit int, k *woken) (int, error) {
	var ids []task.ID
	err := w.query(func(r *sql.Rows) error {
		id, err := scanID(r)
		ids = append(ids, id)
		return err
	}, query, lanes, limit)
	if err != nil {
		return 0, err
	}
	if query == purgeNeeds {
		return len(ids), w.purgeWaiting(ids, k)
	}
	for _, id := range ids {
		if _, err := w.cancel(id, task.Requested, store.Alone, k); err != nil && !errors.Is(err, store.ErrNotFound) {
			return 0, err
		}
	}
	return len(ids), nil
}

const purgeNeeds = `select task from need where waits and lane in (select value from json_each(?)) order by task limit ?`

// purgeWaiting cancels tasks that wait for others, perhaps for each other: all of them
// before anybody is told.
func (w *writer) purgeWaiting(ids []task.ID, k *woken) error {
	rows := make([]store.Row, len(ids))
	for i, id := range ids {
		var err error
		if rows[i], err = w.row(id); err != nil {
			return err
		}
		if err := errors.Join(w.unneed(id), w.exec(cancelTask, int64(task.Requested), w.now, id[:])); err != nil {
			return err
		}
	}
	for i := range rows {
		if err := w.ended(&rows[i], task.Canceled, task.Requested, "", nil, k); err != nil {
			return err
		}
	}
	return nil
}
