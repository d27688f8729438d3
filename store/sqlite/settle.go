package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// Settle implements store.Settler.
func (s *Store) Settle(ctx context.Context, ts []store.Transition) ([]error, []store.Woken, error) {
	errs := make([]error, len(ts))
	var k woken
	err := s.do(ctx, rankSettle, len(ts), func(w *writer) (err error) {
		k = woken{}
		for i := range ts {
			if errs[i], err = w.settle(&ts[i], &k); err != nil {
				return err
			}
		}
		return nil
	})
	return errs, k.list, err
}

var settlePlain = words.SQL(`update task set state = :succeeded, reason = ?, finished_at = ?, failures = ?, crashes = ?,
	last_outcome = :outcome_success, last_code = ?, last_error = '', last_cause = :cause_none,
	answer_headers = ?, answer_body = ? where id = ? and token = ? and state = :running`)

// settle applies a transition. refused is ErrLeaseLost or nil.
func (w *writer) settle(t *store.Transition, k *woken) (refused, err error) {
	d := t.Decision
	if d.To == task.Succeeded && t.Effects == nil && (t.InRow() || !t.Recorded()) {
		headers, body := inRow(t)
		n, err := w.changed(settlePlain, int64(d.Reason), w.now, d.Failures, d.Crashes, t.Code, headers, body, t.ID[:], t.Token)
		if err == nil && n == 0 {
			return w.settledAlready(t)
		}
		return nil, err
	}
	return w.settleSlowly(t, k)
}

// settleSlowly writes what the hot path leaves out: the attempt, the answer, the
// next place to wait.
func (w *writer) settleSlowly(t *store.Transition, k *woken) (refused, err error) {
	row, err := w.running(t)
	if errors.Is(err, sql.ErrNoRows) {
		return w.settledAlready(t)
	}
	if err != nil {
		return nil, err
	}
	if e := t.Effects; e != nil && e.Append != nil {
		if added, err := w.appendJournal(t.ID, t.Token, e.Append); err != nil || !added {
			return store.ErrBadValue, err
		}
	}
	text := store.CleanText(t.Error, store.MaxError)
	if t.Recorded() && !t.InRow() {
		err := w.exec(`insert into attempt (task, token, run, number, node, started_at, finished_at, outcome, code, error, cause, headers, body, truncated)
			values (?,?,?,?,?,?,?,?,?,?,?,?,?,?)`, t.ID[:], t.Token, row.Run, t.Number(), row.Node[:], row.LastStarted, w.now,
			int64(t.Outcome), t.Code, text, int64(t.Cause), bytesOrNull(task.EncodeHeaders(t.Answer.Header)), bytesOrNull(t.Answer.Body), t.Answer.Truncated)
		if err == nil && store.ManyAttempts(t.Token) {
			err = w.leaveOut(t.ID)
		}
		if err != nil {
			return nil, err
		}
	}
	if e := t.Effects; e != nil && e.Undo.In(row.Flags) != row.Flags {
		if err := w.exec(`update task set flags = ? where id = ?`, e.Undo.In(row.Flags), t.ID[:]); err != nil {
			return nil, err
		}
	}
	if err := w.leaveOf(t); err != nil {
		return nil, err
	}
	if e := t.Effects; e != nil && e.Restart {
		if err := w.reset(t.ID, e.Seen, e.Tell); err != nil {
			return nil, err
		}
	}
	if t.BeginsAgain() {
		if err := w.exec(`update task set run = run + 1 where id = ?`, t.ID[:]); err != nil {
			return nil, err
		}
	}
	if e := t.Effects; e != nil && e.Next != nil {
		if err := w.replace(t.ID, e.Next); err != nil {
			return nil, err
		}
	}
	if t.Decision.To == task.Suspended {
		return nil, w.suspend(t, &row, text, k)
	}
	return nil, w.move(t, text, &row, k)
}

var selectRunning = words.SQL(`select lane, prio, run, at, last_started, node, kind, flags, parent, coalesce(epoch, 0), coalesce(correlation, 0)
	from task where id = ? and token = ? and state = :running`)

// running reads what settling has to know of a task that runs with the token of t.
func (w *writer) running(t *store.Transition) (row store.Row, err error) {
	var node, parent sql.RawBytes
	var correlation int64
	found := false
	err = w.query(func(r *sql.Rows) error {
		found = true
		err := r.Scan(&row.Lane, &row.Priority, &row.Run, &row.At, &row.LastStarted, &node, &row.Kind, &row.Flags, &parent, &row.Epoch, &correlation)
		copy(row.Node[:], node)
		copy(row.Parent[:], parent)
		return err
	}, selectRunning, t.ID[:], t.Token)
	if err == nil && !found {
		err = sql.ErrNoRows
	}
	row.ID, row.Token, row.Correlation = t.ID, t.Token, uint64(correlation)
	return row, err
}

// move writes the decision and puts the task where it waits next.
func (w *writer) move(t *store.Transition, text string, row *store.Row, k *woken) error {
	d := t.Decision
	switch store.PlaceOf(d.To, d.Reason) {
	case store.InReady:
		row.Crashes = d.Crashes
		e := store.Enter(row.Entrant(), d.Reason)
		return errors.Join(w.setState(t, text, e, row.At, 0), w.list(t.ID, e, row.At, k))
	case store.InTimer:
		at := w.now
		if !t.Effects.Hurries(row.Flags) {
			at += d.Delay.Microseconds()
		}
		return errors.Join(w.setState(t, text, store.Entry{State: d.To, Reason: d.Reason}, at, 0), w.pushTimer(at, t.ID, row.Lane, d.To))
	}
	if err := w.setState(t, text, store.Entry{State: d.To, Reason: d.Reason}, row.At, w.now); err != nil {
		return err
	}
	if d.To == task.Failed {
		if err := w.pushDead(row.Lane, w.now, t.ID); err != nil {
			return err
		}
	}
	return w.ended(row, d.To, d.Reason, text, t.Answer.Body, k)
}

func (w *writer) setState(t *store.Transition, text string, e store.Entry, at, finished int64) error {
	d := t.Decision
	headers, body := inRow(t)
	return w.exec(`update task set state = ?, reason = ?, at = ?, finished_at = ?, failures = ?, crashes = ?,
		last_outcome = ?, last_code = ?, last_error = ?, last_cause = ?, answer_headers = ?, answer_body = ? where id = ?`,
		int64(e.State), int64(e.Reason), at, finished, d.Failures, d.Crashes, int64(t.Outcome), t.Code, text, int64(t.Cause), headers, body, t.ID[:])
}

// inRow is what the row of a task keeps of an answer.
func inRow(t *store.Transition) (headers, body any) {
	if !t.InRow() {
		return nil, nil
	}
	return bytesOrNull(task.EncodeHeaders(t.Answer.Header)), bytesOrNull(t.Answer.Body)
}

// settledAlready tells a repeated settle from a late one.
func (w *writer) settledAlready(t *store.Transition) (refused, err error) {
	var state task.State
	var token int64
	var outcome task.Class
	err = w.one(`select state, token, last_outcome from task where id = ?`, []any{t.ID[:]}, &state, &token, &outcome)
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrLeaseLost, nil
	}
	if err == nil && !t.Applied(token, state, outcome) {
		return store.ErrLeaseLost, nil
	}
	return nil, err
}
