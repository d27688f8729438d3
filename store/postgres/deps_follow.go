package postgres

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// following works out what the ends of tasks mean for those that depend on them, in
// the transaction that ends them. Edges are read when the rows of the ended tasks are
// held, in a later statement: nobody can have become a follower since. The needs of the
// followers are locked by id before anything is counted, so that two ends at a time are
// both seen. What is written comes from the counts that were read under these locks.
type following struct {
	s     *Store
	now   int64
	edges map[task.ID][]*edge // of each task that was looked at, by follower
	downs map[task.ID]*down

	counted  []*edge
	needs    []*down
	released []*down
	ended    []*down
	left     []*store.Todo
}

type edge struct {
	store.Dep
	changed bool
}

// down is a task that depends on others.
type down struct {
	store.Need
	row     store.Row
	has     bool // a wait row
	changed bool
	entry   store.Entry    // when it was released
	told    *[]store.Woken // of one that has gates: where what it wakes is noted
	at      int64
	why     task.Reason // when it ended
}

func (s *Store) newFollowing(now int64) *following {
	return &following{s: s, now: now, edges: map[task.ID][]*edge{}, downs: map[task.ID]*down{}}
}

// root is a task whose followers are to be told, and where what that wakes is noted.
type root struct {
	store.Todo
	flags int32 // of the task, when it has just ended
	woken *[]store.Woken
}

// endOf is the root that tells of the end of a task in one of its runs.
func endOf(id task.ID, run, flags int32, end task.End, woken *[]store.Woken) root {
	return root{store.Todo{Kind: store.Release, Task: id, Token: int64(run), End: end}, flags, woken}
}

// callBack leaves a Todo for the callbacks of a task, if it has any.
func (f *following) callBack(id task.ID, run, flags int32, end task.End) {
	if t := store.CallbackOf(id, run, flags, end, f.now); t != nil {
		f.left = append(f.left, t)
	}
}

// end is one of which others are to be told: whoever waits for its result, by tell,
// and the followers of root. Either may be missing.
type end struct {
	tell func()
	root root
}

// tell tells the followers of roots, in order, and returns what writes that.
func (f *following) tell(ctx context.Context, c *session, roots []root) ([]*stmt, error) {
	ends := make([]end, len(roots))
	for i := range roots {
		ends[i].root = roots[i]
	}
	return f.tellEnds(ctx, c, ends)
}

// tellEnds tells all whom ends concern, in the order of these, and returns what writes
// that of followers.
func (f *following) tellEnds(ctx context.Context, c *session, ends []end) ([]*stmt, error) {
	var ups []*store.Todo
	told := false
	for i := range ends {
		root := &ends[i].root
		told = told || root.woken != nil
		if root.woken != nil && !f.looked(root.Task) {
			ups = append(ups, &root.Todo)
		}
	}
	if len(ups) > 0 {
		if err := f.load(ctx, c, ups); err != nil {
			return nil, err
		}
	}
	for i := range ends {
		e := &ends[i]
		if e.tell != nil {
			e.tell()
		}
		if e.root.woken == nil {
			continue
		}
		f.callBack(e.root.Task, int32(e.root.Token), e.root.flags, e.root.End)
		if err := f.tellAll(ctx, c, &e.root); err != nil {
			return nil, err
		}
	}
	if !told {
		return nil, nil
	}
	return f.statements(), nil
}

const edgesSQL = `
select d.up, d.down, d.ended from unnest($1, $2) as s(id, after)
cross join lateral (select d.up, d.down, d.ended from sendoff.dep d
 where (d.up, d.down) > (s.id, coalesce(s.after, ` + noID + `)) and d.up <= s.id order by d.up, d.down limit $3) d`

// lockNeedsSQL goes through the ids in their order, which is the order of locks.
const lockNeedsSQL = `
select` + needColumns + `from unnest($1) as s(id)` + andNeeds

const andNeeds = ` cross join lateral (select * from sendoff.need n where n.task = s.id for update) n`

// lookDownSQL locks those that may end: whoever comes to depend on one of them is seen by
// that end, or sees it.
const (
	lookDownSQL = downColumns + `from unnest($1) as s(id)` + andDowns

	downColumns = `
select s.id, t.lane, t.prio, t.kind, t.crashes, t.at, t.flags, t.run, t.state, t.reason, w.task is not null
`
	andDowns = ` join sendoff.need n on n.task = any(array[s.id]) and n.waits is not false -- else the index of those that wait would do
cross join lateral (select * from sendoff.task t where t.id = s.id for update) t left join sendoff.wait w on w.task = any(array[s.id])`
)

