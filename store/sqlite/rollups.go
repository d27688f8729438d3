package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"

	"github.com/sendoff-dev/sendoff/store"
)

const rollupColumns = ` step, at, lane, target, node, data from rollup `

func scanRollup(r *sql.Rows) (v store.Rollup, err error) {
	var node []byte
	err = r.Scan(&v.Step, &v.At, &v.Lane, &v.Target, &node, &v.Data)
	copy(v.Node[:], node)
	return v, err
}

// PutRollups implements store.Rollups.
func (s *Store) PutRollups(ctx context.Context, rows []store.Rollup) error {
	return s.do(store.WithoutAudit(ctx), rankOther, len(rows), func(w *writer) error { return w.putRollups(rows) })
}

func (w *writer) putRollups(rows []store.Rollup) error {
	for i := range rows {
		r := &rows[i]
		if err := w.exec(`insert or replace into rollup (step, at, lane, target, node, data) values (?,?,?,?,?,?)`, r.Step, r.At, r.Lane, r.Target, r.Node[:], r.Data); err != nil {
			return err
		}
	}
	return nil
}

// Rollups implements store.Rollups.
func (s *Store) Rollups(ctx context.Context, q store.RollupQuery) ([]store.Rollup, error) {
	lanes, err := json.Marshal(q.Lanes)
	if err != nil {
		return nil, err
	}
	steps, err := json.Marshal(q.Steps())
	if err != nil {
		return nil, err
	}
	return readAll(ctx, s, scanRollup, `select`+rollupColumns+`where step in (select value from json_each(?1)) and at >= ?2 and at < ?3
		and lane in (select value from json_each(?4)) and (target <> 0) = ?5`, string(steps), q.From, q.Till, string(lanes), q.Targets)
}

// FoldRollups implements store.Rollups.
func (s *Store) FoldRollups(ctx context.Context, from, to, before int64, limit int) (int, error) {
	folded := 0
	err := s.do(store.WithoutAudit(ctx), rankOther, limit, func(w *writer) error {
		rows, err := w.rollups(`where step = ? and at < ? order by at, lane, target, node limit ?`, from, before, limit)
		if folded = len(rows); err != nil || len(rows) == 0 {
			return err
		}
		last := &rows[len(rows)-1]
		if to != 0 {
			had, err := w.rollups(`where step = ? and at >= ? and at <= ?`, to, rows[0].At-rows[0].At%to, last.At)
			if err == nil {
				err = w.putRollups(store.FoldedRollups(rows, had, to))
			}
			if err != nil {
				return err
			}
		}
		return w.exec(`delete from rollup where step = ? and (at, lane, target, node) <= (?, ?, ?, ?)`, from, last.At, last.Lane, last.Target, last.Node[:])
	})
	if err != nil {
		return 0, err // the writer may be at it still, when ctx ended
	}
	return folded, nil
}

func (w *writer) rollups(where string, args ...any) (rows []store.Rollup, err error) {
	err = w.query(func(r *sql.Rows) error {
		v, err := scanRollup(r)
		rows = append(rows, v)
		return err
	}, `select`+rollupColumns+where, args...)
	return rows, err
}
