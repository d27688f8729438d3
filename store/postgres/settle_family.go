package postgres

import (
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

// inOrder calls settled for the endings that were written.
func (f *family) inOrder(endings []*ending) {
	endings = slices.Clone(endings)
	slices.SortStableFunc(endings, func(a, b *ending) int { return a.order - b.order })
	for _, e := range endings {
		if e.done {
			f.settled(e)
		}
	}
}
