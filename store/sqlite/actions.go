package sqlite

import (
	"context"
	"database/sql"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

const actionColumns = ` id, ns, state, fence, until, created_at, finished_at, items, body, progress from action `

func scanAction(r *sql.Rows) (a store.Action, err error) {
	var id []byte
	err = r.Scan(&id, &a.Namespace, &a.State, &a.Fence, &a.Until, &a.CreatedAt, &a.FinishedAt, &a.Items, &a.Body, &a.Progress)
	copy(a.ID[:], id)
	return a, err
}

// PutAction implements store.Actions.
func (s *Store) PutAction(ctx context.Context, a store.Action) error {
	return s.do(ctx, rankOther, 1, func(w *writer) error {
		return w.exec(`insert into action (id, ns, state, fence, until, created_at, finished_at, items, body, progress) values (?,?,?,0,0,?,0,0,?,?)`,
			a.ID[:], a.Namespace, int64(a.State), w.now, a.Body, a.Progress)
	})
}

// Action implements store.Actions.
func (s *Store) Action(ctx context.Context, id task.ID) (store.Action, error) {
	all, err := readAll(ctx, s, scanAction, `select`+actionColumns+`where id = ?`, id[:])
	if err != nil || len(all) == 0 {
		return store.Action{}, orNotFound(err, 0)
	}
	return all[0], nil
}

// ListActions implements store.Actions.
func (s *Store) ListActions(ctx context.Context, ns int32, before task.ID, limit int) ([]store.Action, error) {
	return readAll(ctx, s, scanAction, `select`+actionColumns+`where ns = ?1 and (?2 or id < ?3) order by id desc limit ?4`, ns, before.IsZero(), before[:], limit)
}

// action reads an action inside the transaction. ErrNotFound.
func (w *writer) action(id task.ID) (a store.Action, err error) {
	found := int64(0)
	err = w.query(func(r *sql.Rows) (err error) {
		found = 1
		a, err = scanAction(r)
		return err
	}, `select`+actionColumns+`where id = ?`, id[:])
	return a, orNotFound(err, found)
}

// SteerAction implements store.Actions.
func (s *Store) SteerAction(ctx context.Context, ns int32, id task.ID, to store.ActionState) error {
	return s.do(ctx, rankOther, 1, func(w *writer) error {
		a, err := w.action(id)
		switch {
		case err != nil:
			return err
		case a.Namespace != ns:
			return store.ErrNotFound
		case !a.State.CanBecome(to):
			return store.ErrActionState
		}
		var finished int64
		if to == store.ActionAborted {
			finished = w.now
		}
		return w.exec(`update action set state = ?, until = 0, finished_at = ? where id = ?`, int64(to), finished, id[:])
	})
}

const openActions = `select id from action where state in (?,?) and until <= ? order by until, id limit ?`

// TakeActions implements store.Actions. It asks without the writer first.
func (s *Store) TakeActions(ctx context.Context, lease int64, limit int) ([]store.Action, error) {
	due, err := readAll(ctx, s, scanID, openActions, int64(store.ActionCounting), int64(store.ActionRunning), s.clock(), 1)
	if err != nil || len(due) == 0 {
		return nil, err
	}
	var taken []store.Action
	err = s.do(store.WithoutAudit(ctx), rankOther, limit, func(w *writer) error {
		taken = nil
		var ids []task.ID
		err := w.query(func(r *sql.Rows) error {
			id, err := scanID(r)
			ids = append(ids, id)
			return err
		}, openActions, int64(store.ActionCounting), int64(store.ActionRunning), w.now, limit)
		for _, id := range ids {
			if err == nil {
				err = w.exec(`update action set fence = fence + 1, until = ? where id = ?`, w.now+lease, id[:])
			}
			var a store.Action
			if err == nil {
				a, err = w.action(id)
			}
			taken = append(taken, a)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return taken, nil
}

// StepAction implements store.Actions.
func (s *Store) StepAction(ctx context.Context, step store.ActionStep) ([]store.Woken, error) {
	var k woken
	err := s.do(store.WithoutAudit(ctx), rankOther, max(len(step.Tasks), 1), func(w *writer) error {
		k = woken{}
		a, err := w.action(step.ID)
		if err != nil || a.Fence != step.Fence || !a.State.Open() {
			return orNotYours(err)
		}
		errs := make([]error, len(step.Tasks))
		for i := range step.Tasks {
			if errs[i], err = w.actApart(step.Verb, &step.Tasks[i], step.Change(i), &k); err != nil {
				return err
			}
		}
		return w.report(&a, step.Report(errs), step.Lease)
	})
	if err != nil {
		return nil, err
	}
	return k.list, nil
}

func orNotYours(err error) error {
	if err == nil || err == store.ErrNotFound { //nolint:errorlint // as action returns it
		return store.ErrNotYours
	}
	return err
}

func (w *writer) report(a *store.Action, r store.ActionReport, lease int64) error {
	var finished int64
	if !r.State.Open() {
		finished = w.now
	}
	for _, item := range r.Items {
		err := w.exec(`insert into action_item (action, seq, task, run) values (?,?,?,?)`, a.ID[:], item.Seq, item.Task[:], item.Run)
		if err != nil {
			return err
		}
	}
	return w.exec(`update action set state = ?, until = ?, finished_at = ?, items = items + ?, progress = ? where id = ?`,
		int64(r.State), w.now+lease, finished, len(r.Items), r.Progress, a.ID[:])
}

// actApart acts on a task, and leaves nothing of it in the transaction when it was passed
// over for a reason, which it returns.
func (w *writer) actApart(v store.Verb, seen *store.Row, c *store.Change, k *woken) (passed, err error) {
	const many = store.FlagKeys | store.FlagNeed | store.FlagGate // of which something may be written before it fails
	if seen.Flags&many == 0 {
		err = w.actOn(v, seen, c, k)
	} else {
		if err := w.exec("savepoint apart"); err != nil {
			return nil, err
		}
		if err = w.actOn(v, seen, c, k); err != nil && store.PassedOver(err) {
			if err := w.exec("rollback to apart"); err != nil {
				return nil, err
			}
		}
		if err := w.exec("release apart"); err != nil {
			return nil, err
		}
	}
	if err != nil && store.PassedOver(err) {
		return err, nil
	}
	return nil, err
}

func (w *writer) actOn(v store.Verb, seen *store.Row, c *store.Change, k *woken) error {
	row, err := w.row(seen.ID)
	switch {
	case err != nil:
		return err
	case !row.SameLife(seen):
		return store.ErrChanged
	}
	if err := v.Can(&row); err != nil {
		return err
	}
	switch v {
	case store.CancelThem:
		_, err := w.cancel(row.ID, task.Requested, store.WithCalls, k)
		return err
	case store.RetryThem:
		return w.retry(&row, k)
	case store.RunThem:
		return w.promote(&dueTimer{at: row.At, id: row.ID, who: row.Entrant()}, k)
	case store.RescheduleThem, store.MoveThem:
		return w.change(&row, c, k)
	}
	return w.delete(row.ID, k)
}

// ActionItems implements store.Actions.
func (s *Store) ActionItems(ctx context.Context, id task.ID, after int64, limit int) ([]store.ActionItem, error) {
	return readAll(ctx, s, func(r *sql.Rows) (item store.ActionItem, err error) {
		var id []byte
		err = r.Scan(&item.Seq, &id, &item.Run)
		copy(item.Task[:], id)
		return item, err
	}, `select seq, task, run from action_item where action = ? and seq > ? order by seq limit ?`, id[:], after, limit)
}

// DropActions implements store.Actions.
func (s *Store) DropActions(ctx context.Context, before int64, limit int) (int, error) {
	const over = `select id from action where finished_at > 0 and finished_at < ? order by id limit ?`
	old, err := readAll(ctx, s, scanID, over, before, limit)
	if err != nil || len(old) == 0 {
		return 0, err
	}
	return len(old), s.do(store.WithoutAudit(ctx), rankOther, len(old), func(w *writer) error {
		for _, id := range old {
			if err := w.exec(`delete from action_item where action = ?`, id[:]); err != nil {
				return err
			}
			if err := w.exec(`delete from action where id = ?`, id[:]); err != nil {
				return err
			}
		}
		return nil
	})
}
