package postgres

import (
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// The followers of a single task come in the order of locks from the index, so that they
// can be locked in the round trip that ends the task. Those of several would have to be
// sorted, which is done here and not in the database.
const (
	lockNeedsOfSQL = `
select` + needColumns + `from ` + downsOf + andNeeds
	lookDownOfSQL = downColumns + `from ` + downsOf + andDowns

	downsOf = `(
 select d.down as id from sendoff.dep d where (d.up, d.down) > ($1, ` + noID + `) and d.up <= $1 order by d.up, d.down limit $2) s`
)

// lookAlong is what load does for one task, to be sent behind the statement that changes
// the row of that task. When it did not change it, what was found is of no use, and the
// locks end with the transaction.
func (f *following) lookAlong(up task.ID) []*stmt {
	of := func(sql string) *stmt { return query(sql).id(up).i8(int64(store.FollowPage)) }
	f.edges[up] = nil
	return []*stmt{
		of(lockNeedsOfSQL).rows(f.readNeed),
		query(edgesSQL).idList([]task.ID{up}).ids(1, func(int) task.ID { return task.ID{} }).i8(int64(store.FollowPage)).rows(func(r *wireRow) {
			f.edges[up] = append(f.edges[up], &edge{Dep: store.Dep{Up: r.id(), Down: r.id(), Ended: task.End(r.i2())}})
		}),
		of(lookDownOfSQL).rows(f.readDown),
	}
}

// looked tells whether the followers of a task are known and locked. Somebody may have
// erased one between the statements of lookAlong, and another one come into its page.
func (f *following) looked(up task.ID) bool {
	edges, found := f.edges[up]
	return found && !slices.ContainsFunc(edges, func(e *edge) bool { return f.downs[e.Down] == nil })
}

// onlyFollowed is the one ending of a turn that others depend on; nil = none or several.
func (t *turn) onlyFollowed() (only *ending) {
	for _, list := range [][]*ending{t.linked, t.leading, t.followed} {
		for _, e := range list {
			if e.follows && only != nil {
				return nil
			}
			if e.follows {
				only = e
			}
		}
	}
	return only
}
