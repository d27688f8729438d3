package postgres

import (
	"context"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// When the end of a task ends its followers, theirs mostly end as well. So as many of them
// are locked at once, however long the chain is that they stand in.
const (
	aheadTasks = 500
	aheadEdges = 64 // of one task; one that more depend on is looked at when it has ended
)

// edgesAheadSQL finds who would end, nearest first.
const edgesAheadSQL = `
with recursive ahead(id) as (
 select $1::uuid
 union select d.down from ahead a cross join lateral (
  select d.down from sendoff.dep d where (d.up, d.down) > (a.id, ` + noID + `) and d.up <= a.id order by d.up, d.down limit $2) d)
select id from ahead limit $3`

// loadAhead is load of a task that has ended because of another one. What it finds first
// is a guess: edges count that are read when the tasks are locked.
func (f *following) loadAhead(ctx context.Context, c *session, up *store.Todo) error {
	ids, err := f.findAhead(ctx, c, up.Task)
	if err != nil {
		return err
	}
	found := map[task.ID][]*edge{}
	ups := slices.DeleteFunc(sortedIDs(append(ids, up.Task)), func(id task.ID) bool { _, known := f.edges[id]; return known })
	err = c.do(ctx, query(pins), f.lockNeeds(ids), f.lookDown(ids),
		query(edgesSQL).idList(ups).ids(len(ups), func(int) task.ID { return task.ID{} }).i8(aheadEdges).rows(func(r *wireRow) {
			e := &edge{Dep: store.Dep{Up: r.id(), Down: r.id(), Ended: task.End(r.i2())}}
			found[e.Up] = append(found[e.Up], e)
		}))
	if err != nil {
		return err
	}
	for _, id := range ups {
		held := id == up.Task || f.downs[id] != nil && f.downs[id].Waits
		whole := len(found[id]) < aheadEdges && !slices.ContainsFunc(found[id], func(e *edge) bool { return f.downs[e.Down] == nil })
		if held && whole {
			f.edges[id] = found[id]
		}
	}
	if _, loaded := f.edges[up.Task]; loaded {
		return nil
	}
	return f.load(ctx, c, []*store.Todo{up})
}

// findAhead are those behind a task that are not locked yet.
func (f *following) findAhead(ctx context.Context, c *session, from task.ID) (ids []task.ID, err error) {
	err = c.do(ctx, query(pins), query(edgesAheadSQL).id(from).i8(aheadEdges).i8(aheadTasks).rows(func(r *wireRow) {
		if id := r.id(); id != from && f.downs[id] == nil {
			ids = append(ids, id)
		}
	}))
	return sortedIDs(ids), err
}
