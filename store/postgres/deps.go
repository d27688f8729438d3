package postgres

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

const needColumns = ` n.task, n.lane, n.rule, n.waits, n.total, n.ok, n.failed, n.skipped `

func readNeed(r *wireRow) store.Need {
	return store.Need{
		Task: r.id(), Lane: r.i4(), When: task.When(r.i2()), Waits: r.bool(), Total: r.i4(), OK: r.i4(), Failed: r.i4(), Skipped: r.i4(),
	}
}

// Need returns what a task depends on, counted; see store.Deps.
func (s *Store) Need(ctx context.Context, id task.ID) (n store.Need, found bool, err error) {
	err = s.read(ctx, query(pins), query(`select`+needColumns+`from sendoff.need n where n.task = $1`).id(id).
		rows(func(r *wireRow) { n, found = readNeed(r), true }))
	if err != nil {
		return store.Need{}, false, fmt.Errorf("read what a task depends on: %w", err)
	}
	return n, found, nil
}

// The edges of a task are asked for as a range in the order of the index that has them:
// where statistics say that the table is empty, the other index costs the same for an
// equality, and is read as a whole.
const (
	dependenciesSQL = `
select d.up, t.state, t.reason, d.ended
from (select up, ended from sendoff.dep where (down, up) > ($1, $2) and down <= $1 order by down, up limit $3) d
left join sendoff.task t on t.id = any(array[d.up])`
	followersSQL = `
select d.down, t.state, t.reason, d.ended
from (select down, ended from sendoff.dep where (up, down) > ($1, $2) and up <= $1 order by up, down limit $3) d
left join sendoff.task t on t.id = any(array[d.down])`
)

// Dependencies lists what a task depends on; see store.Deps.
func (s *Store) Dependencies(ctx context.Context, id, after task.ID, limit int) ([]store.Dependency, error) {
	return s.listDeps(ctx, dependenciesSQL, id, after, limit)
}

// Followers lists what depends on a task; see store.Deps.
func (s *Store) Followers(ctx context.Context, id, after task.ID, limit int) ([]store.Dependency, error) {
	return s.listDeps(ctx, followersSQL, id, after, limit)
}

