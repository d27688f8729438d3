package postgres

import (
	"context"
	"fmt"
	"math"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// Pages of the work lists in their orders, of each lane where the list is in the order of
// lanes.
var (
	listFailedSQL = `
select d.at, d.id from unnest($1) as l(lane) cross join lateral (
 select d.at, d.id from sendoff.dead d where d.lane = l.lane and d.at <= $2 and (d.at, d.id) < ($2, $3) order by d.at desc, d.id desc limit $4) d
order by d.at desc, d.id desc limit $4`
	listDueSQL = words.SQL(`
select m.at, m.id from sendoff.timer m where m.kind not in (:suspended, :blocked, :running) and m.lane = any($1) and (m.at, m.id) > ($2, $3) order by m.at, m.id limit $4`)
	listStartedSQL = words.SQL(`
select id, node, at, ids from sendoff.claim
union all select t.id, t.id, t.last_started, array[t.id] from sendoff.timer m join sendoff.task t on t.id = any(array[m.id]) where m.kind = :running`)
	listReadySQL = `
select r.pos, r.id, r.prio from unnest($1) as l(lane) cross join lateral (
 select r.prio, r.pos, r.id from sendoff.ready r where r.lane = l.lane and (r.prio, r.pos) >= ($5, $2) and (r.prio, r.pos, r.id) > ($5, $2, $3)
 order by r.prio, r.pos, r.id limit $4) r
order by r.prio, r.pos, r.id limit $4`
)

// ListBy pages through a work list; see store.Reader.
func (s *Store) ListBy(ctx context.Context, by store.Order, lanes []int32, after store.Mark, limit int) (marks []store.Mark, err error) {
	if by == store.ByStart {
		var claims []store.ClaimEntry
		err := s.read(ctx, query(listStartedSQL).rows(func(r *wireRow) {
			claims = append(claims, store.ClaimEntry{ID: r.id(), Node: r.id(), At: r.i8(), Tasks: r.ids()})
		}))
		if err != nil {
			return nil, fmt.Errorf("list tasks: %w", err)
		}
		return store.Started(claims, after, limit), nil
	}
	q := placesOf(by, lanes, after, limit).rows(func(r *wireRow) {
		m := store.Mark{At: r.i8(), ID: r.id()}
		if by == store.ByPlace {
			m.At = store.PlaceMark(r.i2(), m.At)
		}
		marks = append(marks, m)
	})
	if err := s.read(ctx, query(noJIT), q); err != nil {
		return nil, fmt.Errorf("list tasks: %w", err)
	}
	return marks, nil
}

func placesOf(by store.Order, lanes []int32, after store.Mark, limit int) *stmt {
	bind := func(sql string, at int64, id task.ID) *stmt {
		return query(sql).i4s(len(lanes), func(i int) int32 { return lanes[i] }).i8(at).id(id).i8(int64(limit))
	}
	switch by {
	case store.ByFailure:
		if after == (store.Mark{}) {
			after.At = math.MaxInt64
		}
		return bind(listFailedSQL, after.At, after.ID)
	case store.ByDue:
		return bind(listDueSQL, after.At, after.ID)
	}
	priority, position := store.OfPlace(after.At)
	return bind(listReadySQL, position, after.ID).i2(priority)
}
