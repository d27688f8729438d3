package sqlite

import (
	"context"
	"database/sql"
	"math"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

const attemptColumns = `token, run, number, node, started_at, finished_at, outcome, code, error, cause, headers, body, truncated, left_out`

// inTask are the columns of an attempt that has no row of its own, read off the task.
var inTask = words.SQL(`token, run, failures + 1, node, last_started, finished_at, last_outcome, last_code, '', :cause_none,
	answer_headers, answer_body, false, 0`)

const hasAnswer = `(answer_headers is not null or answer_body is not null)`

// selectAttempts reads the attempts of a task with tokens within bounds.
var selectAttempts = `select ` + attemptColumns + ` from attempt where task = ?1 and token between ?2 and ?3
	union all select ` + inTask + ` from task where id = ?1 and token between ?2 and ?3 and ` + hasAnswer + ` order by 1 `

const selectSizes = `select token, coalesce(length(body), 0) from attempt where task = ?1 and token > ?2
	union all select token, coalesce(length(answer_body), 0) from task where id = ?1 and token > ?2 and ` + hasAnswer + ` order by 1 limit ?3`

// Attempts implements store.Reader. The sizes are read first: a body that does
// not fit is not looked at.
func (s *Store) Attempts(ctx context.Context, id task.ID, after int64, limit, maxBytes int) ([]store.AttemptRow, bool, error) {
	type head struct {
		token int64
		size  int
	}
	heads, err := readAll(ctx, s, func(r *sql.Rows) (h head, err error) { return h, r.Scan(&h.token, &h.size) },
		selectSizes, id[:], after, limit+1)
	n := store.Fit(len(heads), func(i int) int { return heads[i].size }, limit, maxBytes)
	if err != nil || n == 0 {
		return nil, false, err
	}
	rows, err := readAll(ctx, s, scanAttempt, selectAttempts, id[:], heads[0].token, heads[n-1].token)
	return rows, n < len(heads), err
}

// LastAttempt implements store.Reader.
func (s *Store) LastAttempt(ctx context.Context, id task.ID) (store.AttemptRow, error) {
	rows, err := readAll(ctx, s, scanAttempt, selectAttempts+`desc limit 1`, id[:], 0, int64(math.MaxInt64))
	if err != nil || len(rows) == 0 {
		return store.AttemptRow{}, orNotFound(err, 0)
	}
	return rows[0], nil
}

// recordInTask gives the attempt that has no row of its own one, before the task runs
// again.
func (w *writer) recordInTask(id task.ID) error {
	n, err := w.changed(moveAnswer, id[:])
	if err != nil || n == 0 {
		return err
	}
	return w.exec(`update task set answer_headers = null, answer_body = null where id = ?`, id[:])
}

var moveAnswer = `insert into attempt (task, ` + attemptColumns + `) select id, ` + inTask + ` from task where id = ? and ` + hasAnswer

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
