package postgres

import (
	"context"
	"fmt"
	"math"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

const attemptColumns = ` task, token, run, number, node, started_at, finished_at, outcome, code, error, cause, headers, body, truncated, left_out `

// inTask are the columns of an attempt that has no row of its own, read off the task.
var inTask = words.SQL(` t.id, t.token, t.run, t.failures + 1, t.node, t.last_started, t.finished_at, t.last_outcome, t.last_code, null::text, :cause_none::int2,
 t.answer_headers, t.answer_body, false, 0::int8 `)

const hasAnswer = ` (t.answer_headers is not null or t.answer_body is not null) `

// The attempts of a task with tokens within bounds, and their sizes.
var (
	attemptsSQL = `
select` + attemptColumns + `from sendoff.attempt where task = $1 and token between $2 and $3
union all select` + inTask + `from sendoff.task t where t.id = $1 and t.token between $2 and $3 and` + hasAnswer + `order by token `
	attemptSizesSQL = `
select token, coalesce(octet_length(body), 0)::int8 from sendoff.attempt where task = $1 and token > $2
union all select t.token, coalesce(octet_length(t.answer_body), 0)::int8 from sendoff.task t where t.id = $1 and t.token > $2 and` + hasAnswer + `
order by token limit $3`
	allAttemptsSQL = `
select` + attemptColumns + `from sendoff.attempt union all select` + inTask + `from sendoff.task t where` + hasAnswer + `order by task, token`
)

func readAttempt(r *wireRow) (task.ID, store.AttemptRow) {
	id := r.id()
	a := store.AttemptRow{
		Token: r.i8(), Run: r.i4(), Number: r.i4(), Node: r.id(), StartedAt: r.i8(), FinishedAt: r.i8(),
		Outcome: task.Class(r.i2()), Code: r.i4(), Error: r.text(), Cause: task.Cause(r.i2()),
	}
	if h := r.bytes(); h != nil {
		if a.Answer.Header, r.err = task.DecodeHeaders(h); r.err != nil {
			return id, a
		}
	}
	a.Answer.Body, a.Answer.Truncated, a.LeftOut = r.bytes(), r.bool(), r.i8()
	return id, a
}

// Attempts returns the records of a task's attempts; see store.Reader. The sizes
// are read first: a body that does not fit is not looked at.
func (s *Store) Attempts(ctx context.Context, id task.ID, after int64, limit, maxBytes int) ([]store.AttemptRow, bool, error) {
	var tokens []int64
	var sizes []int
	err := s.read(ctx, query(attemptSizesSQL).
		id(id).i8(after).i8(int64(limit)+1).rows(func(r *wireRow) {
		tokens, sizes = append(tokens, r.i8()), append(sizes, int(r.i8()))
	}))
	n := store.Fit(len(sizes), func(i int) int { return sizes[i] }, limit, maxBytes)
	var attempts []store.AttemptRow
	if err == nil && n > 0 {
		err = s.read(ctx, query(attemptsSQL).
			id(id).i8(tokens[0]).i8(tokens[n-1]).rows(func(r *wireRow) {
			_, a := readAttempt(r)
			attempts = append(attempts, a)
		}))
	}
	if err != nil {
		return nil, false, fmt.Errorf("read attempts: %w", err)
	}
	return attempts, n < len(sizes), nil
}

// LastAttempt returns the record of a task's last attempt; see store.Reader.
func (s *Store) LastAttempt(ctx context.Context, id task.ID) (last store.AttemptRow, err error) {
	err = s.read(ctx, query(attemptsSQL+`desc limit 1`).id(id).i8(0).i8(math.MaxInt64).
		rows(func(r *wireRow) { _, last = readAttempt(r) }))
	switch {
	case err != nil:
		return last, fmt.Errorf("read an attempt: %w", err)
	case last.Token == 0:
		return last, store.ErrNotFound
	}
	return last, nil
}

// leaveOut deletes the attempts of tasks that are not kept; see store.Kept. What
// it could not delete is deleted after the next attempt.
func (s *Store) leaveOut(ctx context.Context, ids []task.ID) {
	_ = s.write(ctx, query(pins), query(`
with k as materialized (
 select i.id, (select a.token from sendoff.attempt a where a.task = i.id order by a.token limit 1 offset $2) as first,
  (select a.token from sendoff.attempt a where a.task = i.id order by a.token desc limit 1 offset $3) as last from unnest($1) as i(id)),
v as (delete from sendoff.attempt a using k where a.task = k.id and a.token > k.first and a.token < k.last returning a.task, a.left_out),
n as (select task, (count(*) + sum(left_out))::int8 as n from v group by task)
update sendoff.attempt a set left_out = a.left_out + n.n from n join k on k.id = n.task where a.task = n.task and a.token = k.last`).
		idList(ids).i8(store.KeptFirst-1).i8(store.KeptLast-1))
}
