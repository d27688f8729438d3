package sqlite

import (
	"context"
	"database/sql"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

const selectAttempt = `select token, run, number, node, started_at, finished_at, outcome, code, error, cause, headers, body, truncated, left_out
	from attempt where task = ? `

// Attempts implements store.Reader. The sizes are read first: a body that does
// not fit is not looked at.
func (s *Store) Attempts(ctx context.Context, id task.ID, after int64, limit, maxBytes int) ([]store.AttemptRow, bool, error) {
	type head struct {
		token int64
		size  int
	}
	heads, err := readAll(ctx, s, func(r *sql.Rows) (h head, err error) { return h, r.Scan(&h.token, &h.size) },
		`select token, coalesce(length(body), 0) from attempt where task = ? and token > ? order by token limit ?`, id[:], after, limit+1)
	n := store.Fit(len(heads), func(i int) int { return heads[i].size }, limit, maxBytes)
	if err != nil || n == 0 {
		return nil, false, err
	}
	rows, err := readAll(ctx, s, scanAttempt, selectAttempt+`and token between ? and ? order by token`, id[:], heads[0].token, heads[n-1].token)
	return rows, n < len(heads), err
}

// LastAttempt implements store.Reader.
func (s *Store) LastAttempt(ctx context.Context, id task.ID) (store.AttemptRow, error) {
	rows, err := readAll(ctx, s, scanAttempt, selectAttempt+`order by token desc limit 1`, id[:])
	if err != nil || len(rows) == 0 {
		return store.AttemptRow{}, orNotFound(err, 0)
	}
	return rows[0], nil
}

func scanAttempt(r *sql.Rows) (a store.AttemptRow, err error) {
	var node, header []byte
	err = r.Scan(&a.Token, &a.Run, &a.Number, &node, &a.StartedAt, &a.FinishedAt, &a.Outcome, &a.Code, &a.Error, &a.Cause,
		&header, &a.Answer.Body, &a.Answer.Truncated, &a.LeftOut)
	if err != nil {
		return a, err
	}
	copy(a.Node[:], node)
	a.Answer.Header, err = task.DecodeHeaders(header)
	return a, err
}

// leaveOut deletes the attempts of a task that are not kept; see store.Kept.
func (w *writer) leaveOut(id task.ID) error {
	const between = `token > (select token from attempt where task = ?1 order by token limit 1 offset ?2)
		and token < (select token from attempt where task = ?1 order by token desc limit 1 offset ?3)`
	args := []any{id[:], store.KeptFirst - 1, store.KeptLast - 1}
	err := w.exec(`update attempt set left_out = left_out + (select count(*) + coalesce(sum(left_out), 0) from attempt where task = ?1 and `+between+`)
		where task = ?1 and token = (select token from attempt where task = ?1 order by token desc limit 1 offset ?3)`, args...)
	if err != nil {
		return err
	}
	return w.exec(`delete from attempt where task = ?1 and `+between, args...)
}
