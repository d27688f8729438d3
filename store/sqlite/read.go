package sqlite

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

const selectRow = `select id, lane, prio, kind, flags, state, reason, token, run, failures, crashes, max_attempts,
	created_at, at, expires_at, first_started, last_started, finished_at, node, last_outcome, last_code, last_error, last_cause,
	coalesce(grp, ''), parent, root, coalesce(correlation, 0), coalesce(epoch, 0), gates, spec from task `

func scanRow(r *sql.Rows) (row store.Row, err error) {
	var id, node, parent, root []byte
	var correlation int64
	err = r.Scan(&id, &row.Lane, &row.Priority, &row.Kind, &row.Flags, &row.State, &row.Reason, &row.Token, &row.Run, &row.Failures,
		&row.Crashes, &row.MaxAttempts, &row.CreatedAt, &row.At, &row.ExpiresAt, &row.FirstStarted, &row.LastStarted, &row.FinishedAt,
		&node, &row.LastOutcome, &row.LastCode, &row.LastError, &row.LastCause, &row.Group, &parent, &root,
		&correlation, &row.Epoch, &row.Gates, &row.Spec)
	row.Correlation = uint64(correlation)
	copy(row.ID[:], id)
	copy(row.Node[:], node)
	copy(row.Parent[:], parent)
	copy(row.Root[:], root)
	return row, err
}

// selectBrief reads what erasing a task takes.
var selectBrief = words.SQL(`select id, lane, prio, kind, flags, state, reason, crashes, at, finished_at, parent, coalesce(correlation, 0), coalesce(epoch, 0), run, expires_at, gates, keys,
	case when flags & :flag_retention <> 0 then spec end from task`)

func scanBrief(r *sql.Rows) (row store.Row, names []byte, err error) {
	var id, parent []byte
	var correlation int64
	err = r.Scan(&id, &row.Lane, &row.Priority, &row.Kind, &row.Flags, &row.State, &row.Reason, &row.Crashes, &row.At, &row.FinishedAt,
		&parent, &correlation, &row.Epoch, &row.Run, &row.ExpiresAt, &row.Gates, &names, &row.Spec)
	copy(row.ID[:], id)
	copy(row.Parent[:], parent)
	row.Correlation = uint64(correlation)
	return row, names, err
}

func scanID(r *sql.Rows) (id task.ID, err error) {
	var b sql.RawBytes
	err = r.Scan(&b)
	copy(id[:], b)
	return id, err
}

// row reads a task inside the transaction.
func (w *writer) row(id task.ID) (row store.Row, err error) {
	err = store.ErrNotFound
	queryErr := w.query(func(r *sql.Rows) error {
		row, err = scanRow(r)
		return err
	}, selectRow+`where id = ?`, id[:])
	return row, errors.Join(queryErr, err)
}

// Rows implements store.Reader.
func (s *Store) Rows(ctx context.Context, ids []task.ID) ([]store.Row, error) {
	if len(ids) == 1 {
		return readAll(ctx, s, scanRow, selectRow+`where id = ?`, ids[0][:])
	}
	return readAll(ctx, s, scanRow, selectRow+`where id in (select unhex(value) from json_each(?))`, hexList(ids))
}

var selectPayload = words.SQL(`select coalesce(b.bytes, t.payload) from task t left join body b on b.task = t.id and b.part = :part_payload
	where t.id = ?`)

// Payload implements store.Reader.
func (s *Store) Payload(ctx context.Context, id task.ID) (payload []byte, err error) {
	err = s.read.QueryRowContext(ctx, selectPayload, id[:]).Scan(&payload)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, store.ErrNotFound
	}
	return payload, s.translate(err)
}

// FindKey implements store.Reader.
func (s *Store) FindKey(ctx context.Context, ns int32, kind store.KeyKind, hash store.Hash) (id task.ID, err error) {
	var b []byte
	err = s.read.QueryRowContext(ctx, `select task from key where ns = ? and kind = ? and hash = ?`, ns, int64(kind), hash[:]).Scan(&b)
	if errors.Is(err, sql.ErrNoRows) {
		return id, store.ErrNotFound
	}
	copy(id[:], b)
	return id, s.translate(err)
}

