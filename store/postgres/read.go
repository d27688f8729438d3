package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

const rowColumns = ` t.id, t.lane, t.prio, t.kind, t.flags, t.state, t.reason, t.token, t.run, t.failures, t.crashes, t.max_attempts,
 t.created_at, t.at, t.expires_at, t.first_started, t.last_started, t.finished_at, t.node, t.last_outcome, t.last_code, t.last_error,
 t.grp, t.parent, t.root, t.correlation, t.epoch, t.spec `

func readRow(r *wireRow) store.Row {
	return store.Row{
		ID: r.id(), Lane: r.i4(), Priority: r.i2(), Kind: task.Kind(r.i2()), Flags: r.i4(), State: task.State(r.i2()), Reason: task.Reason(r.i2()),
		Token: r.i8(), Run: r.i4(), Failures: r.i4(), Crashes: r.i4(), MaxAttempts: r.i4(),
		CreatedAt: r.i8(), At: r.i8(), ExpiresAt: r.i8(), FirstStarted: r.i8(), LastStarted: r.i8(), FinishedAt: r.i8(),
		Node: r.id(), LastOutcome: task.Class(r.i2()), LastCode: r.i4(), LastError: r.text(),
		Group: r.text(), Parent: r.id(), Root: r.id(), Correlation: uint64(r.i8()), Epoch: r.i4(), Spec: r.bytes(),
	}
}

// Rows looks tasks up; see store.Reader.
func (s *Store) Rows(ctx context.Context, ids []task.ID) ([]store.Row, error) {
	var rows []store.Row
	err := s.read(ctx, query(`select`+rowColumns+`from sendoff.task t where t.id = any($1)`).idList(ids).
		rows(func(r *wireRow) { rows = append(rows, readRow(r)) }))
	if err != nil {
		return nil, fmt.Errorf("look tasks up: %w", err)
	}
	return rows, nil
}

const payloadOf = ` case when t.flags & 1 = 0 then t.payload else (select b.bytes from sendoff.body b where b.task = t.id and b.part = 0) end `

// Payload returns what a task was submitted with; see store.Reader.
func (s *Store) Payload(ctx context.Context, id task.ID) ([]byte, error) {
	var payload []byte
	found := false
	err := s.read(ctx, query(`select`+payloadOf+`from sendoff.task t where t.id = $1`).id(id).
		rows(func(r *wireRow) { payload, found = present(r.bytes()), true }))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read a payload: %w", err)
	case !found:
		return nil, store.ErrNotFound
	}
	return payload, nil
}

const attemptColumns = ` task, token, run, number, node, started_at, finished_at, outcome, code, error, headers, body, truncated, left_out `

