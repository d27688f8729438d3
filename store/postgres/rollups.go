package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

const (
	rollupColumns = ` r.step, r.at, r.lane, r.target, r.node, r.data from sendoff.rollup r `

	putRollupsSQL = `
insert into sendoff.rollup (step, at, lane, target, node, data) select * from unnest($1, $2, $3, $4, $5, $6)
on conflict (step, at, lane, target, node) do update set data = excluded.data`

	rollupsSQL = `select` + rollupColumns + `where r.step = any($1) and r.at >= $2 and r.at < $3 and r.lane = any($4) and (r.target <> 0) = $5`

	oldRollupsSQL = `select` + rollupColumns + `where r.step = $1 and r.at < $2 order by r.at, r.lane, r.target, r.node limit $3`

	hadRollupsSQL = `select` + rollupColumns + `where r.step = $1 and r.at between $2 and $3`

	dropRollupsSQL = `delete from sendoff.rollup r where r.step = $1 and (r.at, r.lane, r.target, r.node) <= ($2, $3, $4, $5)`
)

func readRollup(r *wireRow) store.Rollup {
	return store.Rollup{Step: r.i8(), At: r.i8(), Lane: r.i4(), Target: r.i4(), Node: r.id(), Data: r.bytes()}
}

func putRollups(rows []store.Rollup) *stmt {
	rows = slices.SortedFunc(slices.Values(rows), store.CompareRollups) // one order of locks
	n := len(rows)
	return query(putRollupsSQL).i8s(n, func(i int) int64 { return rows[i].Step }).i8s(n, func(i int) int64 { return rows[i].At }).
		i4s(n, func(i int) int32 { return rows[i].Lane }).i4s(n, func(i int) int32 { return rows[i].Target }).
		nodes(n, func(i int) task.ID { return rows[i].Node }).blobs(n, func(i int) []byte { return rows[i].Data })
}

// PutRollups writes rows; see store.Rollups.
func (s *Store) PutRollups(ctx context.Context, rows []store.Rollup) error {
	if err := s.write(store.WithoutAudit(ctx), query(pins), putRollups(rows)); err != nil {
		return fmt.Errorf("write rollups: %w", translate(err))
	}
	return nil
}

// Rollups lists rows; see store.Rollups.
func (s *Store) Rollups(ctx context.Context, q store.RollupQuery) (rows []store.Rollup, err error) {
	steps := q.Steps()
	err = s.read(ctx, query(pins), query(rollupsSQL).i8s(len(steps), func(i int) int64 { return steps[i] }).i8(q.From).i8(q.Till).
		i4s(len(q.Lanes), func(i int) int32 { return q.Lanes[i] }).bool(q.Targets).rows(func(r *wireRow) { rows = append(rows, readRollup(r)) }))
	if err != nil {
		return nil, fmt.Errorf("read rollups: %w", translate(err))
	}
	return rows, nil
}

// FoldRollups folds rows; see store.Rollups.
func (s *Store) FoldRollups(ctx context.Context, from, to, before int64, limit int) (folded int, err error) {
	err = s.change(store.WithoutAudit(ctx), func(ctx context.Context, c *session) error {
		var rows, had []store.Rollup
		err := c.begin(ctx, query(pins), query(`select pg_advisory_xact_lock($1)`).i8(lockRollups),
			query(oldRollupsSQL).i8(from).i8(before).i8(int64(limit)).rows(func(r *wireRow) { rows = append(rows, readRollup(r)) }))
		if folded = len(rows); err != nil || len(rows) == 0 {
			return err
		}
		last := &rows[len(rows)-1]
		drop := query(dropRollupsSQL).i8(from).i8(last.At).i4(last.Lane).i4(last.Target).id(last.Node)
		if to == 0 {
			return c.commit(ctx, drop)
		}
		err = c.do(ctx, query(hadRollupsSQL).i8(to).i8(rows[0].At-rows[0].At%to).i8(last.At).rows(func(r *wireRow) { had = append(had, readRollup(r)) }))
		if err != nil {
			return err
		}
		return c.commit(ctx, putRollups(store.FoldedRollups(rows, had, to)), drop)
	})
	if err != nil {
		return 0, fmt.Errorf("fold rollups: %w", translate(err))
	}
	return folded, nil
}
