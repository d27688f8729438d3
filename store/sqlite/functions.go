package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// appendRunning adds the segment of a transition; false when its task does not run with
// its token, or another segment is in its place.
func (w *writer) appendRunning(t *store.Transition) (bool, error) {
	a := t.Effects.Append
	n, err := w.changed(appendToJournal, a.Offset, notNull(a.Bytes), t.ID[:], t.Token)
	return n > 0, err
}

// notAppended tells why the segment of a transition was not added.
func (w *writer) notAppended(t *store.Transition) (refused, err error) {
	var state task.State
	var token int64
	err = w.one(`select state, token from task where id = ?`, []any{t.ID[:]}, &state, &token)
	switch {
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return nil, err
	case err == nil && state == task.Running && token == t.Token:
		return store.ErrBadValue, nil
	}
	return w.settledAlready(t)
}

// Append implements store.Functions.
func (s *Store) Append(ctx context.Context, cs []store.Checkpoint) ([]error, error) {
	errs := make([]error, len(cs))
	err := s.do(ctx, rankSettle, len(cs), func(w *writer) (err error) {
		for i := range cs {
			if errs[i], err = w.checkpoint(&cs[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return errs, nil
}

var (
	appendToJournal = words.SQL(`insert into journal (task, at, token, bytes) select id, ?, token, ? from task
		where id = ? and token = ? and state = :running and flags & :flag_waits <> 0 on conflict do nothing`)
	selectSegment = words.SQL(`select t.state = :running and t.flags & :flag_waits <> 0 and t.token = ?, j.token, j.bytes
		from task t left join journal j on j.task = t.id and j.at = ? where t.id = ?`)
)

func (w *writer) checkpoint(c *store.Checkpoint) (refused, err error) {
	n, err := w.changed(appendToJournal, c.Offset, notNull(c.Bytes), c.ID[:], c.Token)
	if err != nil || n > 0 {
		return nil, err
	}
	var running bool
	var token sql.NullInt64
	var there []byte
	err = w.one(selectSegment, []any{c.Token, c.Offset, c.ID[:]}, &running, &token, &there)
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && !running:
		return store.ErrLeaseLost, nil
	case err != nil:
		return nil, err
	case token.Int64 != c.Token || !bytes.Equal(there, c.Bytes):
		return store.ErrBadValue, nil
	}
	return nil, nil
}

// Signal implements store.Functions.
func (s *Store) Signal(ctx context.Context, id task.ID, name string, body []byte) ([]store.Woken, error) {
	return s.wake(ctx, id, func(w *writer, row *store.Row, k *woken) error {
		if err := row.CanTell(); err != nil {
			return err
		}
		return w.tellAll(id, []store.Message{{Kind: store.Signal, Name: name, Body: body}}, k)
	})
}

// tellAll gives signals to a function that has not ended.
func (w *writer) tellAll(id task.ID, signals []store.Message, k *woken) error {
	if len(signals) == 0 {
		return nil
	}
	v, err := w.wait(id)
	if err == nil && v == nil {
		v = &store.Wait{Task: id}
		err = w.putWait(v)
	}
	for i := range signals {
		if err == nil {
			m := signals[i]
			err = w.deliver(v, &m, k)
		}
	}
	return err
}

// Undo implements store.Functions.
func (s *Store) Undo(ctx context.Context, id task.ID, grace int64) ([]store.Woken, error) {
	return s.wake(ctx, id, func(w *writer, row *store.Row, k *woken) error {
		if err := row.CanUndo(); err != nil {
			return err
		}
		next := row.Undone(w.now + grace)
		if err := w.putRun(&next); err != nil || row.Place() != store.InTimer {
			return err
		}
		return w.promote(&dueTimer{at: row.At, id: id, who: row.Entrant()}, k)
	})
}

// Restart implements store.Functions.
func (s *Store) Restart(ctx context.Context, id task.ID) ([]store.Woken, error) {
	return s.wake(ctx, id, func(w *writer, row *store.Row, k *woken) error {
		if err := row.CanRestart(); err != nil {
			return err
		}
		if err := w.leaveCalls(row); err != nil {
			return err
		}
		switch {
		case row.State.Final():
			return w.retry(row, k)
		case row.State == task.Running:
			if err := w.interruptRunning(row); err != nil {
				return err
			}
			row.State = task.Ready
		}
		if err := w.unlist(row); err != nil {
			return err
		}
		if err := w.reset(id, 0, nil); err != nil {
			return err
		}
		next := row.Restarted()
		if err := w.putRun(&next); err != nil {
			return err
		}
		return w.makeReady(id, next.Entrant(), task.Restarted, w.position(), k)
	})
}

// interruptRunning ends the attempt of a function that is restarted; it can
// settle nothing any more.
func (w *writer) interruptRunning(row *store.Row) error {
	t := store.RestartedTransition(row)
	if _, err := w.settleSlowly(&t, &woken{}); err != nil {
		return err
	}
	return w.exec(`update task set token = token + 1 where id = ?`, row.ID[:])
}
