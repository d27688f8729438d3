package operate

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// AttemptPage is a part of the attempts of a task, oldest first. Next is empty at
// the end.
type AttemptPage struct {
	Task  Task
	Items []store.AttemptRow
	Next  string
}

// A page of attempts has at most so many, and after the first not more than so
// many bytes of answers.
const (
	maxAttempts     = 100
	maxAttemptBytes = 4 << 20
)

// Result returns what the last attempt of a task that has ended brought back; nil when
// it was nothing.
func (ts *Tasks) Result(ctx context.Context, t *Task) ([]byte, error) {
	last, err := ts.lastEnded(ctx, t)
	if last == nil {
		return nil, err
	}
	return last.Answer.Body, nil
}

// lastEnded returns the last attempt of a task that has ended; nil when there is none. A
// success that brought nothing back is read from the task itself: what is on record then
// are the failures before it.
func (ts *Tasks) lastEnded(ctx context.Context, t *Task) (*store.AttemptRow, error) {
	last, err := ts.cfg.Store.LastAttempt(ctx, t.ID)
	none := errors.Is(err, store.ErrNotFound)
	switch {
	case err != nil && !none:
		return nil, err
	case t.State == task.Succeeded && last.Token < t.Token:
		last = attemptOf(t)
	case none:
		return nil, nil
	}
	return &last, nil
}

// Attempts returns a page of the attempts of a task that are kept: at most limit
// of them, 0 = 100, the most. The one under way, and a success that brought
// nothing back, are read from the task itself. store.ErrNotFound, ErrBadCursor.
func (ts *Tasks) Attempts(ctx context.Context, id, cursor string, limit int) (AttemptPage, error) {
	after, err := attemptAfter(cursor)
	if err != nil {
		return AttemptPage{}, err
	}
	t, err := ts.Get(ctx, id)
	if err != nil {
		return AttemptPage{}, err
	}
	if limit <= 0 {
		limit = maxAttempts
	}
	rows, more, err := ts.cfg.Store.Attempts(ctx, t.ID, after, min(limit, maxAttempts), maxAttemptBytes)
	page := AttemptPage{Task: t, Items: rows}
	last := after
	if n := len(rows); n > 0 {
		last = rows[n-1].Token
	}
	switch {
	case err != nil:
		return AttemptPage{}, err
	case more:
		page.Next = base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(last)))
	case last < t.Token && (t.State == task.Running || t.State == task.Succeeded):
		page.Items = append(page.Items, attemptOf(&t))
	}
	return page, nil
}

// attemptOf is the attempt that the row of a task tells of: one under way, or a success.
func attemptOf(t *Task) store.AttemptRow {
	a := store.AttemptRow{
		Token: t.Token, Run: t.Run, Number: t.Failures + 1, Node: t.Node, StartedAt: t.LastStarted, FinishedAt: t.FinishedAt,
	}
	if t.State == task.Succeeded {
		a.Outcome, a.Code = task.Success, t.LastCode
	}
	return a
}

// attemptAfter reads a cursor: the token of the last attempt that was shown.
func attemptAfter(cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) != 8 {
		return 0, ErrBadCursor
	}
	return int64(binary.BigEndian.Uint64(b)), nil
}
