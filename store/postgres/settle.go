package postgres

import (
	"context"
	"fmt"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// Settle ends attempts; see store.Settler.
func (s *Store) Settle(ctx context.Context, transitions []store.Transition) ([]error, []store.Woken, error) {
	if len(transitions) == 0 {
		return nil, nil, nil
	}
	call := &hotCall{transitions: transitions, errs: make([]error, len(transitions))}
	if err := s.doHot(ctx, call); err != nil {
		return nil, nil, fmt.Errorf("settle: %w", err)
	}
	var many []task.ID
	for i := range transitions {
		if t := &transitions[i]; t.Recorded() && store.ManyAttempts(t.Token) && call.errs[i] == nil {
			many = append(many, t.ID)
		}
	}
	if len(many) > 0 {
		s.leaveOut(ctx, many)
	}
	return call.errs, call.woken, nil
}

// wake reads what a settled task woke from a row of settleFull.
func (c *hotCall) wake(r *wireRow) {
	w := store.Woken{Lane: r.i4(), Priority: r.i2(), Position: r.i8()}
	if task.State(r.i2()) == task.Ready {
		c.woken = store.Collect(c.woken, w)
	}
}

// isPlain tells whether a transition only ends its task: a success that left nothing
// behind but a small answer.
func isPlain(t *store.Transition) bool {
	return t.Effects == nil && (t.InRow() || !t.Recorded()) && t.Decision.To == task.Succeeded && t.Decision.Reason == task.NoReason && t.Error == ""
}

var (
	settlePlainSQL   = words.SQL(settleIfSQL + ` and t.flags & :related = 0 returning s.n, t.run`)
	settleInsideSQL  = words.SQL(settleIfSQL + ` and t.flags & :related = :flag_gate returning s.n, t.run`)
	settleLeadingSQL = words.SQL(settleIfSQL + ` and t.flags & :related = :flag_deps returning s.n, t.run`)
)

const settleIfSQL = `
update sendoff.task t set state = :succeeded, reason = :reason_none, finished_at = $1, last_outcome = :outcome_success, last_error = null, last_cause = null,
 last_code = s.code, failures = s.failures, crashes = s.crashes, answer_headers = s.headers, answer_body = s.body
from unnest($2, $3, $4, $5, $6, $7, $8) with ordinality as s(id, token, code, failures, crashes, headers, body, n)
where t.id = any(array[s.id]) and t.token = s.token and t.state = :running`

func settlePlain(sql string, endings []*ending, now int64) *stmt {
	n := len(endings)
	return query(sql).
		i8(now).
		ids(n, func(i int) task.ID { return endings[i].ID }).
		i8s(n, func(i int) int64 { return endings[i].Token }).
		i4s(n, func(i int) int32 { return endings[i].Code }).
		i4s(n, func(i int) int32 { return endings[i].Decision.Failures }).
		i4s(n, func(i int) int32 { return endings[i].Decision.Crashes }).
		blobs(n, func(i int) []byte { return headers(endings[i].Answer.Header) }).
		blobs(n, func(i int) []byte { return notEmpty(endings[i].Answer.Body) }).
		rows(func(r *wireRow) { endings[r.i8()-1].ended(r) })
}

// settleFull writes transitions of every sort, but no end that concerns others than
// those that were expected; bump advances the tokens. each gets lane, priority, position and state of a row that was changed.
func settleFull(endings []*ending, now, bump int64, each func(*ending, *wireRow)) *stmt {
	return bindEndings(settleFullSQL, endings, now, bump, each)
}

// settleLinked writes transitions with effects: what changes the task itself,
// but for its waiting as a suspended one. It leaves those alone whose segment is
// in the journal's way, and those that settleFull does.
func settleLinked(endings []*ending, now int64, each func(*ending, *wireRow)) *stmt {
	return bindEndings(settleLinkedSQL, endings, now, 0, each).
		i8s(len(endings), func(i int) int64 {
			if a := endings[i].Effects.Append; a != nil {
				return a.Offset
			}
			return -1
		}).
		i2s(len(endings), func(i int) int16 { return int16(endings[i].Effects.Undo) }).
		bools(len(endings), func(i int) bool { return endings[i].Effects.Told })
}

var (
	settleFullSQL   = settleSQL("", "", "", "")
	settleLinkedSQL = settleSQL(", $21, $22, $23", ", off, undo, told", linkedColumns, linkedGuard)
)

const (
	linkedColumns = `
  flags = case s.undo when :undo_something then t.flags | :flag_undo when :undo_nothing then t.flags & ~:flag_undo else t.flags end,
  at = case when s.state not in :timed then t.at when t.flags & :flag_canceling <> 0 and not s.told then $1 else s.due end,`
	linkedGuard = `
  and (s.off < 0 or (select true from sendoff.journal j where j.task = s.id and j."offset" = s.off) is null)`
)

// readyPriority is task.ReadyPriority of a task t. It stands here in SQL because the same
// statement changes the count of crashes, and reads the row for the first time.
const readyPriority = `case when t.kind = :kind_local and t.crashes > 0 then :suspect_priority::int2 else t.prio end`

func settleSQL(param, column, own, guard string) string {
	if own == "" {
		own = `
  at = case when s.state in :timed then s.due else t.at end,`
	}
	return words.SQL(`
with s as materialized (
 select * from unnest($3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20` + param + `) with ordinality
  as s(id, token, outcome, state, reason, due, code, failures, crashes, error, recorded, number, headers, body, truncated, cause, in_row, expected` + column + `, n)),
u as (
 update sendoff.task t set state = s.state, reason = s.reason, token = t.token + $2,` + own + `
  finished_at = case when s.state in :final then $1 else t.finished_at end,
  failures = s.failures, crashes = s.crashes, last_outcome = s.outcome, last_code = s.code, last_error = s.error, last_cause = nullif(s.cause, :cause_none),
  answer_headers = case when s.in_row then s.headers end, answer_body = case when s.in_row then s.body end
 from s where t.id = any(array[s.id]) and t.token = s.token and t.state = :running
  and (s.state not in :final or t.flags & ~s.expected & :related = 0) and (s.state = :ready or t.flags & ~s.expected & :flag_gate = 0)` + guard + `
 returning s.n, t.id, t.lane, ` + readyPriority + ` as prio, t.at, t.state, s.token, t.run, t.node, t.last_started,
  s.recorded, s.number, s.code, s.outcome, s.truncated, s.cause, s.error, s.headers, s.body),
r as (insert into sendoff.ready (pos, lane, prio, id) select at, lane, prio, id from u where state = :ready),
m as (insert into sendoff.timer (at, lane, kind, id) select at, lane, state, id from u where state in (:scheduled, :blocked)),
d as (insert into sendoff.dead (at, lane, id) select $1, lane, id from u where state = :failed),
a as (insert into sendoff.attempt (task, token, started_at, finished_at, run, number, code, outcome, truncated, cause, node, error, headers, body)
 select id, token, last_started, $1, run, number, code, outcome, truncated, cause, node, error, headers, body from u where recorded)
select n, lane, prio, at, state, run from u`)
}

func bindEndings(sql string, endings []*ending, now, bump int64, each func(*ending, *wireRow)) *stmt {
	n := len(endings)
	return query(sql).
		i8(now).i8(bump).
		ids(n, func(i int) task.ID { return endings[i].ID }).
		i8s(n, func(i int) int64 { return endings[i].Token }).
		i2s(n, func(i int) int16 { return int16(endings[i].Outcome) }).
		i2s(n, func(i int) int16 { return int16(endings[i].Decision.To) }).
		i2s(n, func(i int) int16 { return int16(endings[i].Decision.Reason) }).
		i8s(n, func(i int) int64 { return now + endings[i].Decision.Delay.Microseconds() }).
		i4s(n, func(i int) int32 { return endings[i].Code }).
		i4s(n, func(i int) int32 { return endings[i].Decision.Failures }).
		i4s(n, func(i int) int32 { return endings[i].Decision.Crashes }).
		texts(n, func(i int) string { return store.CleanText(endings[i].Error, store.MaxError) }).
		bools(n, func(i int) bool { return endings[i].Recorded() && !endings[i].InRow() }).
		i4s(n, func(i int) int32 { return endings[i].Number() }).
		blobs(n, func(i int) []byte { return headers(endings[i].Answer.Header) }).
		blobs(n, func(i int) []byte { return notEmpty(endings[i].Answer.Body) }).
		bools(n, func(i int) bool { return endings[i].Answer.Truncated }).
		i2s(n, func(i int) int16 { return int16(endings[i].Cause) }).
		bools(n, func(i int) bool { return endings[i].InRow() }).
		i4s(n, func(i int) int32 { return endings[i].expected() }).
		rows(func(r *wireRow) { each(endings[r.i8()-1], r) })
}

func headers(h []task.Header) []byte {
	if len(h) == 0 {
		return nil
	}
	return task.EncodeHeaders(h)
}

func notEmpty(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}
