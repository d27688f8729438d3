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
	if err != nil {
		return nil, nil, err
	}
	return errs, k.list, nil
}

const succeedIf = `update task set state = :succeeded, reason = ?, finished_at = ?, failures = ?, crashes = ?,
	last_outcome = :outcome_success, last_code = ?, last_error = '', last_cause = :cause_none,
	answer_headers = ?, answer_body = ? where id = ? and token = ? and state = :running and `

var (
	settlePlain  = words.SQL(succeedIf + `flags & :related = 0`)
	settleInside = words.SQL(succeedIf + `flags & :related = :flag_gate`)
)

// settle applies a transition. refused is ErrLeaseLost or nil.
func (w *writer) settle(t *store.Transition, k *woken) (refused, err error) {
	if t.Decision.To == task.Succeeded && t.Effects == nil && !t.Cut && (t.InRow() || !t.Recorded()) {
		done, err := w.succeed(t, k)
		if err != nil || done {
			return nil, err
		}
	}
	return w.settleSlowly(t, k)
}

// succeed settles a task whose end concerns nobody but those at its gates; false when
// it is not one.
func (w *writer) succeed(t *store.Transition, k *woken) (done bool, err error) {
	d := t.Decision
	headers, body := inRow(t)
	values := []any{int64(d.Reason), w.now, d.Failures, d.Crashes, t.Code, headers, body, t.ID[:], t.Token}
	if t.Flags&store.FlagGate == 0 {
		n, err := w.changed(settlePlain, values...)
		return n > 0, err
	}
	if len(t.Gates) == 0 {
		return false, nil
	}
	n, err := w.changed(settleInside, values...)
	if err != nil || n == 0 {
		return false, err
	}
	inside := store.Leaver{Task: t.ID, Token: t.Token, Gates: t.Gates}
	row := inside.Row()
	return true, w.leaveGates(&row, true, k)
}

// settleSlowly writes what the hot path leaves out: the attempt, the answer, the
// next place to wait.
func (w *writer) settleSlowly(t *store.Transition, k *woken) (refused, err error) {
	if e := t.Effects; e != nil && e.Append != nil { // nothing is written when the segment does not fit
		added, err := w.appendRunning(t)
		if err == nil && !added {
			return w.notAppended(t)
		}
		if err != nil {
			return nil, err
		}
	}
	text := store.CleanText(t.Error, store.MaxError)
	row, err := w.write(t, text)
	if errors.Is(err, sql.ErrNoRows) {
		return w.settledAlready(t)
	}
	if err == nil && t.Recorded() && !t.InRow() {
		err = w.record(t, &row, text)
	}
	if err == nil {
		err = w.leaveBehind(t)
	}
	if err != nil {
		return nil, err
	}
	if t.Decision.To == task.Suspended {
		return nil, w.suspend(t, &row, k)
	}
	return nil, w.move(t, text, &row, k)
}

// leaveBehind ends the life of a function that begins anew, and leaves what nobody waits for.
func (w *writer) leaveBehind(t *store.Transition) error {
	e := t.Effects
	if e == nil {
		return nil
	}
	err := w.leaveOf(t)
	if err == nil && e.Restart {
		err = w.reset(t.ID, e.Seen, e.Tell)
	}
	if err == nil && e.Next != nil {
		err = w.replace(t.ID, e.Next)
	}
	return err
}

func (w *writer) record(t *store.Transition, row *store.Row, text string) error {
	run := row.Run
	if t.BeginsAgain() {
		run--
	}
	err := w.exec(`insert into attempt (task, token, run, number, node, started_at, finished_at, outcome, code, error, cause, headers, body, truncated)
		values (?,?,?,?,?,?,?,?,?,?,?,?,?,?)`, t.ID[:], t.Token, run, t.Number(), row.Node[:], row.LastStarted, w.now,
		int64(t.Outcome), t.Code, text, int64(t.Cause), bytesOrNull(task.EncodeHeaders(t.Answer.Header)), bytesOrNull(t.Answer.Body), t.Answer.Truncated)
	if err == nil && store.ManyAttempts(t.Token) {
		err = w.leaveOut(t.ID)
	}
	return err
}

var writeTransition = words.SQL(`update task set state = ?3, reason = ?4, finished_at = ?5, failures = ?6, crashes = ?7, run = run + ?8,
	at = case when ?3 not in :timed then at when ?9 and flags & :flag_canceling <> 0 then ?10 else ?11 end, flags = flags & ?12 | ?13,
	last_outcome = ?14, last_code = ?15, last_error = ?16, last_cause = ?17, answer_headers = ?18, answer_body = ?19
	where id = ?1 and token = ?2 and state = :running
	returning lane, prio, run, at, last_started, node, kind, flags, parent, coalesce(epoch, 0), coalesce(correlation, 0), gates`)

// write writes a transition of a task that runs with its token, and returns the row as
// it is then, as far as settling has to know it. sql.ErrNoRows when it does not run.
func (w *writer) write(t *store.Transition, text string) (row store.Row, err error) {
	var node, parent sql.RawBytes
	var correlation int64
	found := false
	err = w.query(func(r *sql.Rows) error {
		found = true
		err := r.Scan(&row.Lane, &row.Priority, &row.Run, &row.At, &row.LastStarted, &node, &row.Kind, &row.Flags, &parent, &row.Epoch, &correlation, &row.Gates)
		copy(row.Node[:], node)
		copy(row.Parent[:], parent)
		return err
	}, writeTransition, w.valuesOf(t, text)...)
	if err == nil && !found {
		err = sql.ErrNoRows
	}
	row.ID, row.Token, row.Correlation, row.Crashes, row.State = t.ID, t.Token, uint64(correlation), t.Decision.Crashes, task.Running
	return row, err
}

// valuesOf are the parameters of writeTransition.
func (w *writer) valuesOf(t *store.Transition, text string) []any {
	d, again, finished := t.Decision, 0, int64(0)
	if t.BeginsAgain() {
		again = 1
	}
	if d.To.Final() {
		finished = w.now
	}
	keep, set, hurries := int32(-1), int32(0), false
	if e := t.Effects; e != nil { // the flags that it clears are those that no task keeps
		keep, set, hurries = e.Undo.In(-1), e.Undo.In(0), e.Hurries(store.FlagCanceling)
	}
	headers, body := inRow(t)
	return []any{
		t.ID[:], t.Token, int64(d.To), int64(d.Reason), finished, d.Failures, d.Crashes, again, hurries, w.now, w.now + d.Delay.Microseconds(),
		keep, set, int64(t.Outcome), t.Code, text, int64(t.Cause), headers, body,
	}
}

// move puts the task where it waits next.
func (w *writer) move(t *store.Transition, text string, row *store.Row, k *woken) error {
	d := t.Decision
	switch store.PlaceOf(d.To, d.Reason) {
	case store.InReady:
		return w.makeReady(t.ID, row.Entrant(), d.Reason, row.At, k)
	case store.InTimer:
		return errors.Join(w.pushTimer(row.At, t.ID, row.Lane, d.To), w.leaveGates(row, false, k))
	}
	if d.To == task.Failed {
		if err := w.pushDead(row.Lane, w.now, t.ID); err != nil {
			return err
		}
	}
	leave := func() error { return w.leaveGates(row, true, k) }
	if t.Cut {
		leave = func() error { return w.leaveSlowly(row) }
	}
	return errors.Join(w.ended(row, d.To, d.Reason, text, t.Answer.Body, k), leave())
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
