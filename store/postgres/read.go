package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

const rowColumns = ` t.id, t.lane, t.prio, t.kind, t.flags, t.state, t.reason, t.token, t.run, t.failures, t.crashes, t.max_attempts,
 t.created_at, t.at, t.expires_at, t.first_started, t.last_started, t.finished_at, t.node, t.last_outcome, t.last_code, t.last_error, t.last_cause,
 t.grp, t.parent, t.root, t.correlation, t.epoch, t.spec, t.gates `

func readRow(r *wireRow) store.Row {
	return store.Row{
		ID: r.id(), Lane: r.i4(), Priority: r.i2(), Kind: task.Kind(r.i2()), Flags: r.i4(), State: task.State(r.i2()), Reason: task.Reason(r.i2()),
		Token: r.i8(), Run: r.i4(), Failures: r.i4(), Crashes: r.i4(), MaxAttempts: r.i4(),
		CreatedAt: r.i8(), At: r.i8(), ExpiresAt: r.i8(), FirstStarted: r.i8(), LastStarted: r.i8(), FinishedAt: r.i8(),
		Node: r.id(), LastOutcome: task.Class(r.i2()), LastCode: r.i4(), LastError: r.text(), LastCause: task.Cause(r.i2()),
		Group: r.text(), Parent: r.id(), Root: r.id(), Correlation: uint64(r.i8()), Epoch: r.i4(), Spec: r.bytes(), Gates: r.bytes(),
	}
}

// Rows looks tasks up; see store.Reader.
func (s *Store) Rows(ctx context.Context, ids []task.ID) ([]store.Row, error) {
	var rows []store.Row
	err := s.read(ctx, simple(`select`+rowColumns+`from sendoff.task t where t.id = any($1)`).idList(ids).
		rows(func(r *wireRow) { rows = append(rows, readRow(r)) }))
	if err != nil {
		return nil, fmt.Errorf("look tasks up: %w", err)
	}
	return rows, nil
}

var payloadOf = words.SQL(` case when t.flags & :flag_body = 0 then t.payload
 else (select b.bytes from sendoff.body b where b.task = t.id and b.part = :part_payload) end `)

// Payload returns what a task was submitted with; see store.Reader.
func (s *Store) Payload(ctx context.Context, id task.ID) ([]byte, error) {
	var payload []byte
	found := false
	err := s.read(ctx, simple(`select`+payloadOf+`from sendoff.task t where t.id = $1`).id(id).
		rows(func(r *wireRow) { payload, found = present(r.bytes()), true }))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read a payload: %w", err)
	case !found:
		return nil, store.ErrNotFound
	}
	return payload, nil
}

// FindKey returns the task a key belongs to; see store.Reader.
func (s *Store) FindKey(ctx context.Context, namespace int32, kind store.KeyKind, hash store.Hash) (task.ID, error) {
	var id task.ID
	err := s.read(ctx, simple(`select task from sendoff.key where ns = $1 and kind = $2 and hash = $3`).
		i4(namespace).i2(int16(kind)).bytes(hash[:]).rows(func(r *wireRow) { id = r.id() }))
	switch {
	case err != nil:
		return task.ID{}, fmt.Errorf("look a key up: %w", err)
	case id.IsZero():
		return task.ID{}, store.ErrNotFound
	}
	return id, nil
}

var (
	countTimersSQL = words.SQL(`
select lane, count(*) filter (where kind not in (:suspended, :blocked, :running)), count(*) filter (where kind = :suspended), count(*) filter (where kind = :blocked),
 count(*) filter (where kind = :running)
from sendoff.timer group by lane`)
	countRunningSQL = words.SQL(`
select lane, count(*) from sendoff.task where state = :running and reason <> :reason_acknowledgement and id in (select unnest(ids) from sendoff.claim) group by lane`)
)