// load reads the edges of tasks, a page of each, and locks the needs at their ends.
func (f *following) load(ctx context.Context, c *session, ups []*store.Todo) error {
	for _, up := range ups {
		f.edges[up.Task] = nil
	}
	return f.lock(ctx, c, query(edgesSQL).
		ids(len(ups), func(i int) task.ID { return ups[i].Task }).
		ids(len(ups), func(i int) task.ID { return ups[i].Cursor }).
		i8(int64(store.FollowPage)))
}

// lock reads the edges that a statement finds, and locks the needs at their ends.
func (f *following) lock(ctx context.Context, c *session, find *stmt) error {
	var ids []task.ID
	err := c.do(ctx, query(pins), find.rows(func(r *wireRow) {
		e := &edge{Dep: store.Dep{Up: r.id(), Down: r.id(), Ended: task.End(r.i2())}}
		f.edges[e.Up] = append(f.edges[e.Up], e)
		if f.downs[e.Down] == nil {
			ids = append(ids, e.Down)
		}
	}))
	if ids = sortedIDs(ids); err != nil || len(ids) == 0 {
		return err
	}
	found := map[store.Dep]*edge{} // by who depends on whom
	for _, list := range f.edges {
		for _, e := range list {
			found[store.Dep{Up: e.Up, Down: e.Down}] = e
		}
	}
	// What was counted is read once more under the locks: somebody may have counted
	// anew before they were ours.
	again := *find
	again.each = func(r *wireRow) {
		name, ended := store.Dep{Up: r.id(), Down: r.id()}, task.End(r.i2())
		if e := found[name]; e != nil && !e.changed {
			e.Ended = ended
		}
	}
	return c.do(ctx, query(pins), f.lockNeeds(ids), &again, f.lookDown(ids))
}

func (f *following) lockNeeds(ids []task.ID) *stmt {
	return query(lockNeedsSQL).idList(ids).rows(f.readNeed)
}

func (f *following) readNeed(r *wireRow) {
	n := readNeed(r)
	f.downs[n.Task] = &down{Need: n}
}

func (f *following) lookDown(ids []task.ID) *stmt {
	return query(lookDownSQL).idList(ids).rows(f.readDown)
}

func (f *following) readDown(r *wireRow) {
	id := r.id()
	row := store.Row{
		ID: id, Lane: r.i4(), Priority: r.i2(), Kind: task.Kind(r.i2()), Crashes: r.i4(), At: r.i8(), Flags: r.i4(), Run: r.i4(),
		State: task.State(r.i2()), Reason: task.Reason(r.i2()),
	}
	if d := f.downs[id]; d != nil {
		d.row, d.has = row, r.bool()
	}
}

// tellAll tells the followers of a task, and those of the ones that end because of
// that, up to a page. A Todo is left for the others.
func (f *following) tellAll(ctx context.Context, c *session, first *root) error {
	left := store.FollowPage
	for ups := []*store.Todo{&first.Todo}; len(ups) > 0; ups = ups[1:] {
		up := ups[0]
		if _, loaded := f.edges[up.Task]; !loaded {
			if err := f.loadAhead(ctx, c, up); err != nil {
				return err
			}
		}
		page := f.edges[up.Task]
		slices.SortFunc(page, func(a, b *edge) int { return bytes.Compare(a.Down[:], b.Down[:]) })
		page = page[:min(len(page), left)]
		for _, e := range page {
			if ended := f.count(e, up.End, first.woken); ended != nil {
				ups = append(ups, ended)
			}
		}
		if left -= len(page); left > 0 {
			continue
		}
		if len(page) > 0 {
			up.Cursor = page[len(page)-1].Down
		}
		f.leave(ups...)
		return nil
	}
	return nil
}

func (f *following) leave(todos ...*store.Todo) {
	for _, t := range todos {
		t.At = f.now
		f.left = append(f.left, t)
	}
}

// count has a follower count how a task has ended. When it ends because of that, what
// is to be told its own followers is returned.
func (f *following) count(e *edge, end task.End, woken *[]store.Woken) (ended *store.Todo) {
	d := f.downs[e.Down]
	if d == nil || e.Ended == end {
		return nil
	}
	before := e.Ended
	if e.Ended = end; !e.changed {
		e.changed, f.counted = true, append(f.counted, e)
	}
	if !d.changed {
		d.changed, f.needs = true, append(f.needs, d)
	}
	d.Count(before, end)
	if !d.Waits {
		return nil
	}
	v := d.Verdict()
	if d.Waits = v == task.StillWaits; d.Waits {
		return nil
	}
	if v == task.MayRun {
		f.release(d, woken)
		return nil
	}
	d.why = v.Reason()
	f.ended = append(f.ended, d)
	f.callBack(d.row.ID, d.row.Run, d.row.Flags, task.EndOf(task.Canceled, d.why))
	if d.row.Flags&store.FlagDeps == 0 {
		return nil
	}
	return &store.Todo{Kind: store.Release, Task: d.row.ID, Token: int64(d.row.Run), End: task.EndOf(task.Canceled, d.why)}
}

