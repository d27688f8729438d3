package postgres

import (
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// entering is a task whose wait is over, with what store.Enter says of it.
type entering struct {
	id    task.ID
	was   task.State // as it stands: one that does not any more is left alone
	timer int64      // when it was due; only where timers are taken
	pos   int64
	store.Entry
}

// Whatever was waiting and is listed anew becomes so by one statement. Its tasks are
// given, or are those whose timers it takes itself.
var (
	enterSQL = words.SQL(`
with s as materialized (select * from unnest($1, $2, $3, $4, $5, $6, $7) as s(id, was, pos, lane, prio, state, reason)),` + enterRest)
	enterTimedSQL = words.SQL(`
with s as (
 delete from sendoff.timer m using unnest($1, $2, $3, $4, $5, $6, $7, $8) as s(id, was, pos, lane, prio, state, reason, at)
 where m.at = s.at and m.id = s.id returning m.id, s.was, s.pos, s.lane, s.prio, s.state, s.reason),` + enterRest)
)

const enterRest = `
u as (
 update sendoff.task t set state = s.state, reason = s.reason, at = s.pos from s where t.id = any(array[s.id]) and t.state = s.was
 returning t.id, s.pos, s.lane, s.prio, s.state),
r as (insert into sendoff.ready (pos, lane, prio, id) select pos, lane, prio, id from u where state = :ready),
m as (insert into sendoff.timer (at, lane, kind, id) select pos, lane, state, id from u where state = :scheduled)
select lane, prio, pos from u where state = :ready`

// enter makes tasks ready that are on no list any more, or scheduled; each gets those
// that are ready, nil = nobody asks.
func enter(list []entering, each func(store.Woken)) *stmt {
	return bindEntering(query(enterSQL), list, each)
}

// enterTimed is enter for tasks that have timers: those whose timer somebody has taken
// are left alone.
func enterTimed(list []entering, each func(store.Woken)) *stmt {
	return bindEntering(query(enterTimedSQL), list, each).
		i8s(len(list), func(i int) int64 { return list[i].timer })
}

func bindEntering(q *stmt, list []entering, each func(store.Woken)) *stmt {
	n := len(list)
	q.ids(n, func(i int) task.ID { return list[i].id }).
		i2s(n, func(i int) int16 { return int16(list[i].was) }).
		i8s(n, func(i int) int64 { return list[i].pos }).
		i4s(n, func(i int) int32 { return list[i].Lane }).
		i2s(n, func(i int) int16 { return list[i].Priority }).
		i2s(n, func(i int) int16 { return int16(list[i].State) }).
		i2s(n, func(i int) int16 { return int16(list[i].Reason) })
	return q.rows(func(r *wireRow) {
		if w := (store.Woken{Lane: r.i4(), Priority: r.i2(), Position: r.i8()}); each != nil {
			each(w)
		}
	})
}