// countReadySQL looks up one task for each line. It asks for positions "from" that of
// the first one, in order, so that no statistics make it read the table.
const countReadySQL = `
select f.lane, f.n, (select t.at from sendoff.task t where t.id = (
 select r.id from sendoff.ready r where r.lane = f.lane and r.prio = f.prio and r.pos >= f.pos order by r.pos limit 1))
from (select lane, prio, count(*) as n, min(pos) as pos from sendoff.ready group by lane, prio) as f`

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
		query(countReadySQL).rows(func(r *wireRow) { of(r.i4()).AddReady(r.i8(), r.i8()) }),
		query(countTimersSQL).rows(func(r *wireRow) {
			l := of(r.i4())
			l.Scheduled, l.Suspended, l.Blocked, l.Running = r.i8(), r.i8(), r.i8(), r.i8()
		}),
		query(`select lane, count(distinct task) from sendoff.line group by lane`).rows(func(r *wireRow) { of(r.i4()).Blocked += r.i8() }),
		query(`select lane, count(*) from sendoff.need where waits group by lane`).rows(func(r *wireRow) { of(r.i4()).Blocked += r.i8() }),
		query(`select lane, count(*) from sendoff.dead group by lane`).rows(func(r *wireRow) { of(r.i4()).Failed = r.i8() }),
		query(countRunningSQL).rows(func(r *wireRow) { of(r.i4()).Running += r.i8() }))
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

var readStatesSQL = words.SQL(`select task, bytes from sendoff.body where part = :part_state`)

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
		query(allAttemptsSQL).rows(func(r *wireRow) {
			id, a := readAttempt(r)
			snap.Attempts[id] = append(snap.Attempts[id], a)
		}),
		query(`select`+gateColumns+`from sendoff.gate order by id`).rows(func(r *wireRow) { snap.Gates = append(snap.Gates, readGate(r)) }),
		query(`select gate, prio, at, task, lane from sendoff.line order by gate, prio, at, task`).rows(func(r *wireRow) {
			snap.Lines = append(snap.Lines, store.LineEntry{Gate: store.Hash(r.id()), Priority: r.i2(), At: r.i8(), Task: r.id(), Lane: r.i4()})
		}),
		query(`select task, token, node, gates from sendoff.leaver order by task, token`).rows(func(r *wireRow) { snap.Leavers = append(snap.Leavers, readLeaver(r)) }),
		query(`select`+nodeColumns+`from sendoff.node order by id`).rows(func(r *wireRow) { snap.Nodes = append(snap.Nodes, readNode(r)) }),
		query(`select w.task,`+mailboxColumns+`from sendoff.wait w order by w.task`).rows(func(r *wireRow) {
			snap.Waits = append(snap.Waits, store.Wait{Task: r.id(), Mailbox: readMailbox(r)})
		}),
		query(`select task,`+messageColumns+`from sendoff.inbox order by task, seq`).rows(func(r *wireRow) {
			id := r.id()
			snap.Messages[id] = append(snap.Messages[id], readMessage(r))
		}),
		query(`select task, "offset", bytes from sendoff.journal order by task, "offset"`).rows(func(r *wireRow) {
			id := r.id()
			snap.Journals[id] = append(snap.Journals[id], task.Segment{Offset: r.i8(), Bytes: r.bytes()})
		}),
		query(readStatesSQL).rows(func(r *wireRow) {
			id := r.id()
			snap.States[id] = string(r.bytes())
		}),
		query(`select`+todoColumns+`from sendoff.todo order by task, kind, token`).rows(func(r *wireRow) { snap.Todos = append(snap.Todos, readTodo(r)) }),
		query(`select up, down, ended from sendoff.dep order by up, down`).rows(func(r *wireRow) {
			snap.Deps = append(snap.Deps, store.Dep{Up: r.id(), Down: r.id(), Ended: task.End(r.i2())})
		}),
		query(`select`+needColumns+`from sendoff.need n order by n.task`).rows(func(r *wireRow) { snap.Needs = append(snap.Needs, readNeed(r)) }),
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