// List implements store.Reader. Tasks of a single state that is on a work list
// are looked up there while the list is short; otherwise a window of the tasks
// is scanned.
func (s *Store) List(ctx context.Context, q store.Query) ([]store.Row, task.ID, error) {
	where, args := []string{"id >= ?"}, []any{q.From[:]}
	if !q.Before.IsZero() {
		where, args = append(where, "id < ?"), append(args, q.Before[:])
	}
	if q.Lanes != nil {
		where, args = append(where, "lane in (select value from json_each(?))"), append(args, jsonList(q.Lanes))
	}
	bounds := ` where ` + strings.Join(where, " and ")
	if !q.Root.IsZero() {
		// Whatever else is asked for, the tree is the smallest place to look.
		return s.scan(ctx, q, ` from task indexed by task_root`+bounds+` and root = ? order by id desc limit ?`, append(args, q.Root[:]))
	}
	if table, err := s.shortList(ctx, q); err != nil || table != "" {
		rows, err2 := readAll(ctx, s, scanRow, selectRow+`where id in (select id from `+table+bounds+`) order by id desc limit ?`,
			append(args, q.Limit)...)
		return rows, pageEnd(rows, q.Limit), errors.Join(err, err2)
	}
	return s.scan(ctx, q, ` from task`+bounds+` order by id desc limit ?`, args)
}

// shortLists are the work lists of states.
var shortLists = map[task.State]string{
	task.Ready: "ready", task.Failed: "dead",
	task.Scheduled: words.SQL("(select * from timer where kind not in (:suspended, :blocked, :running))"),
	task.Suspended: words.SQL("(select * from timer where kind = :suspended)"),
	task.Blocked:   words.SQL("(select id, lane from timer where kind = :blocked union all select task, lane from need where waits union all select distinct task, lane from line)"),
}

// shortList returns the work list that holds exactly the tasks of a query, when
// it is short; "" otherwise.
func (s *Store) shortList(ctx context.Context, q store.Query) (string, error) {
	const short = 10_000
	if len(q.States) != 1 || shortLists[q.States[0]] == "" {
		return "", nil
	}
	table := shortLists[q.States[0]]
	var n int
	err := s.read.QueryRowContext(ctx, `select count(*) from (select 1 from `+table+` limit ?)`, short+1).Scan(&n)
	if err != nil || n > short {
		return "", s.translate(err)
	}
	return table, nil
}

func (s *Store) scan(ctx context.Context, q store.Query, window string, args []any) ([]store.Row, task.ID, error) {
	scan := q.Scan
	if scan == 0 {
		scan = -1 // no limit
	}
	args = append(args, scan)
	states, all := q.States, 0
	if states == nil {
		all = 1
	}
	rows, err := readAll(ctx, s, scanRow, selectRow+`where id in (select id`+window+`) and (? or state in (select value from json_each(?)))
		order by id desc limit ?`, append(append([]any{}, args...), all, jsonList(states), q.Limit)...)
	if err != nil {
		return nil, task.ID{}, err
	}
	if next := pageEnd(rows, q.Limit); !next.IsZero() {
		return rows, next, nil
	}
	next, err := s.windowEnd(ctx, window, args, scan)
	return rows, next, err
}

// pageEnd is where to go on after a full page.
func pageEnd(rows []store.Row, limit int) (next task.ID) {
	if len(rows) == limit {
		next = rows[len(rows)-1].ID
	}
	return next
}

// windowEnd returns the last id of a listing's window when the window was full.
func (s *Store) windowEnd(ctx context.Context, window string, args []any, scan int) (next task.ID, err error) {
	if scan < 0 {
		return next, nil
	}
	args = append(args[:len(args)-1:len(args)-1], 1, scan-1)
	ids, err := readAll(ctx, s, scanID, `select id`+window+` offset ?`, args...)
	if err == nil && len(ids) == 1 {
		next = ids[0]
	}
	return next, err
}

// hexList passes ids to a statement as one parameter, for unhex and json_each.
func hexList(ids []task.ID) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = hex.EncodeToString(id[:])
	}
	return jsonList(out)
}

func jsonList[T any](v []T) string {
	b, _ := json.Marshal(v) // integers cannot fail
	return string(b)
}

var selectPayloads = words.SQL(`select t.id, coalesce(b.bytes, t.payload, '') from task t left join body b on b.task = t.id and b.part = :part_payload`)

