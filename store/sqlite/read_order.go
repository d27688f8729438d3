package sqlite

import (
	"context"
	"database/sql"
	"math"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// Pages of the work lists in their orders, of a lane where the list is in the order of
// lanes.
var (
	listFailed  = `select at, id, 0 from dead where lane = ? and (at, id) < (?, ?) order by at desc, id desc limit ?`
	listDue     = words.SQL(`select at, id, 0 from timer where kind not in (:suspended, :blocked, :running) and lane in (select value from json_each(?)) and (at, id) > (?, ?) order by at, id limit ?`)
	listStarted = words.SQL(`select id, node, at, ids, 0 from claim
		union all select t.id, t.id, t.last_started, t.id, 0 from timer r join task t on t.id = r.id where r.kind = :running`)
	listReady = `select pos, id, prio from ready where lane = ? and (prio, pos, id) > (?, ?, ?) order by prio, pos, id limit ?`
)

// ListBy implements store.Reader.
func (s *Store) ListBy(ctx context.Context, by store.Order, lanes []int32, after store.Mark, limit int) ([]store.Mark, error) {
	switch by {
	case store.ByDue:
		return readAll(ctx, s, scanMark, listDue, jsonList(lanes), after.At, after.ID[:], limit)
	case store.ByStart:
		claims, err := readAll(ctx, s, scanClaimEntry, listStarted)
		return store.Started(claims, after, limit), err
	}
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, s.translate(err)
	}
	defer tx.Rollback()
	var all []store.Mark
	for _, lane := range lanes {
		query, args := placesOf(by, lane, after, limit)
		err := run(ctx, tx, func(r *sql.Rows) error {
			m, err := scanMark(r)
			all = append(all, m)
			return err
		}, query, args...)
		if err != nil {
			return nil, s.translate(err)
		}
	}
	return by.Merge(all, limit), nil
}

func placesOf(by store.Order, lane int32, after store.Mark, limit int) (string, []any) {
	if by == store.ByFailure {
		if after == (store.Mark{}) {
			after.At = math.MaxInt64
		}
		return listFailed, []any{lane, after.At, after.ID[:], limit}
	}
	priority, position := store.OfPlace(after.At)
	return listReady, []any{lane, priority, position, after.ID[:], limit}
}

func scanMark(r *sql.Rows) (m store.Mark, err error) {
	var id []byte
	var priority int16
	err = r.Scan(&m.At, &id, &priority)
	m.At = store.PlaceMark(priority, m.At)
	m.ID = task.ID(id)
	return m, err
}
