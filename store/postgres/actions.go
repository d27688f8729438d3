package postgres

import (
	"context"
	"fmt"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

const actionColumns = ` a.id, a.ns, a.state, a.fence, a.until, a.created_at, a.finished_at, a.items, a.body, a.progress `

const (
	putActionSQL = `
insert into sendoff.action (id, created_at, finished_at, until, fence, items, ns, state, body, progress) values ($1, $2, 0, 0, 0, 0, $3, $4, $5, $6)`

	actionSQL = `select` + actionColumns + `from sendoff.action a where a.id = $1`

	lockActionSQL = actionSQL + ` for update`

	listActionsSQL = `select` + actionColumns + `from sendoff.action a where a.ns = $1 and a.id < $2 order by a.ns desc, a.id desc limit $3`

	steerActionSQL = `update sendoff.action set state = $2, until = 0, finished_at = $3 where id = $1`

	takeActionsSQL = `
with due as materialized (select id from sendoff.action where state in ($1, $2) and until <= $3 order by until, id limit $4 for update skip locked)
update sendoff.action a set fence = a.fence + 1, until = $3 + $5 from due where a.id = due.id returning` + actionColumns

	dueActionsSQL = `select true from sendoff.action where state in ($1, $2) and until <= $3 limit 1`

	reportSQL = `update sendoff.action set state = $2, until = $3, finished_at = $4, items = items + $5, progress = $6 where id = $1`

	putItemsSQL = `
insert into sendoff.action_item (action, task, seq, run) select $1, task, seq, run from unnest($2, $3, $4) as i(task, seq, run)`

	itemsSQL = `select seq, task, run from sendoff.action_item where action = $1 and seq > $2 order by action, seq limit $3`

	dropActionsSQL = `
with over as materialized (select id from sendoff.action where finished_at > 0 and finished_at < $1 order by id limit $2 for update skip locked),
i as (delete from sendoff.action_item i using over where i.action = over.id)
delete from sendoff.action a using over where a.id = over.id returning true`
)

func readAction(r *wireRow) (a store.Action) {
	a.ID, a.Namespace, a.State, a.Fence, a.Until = r.id(), r.i4(), store.ActionState(r.i2()), r.i8(), r.i8()
	a.CreatedAt, a.FinishedAt, a.Items, a.Body, a.Progress = r.i8(), r.i8(), r.i8(), r.bytes(), r.bytes()
	return a
}

// PutAction keeps a new action; see store.Actions.
func (s *Store) PutAction(ctx context.Context, a store.Action) error {
	err := s.write(ctx, query(pins), query(putActionSQL).id(a.ID).i8(s.clock.now()).i4(a.Namespace).i2(int16(a.State)).bytes(a.Body).bytes(a.Progress))
	if err != nil {
		return fmt.Errorf("keep an action: %w", translate(err))
	}
	return nil
}

// Action returns an action; see store.Actions.
func (s *Store) Action(ctx context.Context, id task.ID) (a store.Action, err error) {
	err = s.read(ctx, query(pins), query(actionSQL).id(id).rows(func(r *wireRow) { a = readAction(r) }))
	switch {
	case err != nil:
		return a, fmt.Errorf("read an action: %w", translate(err))
	case a.ID.IsZero():
		return a, store.ErrNotFound
	}
	return a, nil
}

// ListActions lists actions; see store.Actions.
func (s *Store) ListActions(ctx context.Context, ns int32, before task.ID, limit int) (all []store.Action, err error) {
	if before.IsZero() {
		before = maxID
	}
	err = s.read(ctx, query(pins), query(listActionsSQL).i4(ns).id(before).i8(int64(limit)).rows(func(r *wireRow) { all = append(all, readAction(r)) }))
	if err != nil {
		return nil, fmt.Errorf("list actions: %w", translate(err))
	}
	return all, nil
}

// SteerAction pauses, resumes or aborts an action; see store.Actions.
func (s *Store) SteerAction(ctx context.Context, ns int32, id task.ID, to store.ActionState) error {
	err := s.change(ctx, func(ctx context.Context, c *session) error {
		var a store.Action
		if err := c.begin(ctx, query(pins), query(lockActionSQL).id(id).rows(func(r *wireRow) { a = readAction(r) })); err != nil {
			return err
		}
		switch {
		case a.ID.IsZero() || a.Namespace != ns:
			return store.ErrNotFound
		case !a.State.CanBecome(to):
			return store.ErrActionState
		}
		var finished int64
		if to == store.ActionAborted {
			finished = s.clock.now()
		}
		return c.commit(ctx, query(steerActionSQL).id(id).i2(int16(to)).i8(finished))
	})
	if err != nil {
		return fmt.Errorf("steer an action: %w", translate(err))
	}
	return nil
}

// TakeActions gives actions to whoever asks; see store.Actions.
func (s *Store) TakeActions(ctx context.Context, lease int64, limit int) (taken []store.Action, err error) {
	open := func(sql string) *stmt {
		return query(sql).i2(int16(store.ActionCounting)).i2(int16(store.ActionRunning)).i8(s.clock.now())
	}
	due := false
	err = s.read(ctx, query(pins), open(dueActionsSQL).rows(func(*wireRow) { due = true }))
	if err == nil && due {
		err = s.change(store.WithoutAudit(ctx), func(ctx context.Context, c *session) error {
			taken = nil
			take := open(takeActionsSQL).i8(int64(limit)).i8(lease).rows(func(r *wireRow) { taken = append(taken, readAction(r)) })
			if err := c.begin(ctx, query(pins), take); err != nil {
				return err
			}
			return c.commit(ctx)
		})
	}
	if err != nil {
		return nil, fmt.Errorf("take actions: %w", translate(err))
	}
	return taken, nil
}

// StepAction acts on tasks; see store.Actions. What takes more than a statement (relations,
// keys, gates, an attempt under way, a change) is done first, each task in its own transaction: when
// the rest does not come about, these are found done, and passed over.
func (s *Store) StepAction(ctx context.Context, step store.ActionStep) (woken []store.Woken, err error) {
	ctx = store.WithoutAudit(ctx)
	if a, err := s.Action(ctx, step.ID); err != nil || a.Fence != step.Fence || !a.State.Open() {
		return nil, store.ErrNotYours
	}
	errs := make([]error, len(step.Tasks))
	var plain []int
	for i := range step.Tasks {
		seen := &step.Tasks[i]
		if errs[i] = step.Verb.Can(seen); errs[i] != nil {
			continue
		}
		if aloneDoes(step.Verb, seen) {
			plain = append(plain, i)
			continue
		}
		w, err := s.actOn(ctx, step.Verb, seen, step.Change(i))
		if err != nil && !store.PassedOver(err) {
			return woken, err
		}
		for _, w := range w {
			woken = store.Collect(woken, w)
		}
		errs[i] = err
	}
	var more []store.Woken
	err = s.change(ctx, func(ctx context.Context, c *session) error {
		more, err = s.stepPlain(ctx, c, &step, plain, errs)
		return err
	})
	for _, w := range more {
		woken = store.Collect(woken, w)
	}
	if err != nil {
		return woken, fmt.Errorf("step of an action: %w", translate(err))
	}
	return woken, nil
}

// aloneDoes tells whether one statement does all that the verb does to a task.
func aloneDoes(v store.Verb, row *store.Row) bool {
	const more = store.Related | store.FlagKeys | store.FlagNeed
	switch {
	case row.Flags&more != 0:
		return false
	case v == store.RetryThem:
		return row.State != task.Succeeded
	}
	return row.State != task.Running && (v == store.CancelThem || v == store.RunThem)
}

func (s *Store) actOn(ctx context.Context, v store.Verb, seen *store.Row, c *store.Change) ([]store.Woken, error) {
	rows, err := s.Rows(ctx, []task.ID{seen.ID})
	switch {
	case err != nil:
		return nil, err
	case len(rows) == 0:
		return nil, store.ErrNotFound
	case !rows[0].SameLife(seen):
		return nil, store.ErrChanged
	}
	return v.Do(ctx, s, seen.ID, c)
}

// stepPlain does plain tasks with one statement, and reports, in one transaction.
func (s *Store) stepPlain(ctx context.Context, c *session, step *store.ActionStep, plain []int, errs []error) (woken []store.Woken, err error) {
	var a store.Action
	if err := c.begin(ctx, query(pins), query(lockActionSQL).id(step.ID).rows(func(r *wireRow) { a = readAction(r) })); err != nil {
		return nil, err
	}
	if a.Fence != step.Fence || !a.State.Open() {
		return nil, store.ErrNotYours
	}
	rows := make([]*store.Row, len(plain))
	for i, at := range plain {
		rows[i] = &step.Tasks[at]
	}
	done := map[task.ID]bool{}
	if len(rows) > 0 {
		span := s.clock.take(len(rows))
		if err := c.do(ctx, s.many(step.Verb, rows, span.first, done, &woken)); err != nil {
			return nil, err
		}
		if len(woken) == 0 {
			s.clock.untake(span)
		}
	}
	for _, at := range plain {
		if errs[at] = nil; !done[step.Tasks[at].ID] {
			errs[at] = store.ErrChanged
		}
	}
	now := s.clock.now()
	r := step.Report(errs)
	var finished int64
	if !r.State.Open() {
		finished = now
	}
	n := len(r.Items)
	return woken, c.commit(ctx,
		query(putItemsSQL).id(a.ID).ids(n, func(i int) task.ID { return r.Items[i].Task }).i8s(n, func(i int) int64 { return r.Items[i].Seq }).i4s(n, func(i int) int32 { return r.Items[i].Run }),
		query(reportSQL).id(a.ID).i2(int16(r.State)).i8(now+step.Lease).i8(finished).i8(int64(n)).bytes(r.Progress))
}

// many is the statement that acts on plain tasks, those that are as they were seen.
func (s *Store) many(v store.Verb, rows []*store.Row, first int64, done map[task.ID]bool, woken *[]store.Woken) *stmt {
	switch v {
	case store.CancelThem:
		victims := make([]victim, len(rows))
		for i, row := range rows {
			victims[i] = standingOf(row)
		}
		return cancelWaiting(victims, s.clock.now(), task.Requested, false, func(id task.ID, _, _ int32) { done[id] = true })
	case store.RunThem:
		return runMany(rows, first, done, woken)
	}
	return retryMany(rows, first, done, woken)
}

var retryManySQL = words.SQL(`
with v as materialized (select * from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) as v(id, state, run, token, finished, was, flags, prio, pos)),
u as (
 update sendoff.task t set state = :ready, reason = :reason_retried, at = v.pos,
  run = t.run + 1, failures = 0, crashes = 0, first_started = 0, finished_at = 0, expires_at = 0, flags = v.flags
 from v where t.id = any(array[v.id]) and t.state = v.state and t.run = v.run and t.token = v.token and t.finished_at = v.finished and t.flags = v.was and not` + hasAnswer + `
 returning t.id, t.lane, v.state as ended, v.finished, v.prio, v.pos),
d as (delete from sendoff.dead d using u where u.ended = :failed and d.lane = u.lane and d.at = u.finished and d.id = u.id),
r as (insert into sendoff.ready (pos, lane, prio, id) select pos, lane, prio, id from u)
select id, lane, prio, pos from u`)

func retryMany(rows []*store.Row, first int64, done map[task.ID]bool, woken *[]store.Woken) *stmt {
	n := len(rows)
	next := make([]store.Row, n)
	for i, row := range rows {
		next[i] = row.Retried()
	}
	return query(retryManySQL).
		ids(n, func(i int) task.ID { return rows[i].ID }).
		i2s(n, func(i int) int16 { return int16(rows[i].State) }).
		i4s(n, func(i int) int32 { return rows[i].Run }).
		i8s(n, func(i int) int64 { return rows[i].Token }).
		i8s(n, func(i int) int64 { return rows[i].FinishedAt }).
		i4s(n, func(i int) int32 { return rows[i].Flags }).
		i4s(n, func(i int) int32 { return next[i].Flags }).
		i2s(n, func(i int) int16 { return store.Enter(next[i].Entrant(), task.Retried).Priority }).
		i8s(n, func(i int) int64 { return first + int64(i) }).
		rows(func(r *wireRow) {
			done[r.id()] = true
			*woken = store.Collect(*woken, store.Woken{Lane: r.i4(), Priority: r.i2(), Position: r.i8()})
		})
}

var runManySQL = words.SQL(`
with s as (
 delete from sendoff.timer m using unnest($1, $2, $3, $4, $5) as s(id, was, pos, prio, at)
 where m.at = s.at and m.id = s.id returning m.id, s.was, s.pos, m.lane, s.prio),
u as (
 update sendoff.task t set state = :ready, reason = :reason_none, at = s.pos from s where t.id = any(array[s.id]) and t.state = s.was
 returning t.id, s.pos, s.lane, s.prio),
r as (insert into sendoff.ready (pos, lane, prio, id) select pos, lane, prio, id from u)
select id, lane, prio, pos from u`)

func runMany(rows []*store.Row, first int64, done map[task.ID]bool, woken *[]store.Woken) *stmt {
	n := len(rows)
	return query(runManySQL).
		ids(n, func(i int) task.ID { return rows[i].ID }).
		i2s(n, func(i int) int16 { return int16(rows[i].State) }).
		i8s(n, func(i int) int64 { return first + int64(i) }).
		i2s(n, func(i int) int16 { return store.Enter(rows[i].Entrant(), task.NoReason).Priority }).
		i8s(n, func(i int) int64 { return rows[i].At }).
		rows(func(r *wireRow) {
			done[r.id()] = true
			*woken = store.Collect(*woken, store.Woken{Lane: r.i4(), Priority: r.i2(), Position: r.i8()})
		})
}

// ActionItems lists what was acted on; see store.Actions.
func (s *Store) ActionItems(ctx context.Context, id task.ID, after int64, limit int) (items []store.ActionItem, err error) {
	err = s.read(ctx, query(pins), query(itemsSQL).id(id).i8(after).i8(int64(limit)).rows(func(r *wireRow) {
		items = append(items, store.ActionItem{Seq: r.i8(), Task: r.id(), Run: r.i4()})
	}))
	if err != nil {
		return nil, fmt.Errorf("list what was acted on: %w", translate(err))
	}
	return items, nil
}

// DropActions deletes old actions; see store.Actions.
func (s *Store) DropActions(ctx context.Context, before int64, limit int) (n int, err error) {
	err = s.write(store.WithoutAudit(ctx), query(pins), query(dropActionsSQL).i8(before).i8(int64(limit)).rows(func(*wireRow) { n++ }))
	if err != nil {
		return 0, fmt.Errorf("delete old actions: %w", translate(err))
	}
	return n, nil
}
