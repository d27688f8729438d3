package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// List pages through tasks; see store.Reader. A page of a tree walks the index
// on (root, id); one without lanes walks the primary key; one with lanes walks the
// index on (lane, id) of each and merges.
func (s *Store) List(ctx context.Context, q store.Query) ([]store.Row, task.ID, error) {
	if !q.Root.IsZero() {
		return s.scan(ctx, q)
	}
	if table, err := s.shortList(ctx, q.States); err != nil || table != "" {
		rows, next, err2 := s.listFrom(ctx, table, q)
		return rows, next, errors.Join(err, err2)
	}
	return s.scan(ctx, q)
}

// shortList returns the work list that holds exactly the tasks in one of states,
// when it is short; "" otherwise.
func (s *Store) shortList(ctx context.Context, states []task.State) (string, error) {
	const short = 10_000
	if len(states) != 1 || shortLists[states[0]] == "" {
		return "", nil
	}
	table, n := shortLists[states[0]], int64(0)
	err := s.read(ctx, query(`select count(*) from (select from `+table+` t limit $1) l`).i8(short+1).rows(func(r *wireRow) { n = r.i8() }))
	if err != nil || n > short {
		return "", err
	}
	return table, nil
}

// shortLists are the work lists of states.
var shortLists = map[task.State]string{
	task.Ready: "sendoff.ready", task.Failed: "sendoff.dead",
	task.Scheduled: words.SQL("(select * from sendoff.timer where kind not in (:suspended, :blocked, :running))"),
	task.Suspended: words.SQL("(select * from sendoff.timer where kind = :suspended)"),
	task.Blocked:   words.SQL("(select id, lane from sendoff.timer where kind = :blocked union all select task, lane from sendoff.need where waits union all select distinct task, lane from sendoff.line)"),
}

// listFrom reads a page of the tasks on a short work list.
func (s *Store) listFrom(ctx context.Context, table string, q store.Query) (rows []store.Row, next task.ID, err error) {
	if table == "" {
		return nil, next, nil
	}
	before := q.Before
	if before.IsZero() {
		before = maxID
	}
	page := query(`select` + rowColumns + `from sendoff.task t where t.id = any(array(
 select l.id from ` + table + ` l where l.id < $1 and l.id >= $2 and ($4::int4[] is null or l.lane = any($4)) order by l.id desc limit $3)) order by t.id desc`).
		id(before).id(q.From).i8(int64(q.Limit))
	if q.Lanes == nil {
		page.add(oidInt4Array, nil)
	} else {
		page.i4s(len(q.Lanes), func(i int) int32 { return q.Lanes[i] })
	}
	err = s.read(ctx, query(noJIT), page.rows(func(r *wireRow) { rows = append(rows, readRow(r)) }))
	if len(rows) > 0 && len(rows) == q.Limit {
		next = rows[len(rows)-1].ID
	}
	return rows, next, err
}

// scan looks at tasks one by one, newest first.
func (s *Store) scan(ctx context.Context, q store.Query) ([]store.Row, task.ID, error) {
	l := newListing(q)
	var rows []store.Row
	looked, last := int64(0), task.ID{}
	page := l.bind(`select` + rowColumns + `from ` + l.source + ` t` + l.outer + ` order by t.id desc limit $4`).
		rows(func(r *wireRow) { rows = append(rows, readRow(r)) })
	stmts := []*stmt{query(noJIT), page}
	if q.Scan > 0 {
		stmts = append(stmts, l.bind(`select count(*), (array_agg(id order by id))[1] from (select t.id, t.state, $4, $5 from `+l.source+` t) t`).
			rows(func(r *wireRow) { looked, last = r.i8(), r.id() }))
	}
	if err := s.read(ctx, stmts...); err != nil {
		return nil, task.ID{}, fmt.Errorf("list tasks: %w", err)
	}
	switch {
	case len(rows) > 0 && len(rows) == q.Limit:
		return rows, rows[len(rows)-1].ID, nil
	case q.Scan > 0 && looked == l.most:
		return rows, last, nil
	}
	return rows, task.ID{}, nil
}

// listing is a query as SQL: where rows are looked at, and what is asked of them.
type listing struct {
	store.Query
	most   int64 // rows to look at
	source string
	outer  string
}

func newListing(q store.Query) *listing {
	l := &listing{Query: q, most: cmp.Or(int64(q.Scan), 1<<62)}
	if l.Before.IsZero() {
		l.Before = maxID
	}
	// With a bound on the scan, rows are looked at before their state is;
	// without one the state is a part of the search.
	states, inner := ` and ($5::int2[] is null or t.state = any($5))`, ""
	if q.Scan == 0 {
		inner = states
	} else {
		l.outer = ` where true` + states
	}
	of := func(which, order string) string {
		return `select` + rowColumns + `from sendoff.task t where ` + which + `t.id < $1 and t.id >= $2` + inner + ` order by ` + order + `t.id desc limit `
	}
	switch {
	case !q.Root.IsZero() && q.Lanes != nil:
		l.source = `(` + of(`t.root = $7 and t.lane = any($6) and `, `t.root desc, `) + `$3)`
	case !q.Root.IsZero():
		l.source = `(` + of(`t.root = $6 and `, `t.root desc, `) + `$3)`
	case q.Lanes != nil:
		l.source = `(select t.* from unnest($6) as l(lane) cross join lateral (
 ` + of(`t.lane = l.lane and `, ``) + `case when $3 < 1::int8 << 62 then $3 else $4 end) t
 order by t.id desc limit $3)`
	default:
		l.source = `(` + of(``, ``) + `$3)`
	}
	return l
}

func (l *listing) bind(sql string) *stmt {
	q := query(sql).id(l.Before).id(l.From).i8(l.most).i8(int64(l.Limit))
	if l.States == nil {
		q.add(oidInt2Array, nil)
	} else {
		q.i2s(len(l.States), func(i int) int16 { return int16(l.States[i]) })
	}
	if l.Lanes != nil {
		lanes := slices.Compact(slices.Sorted(slices.Values(l.Lanes)))
		q.i4s(len(lanes), func(i int) int32 { return lanes[i] })
	}
	if !l.Root.IsZero() {
		q.id(l.Root)
	}
	return q
}

const noJIT = `select set_config('jit', 'off', true), set_config('enable_bitmapscan', 'off', true)`

// maxID is above every id that can be made (its version is not 7).
var maxID = task.ID(bytes.Repeat([]byte{0xff}, 16))
