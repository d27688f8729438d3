package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

const rowColumns = ` t.id, t.lane, t.prio, t.kind, t.flags, t.state, t.reason, t.token, t.run, t.failures, t.crashes, t.max_attempts,
 t.created_at, t.at, t.expires_at, t.first_started, t.last_started, t.finished_at, t.node, t.last_outcome, t.last_code, t.last_error, t.last_cause,
 t.grp, t.parent, t.root, t.correlation, t.epoch, t.spec `

func readRow(r *wireRow) store.Row {
	return store.Row{
		ID: r.id(), Lane: r.i4(), Priority: r.i2(), Kind: task.Kind(r.i2()), Flags: r.i4(), State: task.State(r.i2()), Reason: task.Reason(r.i2()),
		Token: r.i8(), Run: r.i4(), Failures: r.i4(), Crashes: r.i4(), MaxAttempts: r.i4(),
		CreatedAt: r.i8(), At: r.i8(), ExpiresAt: r.i8(), FirstStarted: r.i8(), LastStarted: r.i8(), FinishedAt: r.i8(),
		Node: r.id(), LastOutcome: task.Class(r.i2()), LastCode: r.i4(), LastError: r.text(), LastCause: task.Cause(r.i2()),
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

const attemptColumns = ` task, token, run, number, node, started_at, finished_at, outcome, code, error, cause, headers, body, truncated, left_out `

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