func readAttempt(r *wireRow) (task.ID, store.AttemptRow) {
	id := r.id()
	a := store.AttemptRow{
		Token: r.i8(), Run: r.i4(), Number: r.i4(), Node: r.id(), StartedAt: r.i8(), FinishedAt: r.i8(),
		Outcome: task.Class(r.i2()), Code: r.i4(), Error: r.text(),
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
	err := s.read(ctx, query(`
select token, coalesce(octet_length(body), 0)::int8 from sendoff.attempt where task = $1 and token > $2 order by token limit $3`).
		id(id).i8(after).i8(int64(limit)+1).rows(func(r *wireRow) {
		tokens, sizes = append(tokens, r.i8()), append(sizes, int(r.i8()))
	}))
	n := store.Fit(len(sizes), func(i int) int { return sizes[i] }, limit, maxBytes)
	var attempts []store.AttemptRow
	if err == nil && n > 0 {
		err = s.read(ctx, query(`select`+attemptColumns+`from sendoff.attempt where task = $1 and token between $2 and $3 order by token`).
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
	err = s.read(ctx, query(`select`+attemptColumns+`from sendoff.attempt where task = $1 order by token desc limit 1`).id(id).
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

// FindKey returns the task a key belongs to; see store.Reader.
func (s *Store) FindKey(ctx context.Context, namespace int32, kind store.KeyKind, hash store.Hash) (task.ID, error) {
	var id task.ID
	err := s.read(ctx, query(`select task from sendoff.key where ns = $1 and kind = $2 and hash = $3`).
		i4(namespace).i2(int16(kind)).bytes(hash[:]).rows(func(r *wireRow) { id = r.id() }))
	switch {
	case err != nil:
		return task.ID{}, fmt.Errorf("look a key up: %w", err)
	case id.IsZero():
		return task.ID{}, store.ErrNotFound
	}
	return id, nil
}

// Probe looks for an entry in a window of positions; see store.Claimer.
func (s *Store) Probe(ctx context.Context, lane int32, priority int16, from, to int64) (position int64, found bool, err error) {
	err = s.read(ctx, query(pins), query(probeSQL).i4(lane).i2(priority).i8(from).i8(to).
		rows(func(r *wireRow) { position, found = r.i8(), true }))
	if err != nil {
		return 0, false, fmt.Errorf("probe: %w", err)
	}
	return position, found, nil
}

const probeSQL = `select pos from sendoff.ready where lane = $1 and prio = $2 and pos >= $3 and pos < $4 order by pos limit 1`

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
	task.Scheduled: "(select * from sendoff.timer where kind not in (4, 5))",
	task.Suspended: "(select * from sendoff.timer where kind = 4)",
	task.Blocked:   "(select * from sendoff.timer where kind = 5)",
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

func (s *Store) scan(ctx context.Context, q store.Query) ([]store.Row, task.ID, error) {
	scan := int64(q.Scan)
	if scan == 0 {
		scan = 1 << 62
	}
	before := q.Before
	if before.IsZero() {
		before = maxID
	}
	// With a bound on the scan, rows are looked at before their state is;
	// without one the state is a part of the search.
	var inner, outer string
	states := ` and ($5::int2[] is null or t.state = any($5))`
	if q.Scan == 0 {
		inner = states
	} else {
		outer = ` where true` + states
	}
	source := `(select` + rowColumns + `from sendoff.task t where t.id < $1 and t.id >= $2` + inner + ` order by t.id desc limit $3)`
	switch {
	case !q.Root.IsZero() && q.Lanes != nil:
		source = `(select` + rowColumns + `from sendoff.task t where t.root = $7 and t.lane = any($6) and t.id < $1 and t.id >= $2` + inner + ` order by t.root desc, t.id desc limit $3)`
	case !q.Root.IsZero():
		source = `(select` + rowColumns + `from sendoff.task t where t.root = $6 and t.id < $1 and t.id >= $2` + inner + ` order by t.root desc, t.id desc limit $3)`
	case q.Lanes != nil:
		source = `(select t.* from unnest($6) as l(lane) cross join lateral (
 select` + rowColumns + `from sendoff.task t where t.lane = l.lane and t.id < $1 and t.id >= $2` + inner + ` order by t.id desc limit case when $3 < 1::int8 << 62 then $3 else $4 end) t
 order by t.id desc limit $3)`
	}
	bind := func(sql string, limit int64) *stmt {
		stmt := query(sql).id(before).id(q.From).i8(scan).i8(limit)
		if q.States == nil {
			stmt.add(oidInt2Array, nil)
		} else {
			stmt.i2s(len(q.States), func(i int) int16 { return int16(q.States[i]) })
		}
		lanes := slices.Compact(slices.Sorted(slices.Values(q.Lanes)))
		if q.Lanes != nil {
			stmt.i4s(len(lanes), func(i int) int32 { return lanes[i] })
		}
		if !q.Root.IsZero() {
			stmt.id(q.Root)
		}
		return stmt
	}
	var rows []store.Row
	var looked, last = int64(0), task.ID{}
	page := bind(`select`+rowColumns+`from `+source+` t`+outer+` order by t.id desc limit $4`, int64(q.Limit)).
		rows(func(r *wireRow) { rows = append(rows, readRow(r)) })
	stmts := []*stmt{query(noJIT), page}
	if q.Scan > 0 {
		stmts = append(stmts, bind(`select count(*), (array_agg(id order by id))[1] from (select t.id, t.state, $4, $5 from `+source+` t) t`, int64(q.Limit)).
			rows(func(r *wireRow) { looked, last = r.i8(), r.id() }))
	}
	if err := s.read(ctx, stmts...); err != nil {
		return nil, task.ID{}, fmt.Errorf("list tasks: %w", err)
	}
	switch {
	case len(rows) > 0 && len(rows) == q.Limit:
		return rows, rows[len(rows)-1].ID, nil
	case q.Scan > 0 && looked == scan:
		return rows, last, nil
	}
	return rows, task.ID{}, nil
}

const noJIT = `select set_config('jit', 'off', true), set_config('enable_bitmapscan', 'off', true)`

// maxID is above every id that can be made (its version is not 7).
var maxID = task.ID(bytes.Repeat([]byte{0xff}, 16))

// Stats returns the depth of the lanes; see store.Reader. It counts work lists,
// which are short, and never the tasks that have ended.
func (s *Store) Stats(ctx context.Context) ([]store.LaneStats, error) {
	stats := map[int32]*store.LaneStats{}
	of := func(lane int32) *store.LaneStats {
		if stats[lane] == nil {
			stats[lane] = &store.LaneStats{Lane: lane}
		}
		return stats[lane]
	}
	err := s.read(ctx, query(noJIT),
		query(`select lane, count(*), min(pos) from sendoff.ready group by lane`).rows(func(r *wireRow) {
			l := of(r.i4())
			l.Ready, l.OldestReady = r.i8(), r.i8()
		}),
		query(`
select lane, count(*) filter (where kind not in (4, 5)), count(*) filter (where kind = 4), count(*) filter (where kind = 5)
from sendoff.timer group by lane`).rows(func(r *wireRow) {
			l := of(r.i4())
			l.Scheduled, l.Suspended, l.Blocked = r.i8(), r.i8(), r.i8()
		}),
		query(`select lane, count(*) from sendoff.dead group by lane`).rows(func(r *wireRow) { of(r.i4()).Failed = r.i8() }),
		query(`select lane, count(*) from sendoff.task where state = 2
 and id in (select unnest(ids) from sendoff.claim) group by lane`).rows(func(r *wireRow) { of(r.i4()).Running = r.i8() }))
	if err != nil {
		return nil, fmt.Errorf("count tasks: %w", err)
	}
	var out []store.LaneStats
	for _, l := range stats {
		out = append(out, *l)
	}
	slices.SortFunc(out, func(a, b store.LaneStats) int { return int(a.Lane) - int(b.Lane) })
	return out, nil
}

// Snapshot returns everything as of one moment; see store.Reader.
func (s *Store) Snapshot(ctx context.Context) (store.Snapshot, error) {
	snap := store.Snapshot{
		Payloads: map[task.ID]string{}, Attempts: map[task.ID][]store.AttemptRow{}, Messages: map[task.ID][]store.Message{},
		Journals: map[task.ID][]task.Segment{}, States: map[task.ID]string{},
	}
	timers := func(list *[]store.TimerEntry) func(*wireRow) {
		return func(r *wireRow) { *list = append(*list, store.TimerEntry{Lane: r.i4(), At: r.i8(), ID: r.id()}) }
	}
	err := s.read(ctx, query(`begin isolation level repeatable read read only`),
		query(`select`+rowColumns+`from sendoff.task t order by t.id`).rows(func(r *wireRow) { snap.Tasks = append(snap.Tasks, readRow(r)) }),
		query(`select t.id,`+payloadOf+`from sendoff.task t`).rows(func(r *wireRow) {
			id := r.id()
			snap.Payloads[id] = string(r.bytes())
		}),
		query(`select lane, prio, pos, id from sendoff.ready order by lane, prio, pos, id`).rows(func(r *wireRow) {
			snap.Ready = append(snap.Ready, store.ReadyEntry{Lane: r.i4(), Priority: r.i2(), Position: r.i8(), ID: r.id()})
		}),
		query(`select lane, at, id from sendoff.timer order by at, id`).rows(timers(&snap.Timers)),
		query(`select lane, at, id from sendoff.dead order by at, id`).rows(timers(&snap.Dead)),
		query(`select id, node, at, ids from sendoff.claim order by id`).rows(func(r *wireRow) {
			snap.Claims = append(snap.Claims, store.ClaimEntry{ID: r.id(), Node: r.id(), At: r.i8(), Tasks: r.ids()})
		}),
		query(`select ns, kind, hash, body, task, until, while_open from sendoff.key order by ns, kind, hash`).rows(func(r *wireRow) {
			snap.Keys = append(snap.Keys, readKeyEntry(r))
		}),
		query(`select`+attemptColumns+`from sendoff.attempt order by task, token`).rows(func(r *wireRow) {
			id, a := readAttempt(r)
			snap.Attempts[id] = append(snap.Attempts[id], a)
		}),
		query(`select`+nodeColumns+`from sendoff.node order by id`).rows(func(r *wireRow) { snap.Nodes = append(snap.Nodes, readNode(r)) }),
		query(`select task, epoch, total, seen, open, need, writer, alarm, prompt from sendoff.wait order by task`).rows(func(r *wireRow) {
			snap.Waits = append(snap.Waits, store.Wait{
				Task: r.id(), Epoch: r.i4(), Total: r.i8(), Seen: r.i8(), Open: r.i8(), Need: r.i4(), Writer: r.i8(), Alarm: r.i8(), Prompt: r.bool(),
			})
		}),
		query(`select task,`+messageColumns+`from sendoff.inbox order by task, seq`).rows(func(r *wireRow) {
			id := r.id()
			snap.Messages[id] = append(snap.Messages[id], readMessage(r))
		}),
		query(`select task, "offset", bytes from sendoff.journal order by task, "offset"`).rows(func(r *wireRow) {
			id := r.id()
			snap.Journals[id] = append(snap.Journals[id], task.Segment{Offset: r.i8(), Bytes: r.bytes()})
		}),
		query(`select task, bytes from sendoff.body where part = 1`).rows(func(r *wireRow) {
			id := r.id()
			snap.States[id] = string(r.bytes())
		}),
		query(`commit`))
	if err != nil {
		return store.Snapshot{}, fmt.Errorf("read everything: %w", err)
	}
	return snap, nil
}

func readKeyEntry(r *wireRow) store.KeyEntry {
	return store.KeyEntry{
		Namespace: r.i4(), Kind: store.KeyKind(r.i2()), Hash: r.hash(), Body: r.hash(), Task: r.id(), Until: r.i8(), WhileOpen: r.bool(),
	}
}
