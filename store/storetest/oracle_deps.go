package storetest

import (
	"bytes"
	"context"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// deps is what the oracle keeps of dependencies.
type deps struct {
	edges map[edge]task.End
	needs map[task.ID]store.Need
}

type edge struct{ up, down task.ID }

func newDeps() deps {
	return deps{edges: map[edge]task.End{}, needs: map[task.ID]store.Need{}}
}

func (d *deps) sortedDeps() []store.Dep {
	var out []store.Dep
	for e, end := range d.edges {
		out = append(out, store.Dep{Up: e.up, Down: e.down, Ended: end})
	}
	slices.SortFunc(out, func(a, b store.Dep) int { return compare2(a.Up, b.Up, a.Down, b.Down) })
	return out
}

func compare2(a, b, c, d task.ID) int {
	if n := bytes.Compare(a[:], b[:]); n != 0 {
		return n
	}
	return bytes.Compare(c[:], d[:])
}

func (d *deps) sortedNeeds() []store.Need {
	var out []store.Need
	for _, n := range d.needs {
		out = append(out, n)
	}
	slices.SortFunc(out, func(a, b store.Need) int { return bytes.Compare(a.Task[:], b.Task[:]) })
	return out
}

// endOf is how a task has ended for one that depends on it.
func (o *Oracle) endOf(e edge) task.End {
	var row store.Row
	if found := o.tasks[e.up]; found != nil {
		row = *found
	}
	return store.EndedAs(row.State, row.Reason, o.edges[e])
}

// depend writes what a task depends on, and counts it.
func (o *Oracle) depend(row *store.Row, when task.When, ups []store.Up) store.Need {
	for _, up := range ups {
		o.tasks[up.ID].Flags |= store.FlagDeps
		o.edges[edge{up.ID, row.ID}] = task.NotEnded
	}
	o.needs[row.ID] = store.Need{Lane: row.Lane, When: when}
	return o.recount(row.ID)
}

// recount counts what a task depends on from all that it depends on.
func (o *Oracle) recount(id task.ID) store.Need {
	var ends []task.End
	for _, d := range o.sortedDeps() {
		if d.Down == id {
			end := o.endOf(edge{d.Up, id})
			o.edges[edge{d.Up, id}] = end
			ends = append(ends, end)
		}
	}
	n := o.needs[id]
	n = store.NeedOf(id, n.Lane, n.When, ends)
	o.needs[id] = n
	return n
}

// follow tells the followers of a task that it has ended, and those of the ones that
// end because of that, up to a page.
func (o *Oracle) follow(up *store.Row, end task.End, woken *[]store.Woken) {
	if up.Flags&store.FlagDeps != 0 {
		o.leave(store.CallbackOf(up.ID, up.Run, up.Flags, end, o.Clock()))
		o.followAll(store.Todo{Kind: store.Release, Task: up.ID, Token: int64(up.Run), End: end}, woken)
	}
}

func (o *Oracle) followAll(first store.Todo, woken *[]store.Woken) {
	told := 0
	for ups := []store.Todo{first}; len(ups) > 0; ups = ups[1:] {
		up := ups[0]
		for _, down := range o.followersOf(up.Task, up.Cursor) {
			if told == store.FollowPage {
				break
			}
			told++
			up.Cursor = down
			if ended := o.counted(&up, down, woken); ended != nil {
				ups = append(ups, *ended)
			}
		}
		if told < store.FollowPage {
			continue
		}
		ups[0] = up
		for _, left := range ups {
			left.At = o.Clock()
			o.leave(&left)
		}
		return
	}
}

func (o *Oracle) followersOf(up, after task.ID) []task.ID {
	var downs []task.ID
	for _, d := range o.sortedDeps() {
		if d.Up == up && bytes.Compare(d.Down[:], after[:]) > 0 {
			downs = append(downs, d.Down)
		}
	}
	return downs
}

func (o *Oracle) counted(up *store.Todo, down task.ID, woken *[]store.Woken) (ended *store.Todo) {
	o.edges[edge{up.Task, down}] = up.End
	n, row := o.needs[down], o.tasks[down]
	waited := n.Waits
	n = o.countAsStored(n)
	n.Waits = waited && n.Verdict() == task.StillWaits
	o.needs[down] = n
	if !waited || n.Waits {
		return nil
	}
	v := n.Verdict()
	if v == task.MayRun {
		o.released(row, woken)
		return nil
	}
	o.finish(row, task.Canceled, v.Reason())
	o.endedAlone(row, "", nil, woken)
	o.leave(store.CallbackOf(row.ID, row.Run, row.Flags, row.End(), o.Clock()))
	if row.Flags&store.FlagDeps == 0 {
		return nil
	}
	return &store.Todo{Kind: store.Release, Task: down, Token: int64(row.Run), End: row.End()}
}

// countAsStored counts what the edges of a task say.
func (o *Oracle) countAsStored(n store.Need) store.Need {
	var ends []task.End
	for e, end := range o.edges {
		if e.down == n.Task {
			ends = append(ends, end)
		}
	}
	return store.NeedOf(n.Task, n.Lane, n.When, ends)
}

func (o *Oracle) released(row *store.Row, woken *[]store.Woken) {
	if e := row.Released(o.Clock()); e.State != task.Ready {
		o.later(row, e.State, e.Reason, row.At)
		return
	}
	o.makeReady(row, o.position(), task.NoReason, woken)
}

// notWaiting takes a task out of those that wait for others.
func (o *Oracle) notWaiting(id task.ID) {
	if n, ok := o.needs[id]; ok {
		n.Waits = false
		o.needs[id] = n
	}
}

// enterAgain has a task enter at the beginning of a new run, or wait for others.
func (o *Oracle) enterAgain(row *store.Row, why task.Reason, woken *[]store.Woken) error {
	if n, ok := o.needs[row.ID]; ok && n.Waits {
		row.State, row.Reason, row.At = task.Blocked, task.Depends, 0
		return nil
	}
	return o.makeReady(row, o.position(), why, woken)
}

func (o *Oracle) eraseDeps(id task.ID) {
	delete(o.needs, id)
	for e := range o.edges {
		if e.down == id {
			delete(o.edges, e)
		}
	}
}

// Dependencies implements store.Deps.
func (o *Oracle) Dependencies(_ context.Context, id, after task.ID, limit int) ([]store.Dependency, error) {
	var out []store.Dependency
	for _, d := range o.sortedDeps() {
		if d.Down == id && bytes.Compare(d.Up[:], after[:]) > 0 {
			out = append(out, o.dependency(d.Up, d.Ended))
		}
	}
	return out[:min(len(out), limit)], nil
}

// Followers implements store.Deps.
func (o *Oracle) Followers(_ context.Context, id, after task.ID, limit int) ([]store.Dependency, error) {
	var out []store.Dependency
	for _, down := range o.followersOf(id, after) {
		out = append(out, o.dependency(down, o.edges[edge{id, down}]))
	}
	return out[:min(len(out), limit)], nil
}

func (o *Oracle) dependency(id task.ID, ended task.End) store.Dependency {
	d := store.Dependency{ID: id, Ended: ended}
	if row := o.tasks[id]; row != nil {
		d.State, d.Reason = row.State, row.Reason
	}
	return d
}

// Need implements store.Deps.
func (o *Oracle) Need(_ context.Context, id task.ID) (store.Need, bool, error) {
	n, ok := o.needs[id]
	return n, ok, nil
}

// RetryFollowers implements store.Deps.
func (o *Oracle) RetryFollowers(_ context.Context, id task.ID) ([]store.Woken, error) {
	woken, err := o.retry(id, store.Alone)
	if err == nil {
		o.leaveRevival(o.tasks[id])
	}
	return woken, err
}

func (o *Oracle) leaveRevival(row *store.Row) {
	if row.Flags&store.FlagDeps != 0 {
		o.leave(&store.Todo{Kind: store.Revive, Task: row.ID, Token: int64(row.Run), At: o.Clock()})
	}
}

// Follow implements store.Deps.
func (o *Oracle) Follow(_ context.Context, name store.Todo) (more bool, woken []store.Woken, err error) {
	t, there := o.todos[nameOf(&name)]
	if !there {
		return false, nil, nil
	}
	delete(o.todos, nameOf(&name))
	var row store.Row
	found := o.tasks[t.Task]
	if found != nil {
		row = *found
	}
	end, tells := t.Ended(&row, found != nil)
	if t.End = end; t.Kind == store.Revive {
		o.reviveAll(t, tells, &woken)
	} else if tells {
		o.followAll(t, &woken)
	}
	_, more = o.todos[nameOf(&name)]
	return more, woken, nil
}

func (o *Oracle) reviveAll(t store.Todo, tells bool, woken *[]store.Woken) {
	for i, down := range o.followersOf(t.Task, t.Cursor) {
		o.revive(&t, tells, o.tasks[down], woken)
		if i == store.FollowPage-1 {
			o.leave(&store.Todo{Kind: t.Kind, Task: t.Task, Token: t.Token, Cursor: down, At: o.Clock()})
			return
		}
	}
}

func (o *Oracle) revive(up *store.Todo, tells bool, row *store.Row, woken *[]store.Woken) {
	if !row.Revives() {
		if !tells {
			return
		}
		if ended := o.counted(up, row.ID, woken); ended != nil {
			ended.At = o.Clock()
			o.leave(ended)
		}
		return
	}
	again, err := o.retry(row.ID, store.Alone)
	if err != nil {
		return
	}
	for _, w := range again {
		*woken = store.Collect(*woken, w)
	}
	o.leaveRevival(row)
}