func (s *Store) listDeps(ctx context.Context, sql string, id, after task.ID, limit int) (list []store.Dependency, err error) {
	err = s.read(ctx, query(pins), query(sql).id(id).id(after).i8(int64(max(limit, 0))).rows(func(r *wireRow) {
		list = append(list, readDependency(r))
	}))
	if err != nil {
		return nil, fmt.Errorf("list dependencies: %w", err)
	}
	slices.SortFunc(list, func(a, b store.Dependency) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return list, nil
}

func readDependency(r *wireRow) store.Dependency {
	return store.Dependency{ID: r.id(), State: task.State(r.i2()), Reason: task.Reason(r.i2()), Ended: task.End(r.i2())}
}

// lockUpsSQL locks tasks that others are to depend on: none of them ends before these
// are stored.
const lockUpsSQL = `select id, state, reason, flags from sendoff.task where id = any($1) order by id for update`

// up is a stored task that new ones may depend on.
type up struct {
	end   task.End
	flags int32
}

// lookForUps locks what the tasks of ops depend on, as far as it is stored.
func (p *plan) lookForUps(ops []*insertOp) []*stmt {
	var ids []task.ID
	for _, op := range ops {
		for i := range op.tasks {
			ids = append(ids, op.tasks[i].Deps...)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	p.ups, p.resolver.Ups = map[task.ID]*up{}, store.Ups{}
	return []*stmt{query(pins), p.lockUps(ids, func(id task.ID, end task.End) { p.resolver.Ups[id] = store.Up{ID: id, End: end} })}
}

func (p *plan) lockUps(ids []task.ID, each func(task.ID, task.End)) *stmt {
	return query(lockUpsSQL).idList(sortedIDs(ids)).rows(func(r *wireRow) {
		id := r.id()
		found := &up{end: task.EndOf(task.State(r.i2()), task.Reason(r.i2())), flags: r.i4()}
		if p.ups[id] = found; each != nil {
			each(id, found.end)
		}
	})
}

// lockTaken locks the tasks that the keys of the batch lead to: a task of the batch may depend
// on one that is found to be there already, under another id.
func (p *plan) lockTaken(ctx context.Context, c *session) error {
	if p.ups == nil || len(p.resolver.Taken) == 0 {
		return nil
	}
	var ids []task.ID
	for _, taken := range p.resolver.Taken {
		if id := taken.Entry.Task; p.ups[id] == nil {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return c.do(ctx, query(pins), p.lockUps(ids, nil))
}

// depend has the row that was added last depend on others, and places it accordingly.
func (p *plan) depend(deps []task.ID) {
	r := &p.rows[len(p.rows)-1]
	ends := make([]task.End, len(deps))
	for i, id := range deps {
		ends[i] = p.endOf(id)
		p.deps = append(p.deps, store.Dep{Up: id, Down: r.ID, Ended: ends[i]})
	}
	n := store.NeedOf(r.ID, r.Lane, r.When, ends)
	p.needs = append(p.needs, n)
	if r.state == task.Ready {
		p.ready--
	}
	place := store.Placed(r.NewTask, p.now).Depending(&n)
	r.state, r.reason, r.at, r.flags = place.State, place.Reason, place.Due, place.Flags
	switch r.state {
	case task.Ready:
		p.ready++
	case task.Canceled:
		r.finished = p.now
	default:
	}
}

// endOf is how a task has ended that is stored, or that the plan stores, and has it
// know that another one depends on it.
func (p *plan) endOf(id task.ID) task.End {
	if i, made := p.made[id]; made {
		r := &p.rows[i]
		if r.flags |= store.FlagDeps; r.replaced {
			return task.EndedBadly
		}
		return task.EndOf(r.state, r.reason)
	}
	found := p.ups[id]
	if found == nil {
		return task.EndedBadly // the resolver lets nothing depend on a task that is not stored
	}
	if found.flags&store.FlagDeps == 0 {
		found.flags |= store.FlagDeps
		p.marked = append(p.marked, id)
	}
	for i := range p.victims {
		if p.victims[i].id == id {
			return task.EndedBadly
		}
	}
	return found.end
}

var (
	markUpsSQL = words.SQL(`update sendoff.task t set flags = t.flags | :flag_deps from unnest($1) as s(id) where t.id = any(array[s.id])`)
	addDepsSQL = `insert into sendoff.dep (up, down, ended) select * from unnest($1, $2, $3) on conflict do nothing`

	addNeedsSQL = `
insert into sendoff.need (task, lane, rule, waits, total, ok, failed, skipped) select * from unnest($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing`
)

// depStatements write what the rows of the plan depend on.
func (p *plan) depStatements() (stmts []*stmt) {
	if len(p.marked) > 0 {
		stmts = append(stmts, query(markUpsSQL).idList(sortedIDs(p.marked)))
	}
	if n := len(p.deps); n > 0 {
		stmts = append(stmts, bindDeps(query(addDepsSQL), p.deps))
	}
	if n := len(p.needs); n > 0 {
		at := func(i int) *store.Need { return &p.needs[i] }
		stmts = append(stmts, query(addNeedsSQL).
			ids(n, func(i int) task.ID { return at(i).Task }).
			i4s(n, func(i int) int32 { return at(i).Lane }).
			i2s(n, func(i int) int16 { return int16(at(i).When) }).
			bools(n, func(i int) bool { return at(i).Waits }).
			i4s(n, func(i int) int32 { return at(i).Total }).
			i4s(n, func(i int) int32 { return at(i).OK }).
			i4s(n, func(i int) int32 { return at(i).Failed }).
			i4s(n, func(i int) int32 { return at(i).Skipped }))
	}
	return stmts
}

func bindDeps(q *stmt, deps []store.Dep) *stmt {
	n := len(deps)
	return q.ids(n, func(i int) task.ID { return deps[i].Up }).
		ids(n, func(i int) task.ID { return deps[i].Down }).
		i2s(n, func(i int) int16 { return int16(deps[i].Ended) })
}

const noID = `'00000000-0000-0000-0000-000000000000'::uuid`

// recountSQL locks what a task depends on, so that nothing of it ends meanwhile.
const recountSQL = `
select d.up, t.state, t.reason, d.ended
from (select up, ended from sendoff.dep where (down, up) > ($1, ` + noID + `) and down <= $1 order by down, up) d
left join lateral (select state, reason from sendoff.task t where t.id = d.up for update) t on true`

// recount counts what a task depends on anew, from how that has ended by now, and
// returns what writes that. ErrUnmet when it lets the task never run.
func recount(ctx context.Context, c *session, row *store.Row) (n store.Need, writes []*stmt, err error) {
	var ends []task.End
	var changed []store.Dep
	// What was counted is read when all is locked: it may have changed while that waited.
	err = c.do(ctx, query(pins), query(recountSQL).id(row.ID),
		query(lockNeedsSQL).idList([]task.ID{row.ID}).rows(func(r *wireRow) { n = readNeed(r) }),
		query(dependenciesSQL).id(row.ID).id(task.ID{}).i8(math.MaxInt32).rows(func(r *wireRow) {
			d := readDependency(r)
			end := store.EndedAs(d.State, d.Reason, d.Ended)
			if ends = append(ends, end); end != d.Ended {
				changed = append(changed, store.Dep{Up: d.ID, Down: row.ID, Ended: end})
			}
		}))
	if err != nil {
		return n, nil, err
	}
	n = store.NeedOf(row.ID, n.Lane, n.When, ends)
	if n.Verdict().Reason() != task.NoReason {
		return n, nil, store.ErrUnmet
	}
	return n, countStatements(changed, []*store.Need{&n}), nil
}
