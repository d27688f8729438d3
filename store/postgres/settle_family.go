package postgres

import (
	"context"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// related tells whether any of the endings has effects.
func related(endings []*ending) bool {
	return slices.ContainsFunc(endings, func(e *ending) bool { return e.Effects != nil })
}

// apart puts aside the endings that have to see what another one of the batch
// does: those of the same task, of a parent that is told, and of a call whose
// parent is in the batch itself. Calls of one parent stay together. What is put
// aside keeps its order, because it counts as a part of the batch here.
func apart(all []*ending) (first, later []*ending) {
	slices.SortStableFunc(all, func(a, b *ending) int { return a.order - b.order })
	own, told := make(map[task.ID]bool, len(all)), map[task.ID]bool{}
	var cut *hotCall // the transitions of one call stay in order
	for _, e := range all {
		parent := e.parent()
		if own[e.ID] || told[e.ID] || own[parent] || e.call == cut {
			cut = e.call
			later = append(later, e)
		} else {
			first = append(first, e)
		}
		own[e.ID] = true
		if !parent.IsZero() {
			told[parent] = true
		}
	}
	return first, later
}

// parent is whom the end is told; zero for nobody.
func (e *ending) parent() task.ID {
	if e.Flags&store.FlagParent == 0 || !e.Decision.To.Final() {
		return task.ID{}
	}
	return e.Parent
}

// round is a first round trip for endings that have effects: what to lock
// first, and what to look at last.
func (f *family) round(endings []*ending) (lock []*stmt, look *stmt) {
	var waiting, others, all []task.ID
	for _, e := range endings {
		switch {
		case e.Decision.To == task.Suspended:
			waiting = append(waiting, e.ID)
		case e.Decision.To.Final():
			others = append(others, e.ID, e.parent())
		case e.Effects.Restart && len(e.Effects.Tell) > 0:
			waiting = append(waiting, e.ID)
		case e.Effects.Restart:
			others = append(others, e.ID)
		}
		all = append(all, e.ID, e.parent())
	}
	return f.lock(waiting, others), f.look(all)
}

// endInOrder calls settled for the endings that were written, and tells the followers of
// those that others depend on; returned is what writes the latter. What both make ready
// has its positions in the order of the endings.
func endInOrder(ctx context.Context, c *session, f *family, w *following, endings []*ending) ([]*stmt, error) {
	endings = slices.DeleteFunc(slices.Clone(endings), func(e *ending) bool { return !e.done })
	slices.SortStableFunc(endings, func(a, b *ending) int { return a.order - b.order })
	ends := make([]end, len(endings))
	for i, e := range endings {
		if e.Effects != nil && f.members[e.ID] != nil {
			ends[i].tell = func() { f.settled(e) }
		}
		if e.follows {
			ends[i].root = endOf(e.ID, e.run, e.Flags, task.EndOf(e.Decision.To, e.Decision.Reason), &e.call.woken)
		}
	}
	return w.tellEnds(ctx, c, ends)
}
