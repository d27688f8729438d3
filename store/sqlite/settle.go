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
	last_outcome = :outcome_success, last_code = ?, last_error = '', last_cause = :cause_none where id = ? and token = ? and state = :running`)

// settle applies a transition. refused is ErrLeaseLost or nil.
func (w *writer) settle(t *store.Transition, k *woken) (refused, err error) {
	d := t.Decision
	if d.To == task.Succeeded && t.Effects == nil && !t.Recorded() {
		n, err := w.changed(settlePlain, int64(d.Reason), w.now, d.Failures, d.Crashes, t.Code, t.ID[:], t.Token)
		if err == nil && n == 0 {
			return w.settledAlready(t)
		}
		return nil, err
	}
	return w.settleSlowly(t, k)
}

var selectSettled = words.SQL(`select lane, prio, run, at, last_started, node, kind, flags, parent, coalesce(epoch, 0), coalesce(correlation, 0)
	from task where id = ? and token = ? and state = :running`)

// settleSlowly writes what the hot path leaves out: the attempt, the answer, the
// next place to wait.
func (w *writer) settleSlowly(t *store.Transition, k *woken) (refused, err error) {
	var row settled
	err = w.one(selectSettled, []any{t.ID[:], t.Token}, &row.lane, &row.prio, &row.run, &row.at, &row.started,
		&row.node, &row.kind, &row.flags, &row.parent, &row.epoch, &row.correlation)
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
	if t.Recorded() {
		err := w.exec(`insert into attempt (task, token, run, number, node, started_at, finished_at, outcome, code, error, cause, headers, body, truncated)
			values (?,?,?,?,?,?,?,?,?,?,?,?,?,?)`, t.ID[:], t.Token, row.run, t.Number(), row.node, row.started, w.now,
			int64(t.Outcome), t.Code, text, int64(t.Cause), bytesOrNull(task.EncodeHeaders(t.Answer.Header)), bytesOrNull(t.Answer.Body), t.Answer.Truncated)
		if err == nil && store.ManyAttempts(t.Token) {
			err = w.leaveOut(t.ID)
		}
		if err != nil {
			return nil, err
		}
	}
	if e := t.Effects; e != nil && e.Undo.In(row.flags) != row.flags {
		if err := w.exec(`update task set flags = ? where id = ?`, e.Undo.In(row.flags), t.ID[:]); err != nil {
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

// settled is what settling has to know of a task.
type settled struct {
	lane    int32
	prio    int16
	run     int32
	at      int64
	started int64
	node    []byte
	family
}

// move writes the decision and puts the task where it waits next.
func (w *writer) move(t *store.Transition, text string, row *settled, k *woken) error {
	d := t.Decision
	at := row.at
	var finished int64
	switch {
	case d.To == task.Scheduled || d.To == task.Blocked:
		if at = w.now; !t.Effects.Hurries(row.flags) {
			at += d.Delay.Microseconds()
		}
	case d.To.Final():
		finished = w.now
	}
	if err := w.setState(t, text, at, finished); err != nil {
		return err
	}
	switch d.To {
	case task.Ready:
		return w.pushReady(row.lane, task.ReadyPriority(row.kind, row.prio, d.Crashes), at, t.ID, k)
	case task.Scheduled, task.Blocked:
		return w.pushTimer(at, t.ID, row.lane, d.To)
	case task.Failed:
		if err := w.pushDead(row.lane, w.now, t.ID); err != nil {
			return err
		}
	}
	if d.To.Final() {
		return w.ended(t.ID, &row.family, d.To, d.Reason, text, t.Answer.Body, k)
	}
	return nil
}

func (w *writer) setState(t *store.Transition, text string, at, finished int64) error {
	d := t.Decision
	return w.exec(`update task set state = ?, reason = ?, at = ?, finished_at = ?, failures = ?, crashes = ?,
		last_outcome = ?, last_code = ?, last_error = ?, last_cause = ? where id = ?`,
		int64(d.To), int64(d.Reason), at, finished, d.Failures, d.Crashes, int64(t.Outcome), t.Code, text, int64(t.Cause), t.ID[:])
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
	if err == nil && (token != t.Token || state == task.Running || outcome != t.Outcome) {
		return store.ErrLeaseLost, nil
	}
	return nil, err
}

func (w *writer) pushDead(lane int32, at int64, id task.ID) error {
	return w.exec(`insert into dead (lane, at, id) values (?,?,?)`, lane, at, id[:])
}