// Snapshot implements store.Reader.
func (s *Store) Snapshot(ctx context.Context) (snap store.Snapshot, err error) {
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return snap, s.translate(err)
	}
	defer tx.Rollback()
	snap.Payloads = map[task.ID]string{}
	snap.Attempts = map[task.ID][]store.AttemptRow{}
	return snap, s.translate(errors.Join(
		snapFunctions(ctx, tx, &snap),
		collect(ctx, tx, &snap.Todos, scanTodo, selectTodo+`order by task, kind, token`),
		collect(ctx, tx, &snap.Deps, scanDep, `select up, down, ended from dep order by up, down`),
		collect(ctx, tx, &snap.Needs, scanNeed, selectNeed+`order by task`),
		collect(ctx, tx, &snap.Tasks, scanRow, selectRow+`order by id`),
		run(ctx, tx, snapPayload(&snap), selectPayloads),
		collect(ctx, tx, &snap.Ready, scanReady, `select lane, prio, pos, id from ready order by lane, prio, pos, id`),
		collect(ctx, tx, &snap.Timers, scanTimer, `select lane, at, id from timer order by at, id`),
		collect(ctx, tx, &snap.Dead, scanTimer, `select lane, at, id from dead order by at, id`),
		collect(ctx, tx, &snap.Claims, scanClaimEntry, `select id, node, at, ids, 0 from claim order by id`),
		collect(ctx, tx, &snap.Keys, scanKey, `select ns, kind, hash, body, task, until, while_open from key order by ns, kind, hash`),
		collect(ctx, tx, &snap.Gates, scanGate, selectGate+`order by id`),
		collect(ctx, tx, &snap.Lines, scanLine, `select gate, prio, at, task, lane from line order by gate, prio, at, task`),
		collect(ctx, tx, &snap.Leavers, scanLeaver, `select task, token, node, gates from leaver order by task, token`),
		collect(ctx, tx, &snap.Nodes, scanNode, selectNode+`order by id`),
		run(ctx, tx, snapAttempt(&snap), `select task, `+attemptColumns+` from attempt union all select id, `+inTask+` from task where `+hasAnswer+` order by 1, 2`),
	))
}

func run(ctx context.Context, tx *sql.Tx, scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	return each(rows, scan)
}

func collect[T any](ctx context.Context, tx *sql.Tx, out *[]T, scan func(*sql.Rows) (T, error), query string) error {
	return run(ctx, tx, func(r *sql.Rows) error {
		v, err := scan(r)
		*out = append(*out, v)
		return err
	}, query)
}

func snapPayload(snap *store.Snapshot) func(*sql.Rows) error {
	return func(r *sql.Rows) error {
		var id, payload []byte
		err := r.Scan(&id, &payload)
		if err == nil {
			snap.Payloads[task.ID(id)] = string(payload)
		}
		return err
	}
}

func snapAttempt(snap *store.Snapshot) func(*sql.Rows) error {
	return func(r *sql.Rows) error {
		var id, node, header []byte
		var a store.AttemptRow
		err := r.Scan(&id, &a.Token, &a.Run, &a.Number, &node, &a.StartedAt, &a.FinishedAt, &a.Outcome, &a.Code, &a.Error, &a.Cause,
			&header, &a.Answer.Body, &a.Answer.Truncated, &a.LeftOut)
		if err != nil {
			return err
		}
		copy(a.Node[:], node)
		a.Answer.Header, err = task.DecodeHeaders(header)
		snap.Attempts[task.ID(id)] = append(snap.Attempts[task.ID(id)], a)
		return err
	}
}

func scanDep(r *sql.Rows) (d store.Dep, err error) {
	var up, down []byte
	err = r.Scan(&up, &down, &d.Ended)
	copy(d.Up[:], up)
	copy(d.Down[:], down)
	return d, err
}

func scanReady(r *sql.Rows) (e store.ReadyEntry, err error) {
	var id []byte
	err = r.Scan(&e.Lane, &e.Priority, &e.Position, &id)
	copy(e.ID[:], id)
	return e, err
}

func scanTimer(r *sql.Rows) (e store.TimerEntry, err error) {
	var id []byte
	err = r.Scan(&e.Lane, &e.At, &id)
	copy(e.ID[:], id)
	return e, err
}

func scanClaimEntry(r *sql.Rows) (store.ClaimEntry, error) {
	c, _, err := scanClaim(r)
	return c, err
}

func scanKey(r *sql.Rows) (e store.KeyEntry, err error) {
	var hash, body, id []byte
	err = r.Scan(&e.Namespace, &e.Kind, &hash, &body, &id, &e.Until, &e.WhileOpen)
	copy(e.Hash[:], hash)
	copy(e.Body[:], body)
	copy(e.Task[:], id)
	return e, err
}

func readAll[T any](ctx context.Context, s *Store, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, s.translate(err)
	}
	var out []T
	err = each(rows, func(r *sql.Rows) error {
		v, err := scan(r)
		out = append(out, v)
		return err
	})
	return out, s.translate(err)
}