func (f *following) release(d *down, woken *[]store.Woken) {
	d.entry, d.at = d.row.Released(f.now), d.row.At
	if d.entry.State == task.Ready {
		d.at = f.s.clock.take(1).first
		if d.row.Flags&store.FlagGate != 0 {
			d.told = woken
		} else {
			*woken = store.Collect(*woken, d.entry.Woken(d.at))
		}
	}
	f.released = append(f.released, d)
}

const countDepsSQL = `
update sendoff.dep d set ended = s.ended from unnest($1, $2, $3) as s(up, down, ended) where d.up = s.up and d.down = any(array[s.down])`

const countNeedsSQL = `
update sendoff.need n set waits = s.waits, ok = s.ok, failed = s.failed, skipped = s.skipped
from unnest($1, $2, $3, $4, $5) as s(id, waits, ok, failed, skipped) where n.task = any(array[s.id])`

// countStatements write how dependencies have ended, and what was counted of that.
func countStatements(deps []store.Dep, needs []*store.Need) (stmts []*stmt) {
	if len(deps) > 0 {
		stmts = append(stmts, bindDeps(query(countDepsSQL), deps))
	}
	n := len(needs)
	if n == 0 {
		return stmts
	}
	return append(stmts, query(countNeedsSQL).
		ids(n, func(i int) task.ID { return needs[i].Task }).
		bools(n, func(i int) bool { return needs[i].Waits }).
		i4s(n, func(i int) int32 { return needs[i].OK }).
		i4s(n, func(i int) int32 { return needs[i].Failed }).
		i4s(n, func(i int) int32 { return needs[i].Skipped }))
}

var (
	cancelDownSQL = words.SQL(`
update sendoff.task t set state = :canceled, reason = s.reason, finished_at = $3
from unnest($1, $2) as s(id, reason) where t.id = any(array[s.id]) and t.state = :blocked`)
	endWaitsSQL    = words.SQL(`update sendoff.wait w set need = :wait_over from unnest($1) as s(id) where w.task = any(array[s.id])`)
	dropInboxesSQL = `delete from sendoff.inbox i using unnest($1) as s(id) where i.task = s.id`
)

// statements write what was worked out.
func (f *following) statements() []*stmt {
	deps, needs := make([]store.Dep, len(f.counted)), make([]*store.Need, len(f.needs))
	for i, e := range f.counted {
		deps[i] = e.Dep
	}
	slices.SortFunc(f.needs, func(a, b *down) int { return bytes.Compare(a.Task[:], b.Task[:]) })
	for i, d := range f.needs {
		needs[i] = &d.Need
	}
	stmts := countStatements(deps, needs)
	if n := len(f.released); n > 0 {
		list := make([]entering, n)
		for i, d := range f.released {
			list[i] = entering{id: d.row.ID, was: task.Blocked, pos: d.at, Entry: d.entry}
		}
		release := enter(list, nil)
		for _, d := range f.released {
			if d.told != nil {
				release.late = append(release.late, lateComer{id: d.row.ID, pos: d.at, state: task.Blocked, why: task.Depends, at: d.row.At, woken: d.told, now: f.now})
			}
		}
		stmts = append(stmts, release)
	}
	return slices.Concat(stmts, f.endings(), leaveTodos(f.left))
}

// endings end the followers that can never run.
func (f *following) endings() []*stmt {
	n := len(f.ended)
	if n == 0 {
		return nil
	}
	stmts := []*stmt{query(cancelDownSQL).
		ids(n, func(i int) task.ID { return f.ended[i].row.ID }).
		i2s(n, func(i int) int16 { return int16(f.ended[i].why) }).i8(f.now)}
	told := map[task.ID]bool{} // functions that were told something before they could run
	for _, d := range f.ended {
		if d.has {
			told[d.row.ID] = true
		}
	}
	if len(told) == 0 {
		return stmts
	}
	ids := sortedIDs(slices.Collect(maps.Keys(told)))
	return append(stmts, query(endWaitsSQL).idList(ids), query(dropInboxesSQL).idList(ids), query(forgetStatesSQL).idList(ids))
}
