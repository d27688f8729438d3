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
		state, err := w.cancel(id, task.Requested, reach, k)
		if err == nil && state.Final() && state != task.Canceled {
			return store.ErrFinal
		}
		return err
	})
}

var cancelTask = words.SQL(`update task set state = :canceled, reason = ?, finished_at = ? where id = ?`)

// cancel ends a task that has not ended and returns the state it was in.
func (w *writer) cancel(id task.ID, why task.Reason, reach store.Reach, k *woken) (task.State, error) {
	row, err := w.row(id)
	if err != nil || row.State.Final() {
		return row.State, err
	}
	if reach == store.WithCalls {
		if err := w.leaveCalls(&row); err != nil {
			return row.State, err
		}
	}
	if err := w.unlist(&row); err != nil {
		return row.State, err
	}
	if row.State == task.Running {
		return row.State, w.cancelRunning(&row, why, k)
	}
	err = w.exec(cancelTask, int64(why), w.now, id[:])
	if err != nil {
		return row.State, err
	}
	return row.State, w.ended(id, familyOf(&row), task.Canceled, why, "", nil, k)
}

// cancelRunning ends a task together with its attempt, which can settle nothing
// any more.
func (w *writer) cancelRunning(row *store.Row, why task.Reason, k *woken) error {
	t := store.Transition{
		ID: row.ID, Token: row.Token, Outcome: task.Cancel, Error: store.CanceledError,
		Decision: task.Decision{To: task.Canceled, Reason: why, Failures: row.Failures, Crashes: row.Crashes},
	}
	if _, err := w.settleSlowly(&t, k); err != nil {
		return err
	}
	return w.exec(`update task set token = token + 1 where id = ?`, row.ID[:])
}

// unlist takes a task off the work list its state says it is on.
func (w *writer) unlist(row *store.Row) error {
	switch row.State {
	case task.Ready:
		return w.exec(`delete from ready where lane = ? and prio = ? and pos = ? and id = ?`,
			row.Lane, task.ReadyPriority(row.Kind, row.Priority, row.Crashes), row.At, row.ID[:])
	case task.Scheduled, task.Suspended, task.Blocked:
		return w.exec(`delete from timer where at = ? and id = ?`, row.At, row.ID[:])
	case task.Failed:
		return w.exec(`delete from dead where lane = ? and at = ? and id = ?`, row.Lane, row.FinishedAt, row.ID[:])
	}
	return nil
}

// Retry implements store.Operator.
func (s *Store) Retry(ctx context.Context, id task.ID) ([]store.Woken, error) {
	return s.wake(ctx, id, func(w *writer, row *store.Row, k *woken) error {
		if !row.State.Final() {
			return store.ErrNotFinal
		}
		return w.retry(row, k)
	})
}

var retryTask = words.SQL(`update task set state = :ready, reason = :reason_retried, at = ?, run = run + 1, failures = 0, crashes = 0,
	expires_at = 0, first_started = 0, finished_at = 0, flags = flags & ~(:flag_parent | :flag_undo | :flag_canceling) where id = ?`)

func (w *writer) retry(row *store.Row, k *woken) error {
	if err := w.reclaim(row); err != nil {
		return err
	}
	if err := w.unlist(row); err != nil {
		return err
	}
	if row.Kind == task.Function {
		if err := w.reset(row.ID, 0, nil); err != nil {
			return err
		}
	}
	pos := w.position()
	err := w.exec(retryTask, pos, row.ID[:])
	if err != nil {
		return err
	}
	return w.pushReady(row.Lane, row.Priority, pos, row.ID, k)
}

// RunNow implements store.Operator.
func (s *Store) RunNow(ctx context.Context, id task.ID) ([]store.Woken, error) {
	return s.wake(ctx, id, func(w *writer, row *store.Row, k *woken) error {
		switch {
		case row.State == task.Ready:
			return nil
		case row.State == task.Running:
			return store.ErrRunning
		case row.State.Final():
			return store.ErrFinal
		}
		return w.promote(&dueTimer{at: row.At, id: id, lane: row.Lane, prio: task.ReadyPriority(row.Kind, row.Priority, row.Crashes)}, k)
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
	return k.list, err
}

// Delete implements store.Operator.
func (s *Store) Delete(ctx context.Context, id task.ID) ([]store.Woken, error) {
	return s.step(ctx, func(w *writer, k *woken) error {
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
		case row.State == task.Running:
			return store.ErrRunning
		case !row.State.Final() && row.Flags&store.FlagParent != 0:
			if err := w.tell(id, familyOf(&row), task.Canceled, task.Requested, "", nil, k); err != nil {
				return err
			}
		}
		return w.erase(&row, names)
	})
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
	if row.Flags&store.FlagBody != 0 {
		if err := w.exec(`delete from body where task = ?`, row.ID[:]); err != nil {
			return err
		}
	}
	if row.Kind == task.Function {
		if err := w.eraseFunction(row.ID); err != nil {
			return err
		}
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
func (s *Store) Purge(ctx context.Context, lanes []int32, limit int) (purged int, list []store.Woken, err error) {
	var k woken
	err = s.do(ctx, rankOther, limit, func(w *writer) error {
		purged, k = 0, woken{}
		for _, query := range []string{
			`select id from ready where lane in (select value from json_each(?)) order by lane, prio, pos, id limit ?`,
			`select id from timer where lane in (select value from json_each(?)) order by at, id limit ?`,
		} {
			n, err := w.purge(query, jsonList(lanes), limit-purged, &k)
			if err != nil {
				return err
			}
			purged += n
		}
		return nil
	})
	return purged, k.list, err
}

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
	for _, id := range ids {
		if _, err := w.cancel(id, task.Requested, store.Alone, k); err != nil && !errors.Is(err, store.ErrNotFound) {
			return 0, err
		}
	}
	return len(ids), nil
}
