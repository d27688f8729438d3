package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

var selectResumption = words.SQL(`select coalesce(w.epoch, 0), coalesce(w.open, 0), coalesce(w.writer, 0), b.bytes,
		(select coalesce(sum(length(bytes)), 0) from journal where task = i.id)
	from (select ? as id) i left join wait w on w.task = i.id left join body b on b.task = i.id and b.part = :part_state`)

// Resume implements store.Functions.
func (s *Store) Resume(ctx context.Context, id task.ID, after int64, limit, maxBytes int) (store.Resumption, error) {
	var r store.Resumption
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return r, s.translate(err)
	}
	defer tx.Rollback()
	err = tx.QueryRowContext(ctx, selectResumption, id[:]).
		Scan(&r.Epoch, &r.Open, &r.Writer, &r.State, &r.Journal)
	if err != nil {
		return r, s.translate(err)
	}
	err = run(ctx, tx, func(row *sql.Rows) error {
		_, m, err := scanMessage(row)
		r.Messages = append(r.Messages, m)
		return err
	}, selectMessage+`where task = ? and seq > ? order by seq limit +?`, id[:], after, limit+1)
	r.Messages, r.More = store.Page(r.Messages, limit, maxBytes)
	return r, s.translate(err)
}

const selectMessage = `select task, seq, kind, sender, correlation, state, reason, name, error, body from inbox `

func scanMessage(r *sql.Rows) (to task.ID, m store.Message, err error) {
	var id, from []byte
	var correlation int64
	err = r.Scan(&id, &m.Seq, &m.Kind, &from, &correlation, &m.State, &m.Reason, &m.Name, &m.Error, &m.Body)
	copy(to[:], id)
	copy(m.From[:], from)
	m.Correlation = uint64(correlation)
	return to, m, err
}

// Journal implements store.Functions.
func (s *Store) Journal(ctx context.Context, id task.ID) ([]task.Segment, error) {
	return readAll(ctx, s, func(r *sql.Rows) (seg task.Segment, err error) {
		return seg, r.Scan(&seg.Offset, &seg.Bytes)
	}, `select at, bytes from journal where task = ? order by at`, id[:])
}

// Tree implements store.Functions.
func (s *Store) Tree(ctx context.Context, root, after task.ID, limit int) ([]store.Row, error) {
	// One index each: "or" would scan all tasks.
	return readAll(ctx, s, scanRow, selectRow+`where id in (select id from task where id = ?1 and id > ?2
		union all select id from (select id from task where root = ?1 and id > ?2 order by id limit +?3)) order by id limit +?3`, root[:], after[:], limit)
}

var selectStates = words.SQL(`select task, bytes from body where part = :part_state`)

func snapFunctions(ctx context.Context, tx *sql.Tx, snap *store.Snapshot) error {
	snap.Messages, snap.Journals, snap.States = map[task.ID][]store.Message{}, map[task.ID][]task.Segment{}, map[task.ID]string{}
	return errors.Join(
		collect(ctx, tx, &snap.Waits, scanWait, selectWait+`order by task`),
		run(ctx, tx, func(r *sql.Rows) error {
			id, m, err := scanMessage(r)
			snap.Messages[id] = append(snap.Messages[id], m)
			return err
		}, selectMessage+`order by task, seq`),
		run(ctx, tx, func(r *sql.Rows) error {
			var id []byte
			var s task.Segment
			err := r.Scan(&id, &s.Offset, &s.Bytes)
			if err == nil {
				snap.Journals[task.ID(id)] = append(snap.Journals[task.ID(id)], s)
			}
			return err
		}, `select task, at, bytes from journal order by task, at`),
		run(ctx, tx, func(r *sql.Rows) error {
			var id, state []byte
			err := r.Scan(&id, &state)
			if err == nil {
				snap.States[task.ID(id)] = string(state)
			}
			return err
		}, selectStates),
	)
}
