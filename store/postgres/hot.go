package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// hotCall is a call of Settle or of Claim that waits for the pipeline.
type hotCall struct {
	transitions []store.Transition
	errs        []error
	woken       []store.Woken

	claim *store.ClaimRequest // nil for Settle
	batch store.ClaimBatch
	got   []placed

	err error // of the whole call
}

func (c *hotCall) weight() int {
	if c.claim != nil {
		return c.claim.Limit
	}
	n := len(c.transitions)
	for i := range c.transitions {
		if e := c.transitions[i].Effects; e != nil {
			n += len(e.Calls)
		}
	}
	return n
}

// Settle ends attempts; see store.Settler.
func (s *Store) Settle(ctx context.Context, transitions []store.Transition) ([]error, []store.Woken, error) {
	if len(transitions) == 0 {
		return nil, nil, nil
	}
	call := &hotCall{transitions: transitions, errs: make([]error, len(transitions))}
	if err := s.doHot(ctx, call); err != nil {
		return nil, nil, fmt.Errorf("settle: %w", err)
	}
	var many []task.ID
	for i := range transitions {
		if t := &transitions[i]; t.Recorded() && store.ManyAttempts(t.Token) && call.errs[i] == nil {
			many = append(many, t.ID)
		}
	}
	if len(many) > 0 {
		s.leaveOut(ctx, many)
	}
	return call.errs, call.woken, nil
}

// Claim hands tasks to a node; see store.Claimer.
func (s *Store) Claim(ctx context.Context, req store.ClaimRequest) (store.ClaimBatch, error) {
	call := &hotCall{claim: &req}
	if err := s.doHot(ctx, call); err != nil {
		return store.ClaimBatch{}, fmt.Errorf("claim: %w", err)
	}
	call.inOrder()
	return call.batch, nil
}

func (s *Store) doHot(ctx context.Context, call *hotCall) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.calls.Done()
	if err := s.settles.Do(ctx, call); err != nil {
		return closedError(err)
	}
	return call.err
}

// ending is one transition of a batch.
type ending struct {
	*store.Transition
	call  *hotCall
	index int
	order int // in the batch
	done  bool
}

func (e *ending) fail(err error) { e.call.errs[e.index] = err }

// handleHot is the pipeline's handler.
func (s *Store) handleHot(ctx context.Context, calls []*hotCall) {
	var endings []*ending
	var claims []*hotCall
	for _, call := range calls {
		if call.claim != nil {
			claims = append(claims, call)
		}
		for i := range call.transitions {
			endings = append(endings, newEnding(&call.transitions[i], call, i, len(endings)))
		}
	}
	for first := true; first || len(endings) > 0; first = false {
		var repeated []*ending
		if related(endings) {
			endings, repeated = apart(endings)
			slices.SortFunc(endings, byTask)
		} else {
			endings, repeated = distinct(endings)
		}
		s.hotBatch(ctx, endings, claims)
		endings, claims = repeated, nil
	}
}

func newEnding(t *store.Transition, call *hotCall, index, order int) *ending {
	if t.Decision.To == task.Suspended && t.Effects == nil {
		with := *t
		with.Effects = &store.Effects{}
		t = &with
	}
	return &ending{Transition: t, call: call, index: index, order: order}
}

func byTask(a, b *ending) int { return bytes.Compare(a.ID[:], b.ID[:]) }

// distinct orders a batch by id, which is the order of locks, and puts aside
// the second transition of a task.
func distinct(all []*ending) (first, repeated []*ending) {
	slices.SortStableFunc(all, byTask)
	first = all[:0:len(all)]
	for i, e := range all {
		if i > 0 && len(first) > 0 && first[len(first)-1].ID == e.ID {
			repeated = append(repeated, e)
			continue
		}
		first = append(first, e)
	}
	return first, repeated
}

// hotBatch settles and claims in one transaction. When a value is to blame for
// a failure, its transition is found by halving.
func (s *Store) hotBatch(ctx context.Context, endings []*ending, claims []*hotCall) {
	again, err := s.hotTry(ctx, endings, claims)
	switch {
	case err == nil:
		s.explain(ctx, endings, again)
	case isDataError(err) && len(endings) == 1 && len(claims) == 0:
		endings[0].fail(store.ErrBadValue)
	case isDataError(err) && len(endings)+len(claims) > 1:
		half := len(endings) / 2
		if half > 0 || len(claims) > 0 {
			s.hotBatch(ctx, endings[:half], nil)
		}
		s.hotBatch(ctx, endings[half:], nil)
		for _, call := range claims {
			s.hotBatch(ctx, nil, []*hotCall{call})
		}
	default:
		for _, e := range endings {
			e.call.err = err
		}
		for _, call := range claims {
			call.err = err
		}
	}
}

// hotTry sends a batch until its outcome is known, and tells whether that took
// more than one commit.
func (s *Store) hotTry(ctx context.Context, endings []*ending, claims []*hotCall) (again bool, err error) {
	if len(endings)+len(claims) == 0 {
		return false, nil
	}
	now := s.clock.now()
	var done []task.ID
	for _, call := range claims {
		done = append(done, call.claim.Done...)
	}
	var plain, full, linked []*ending
	for _, e := range endings {
		switch {
		case e.Effects != nil:
			linked = append(linked, e)
		case isPlain(e.Transition):
			plain = append(plain, e)
		default:
			full = append(full, e)
		}
	}
	err = s.patiently(ctx, func(ctx context.Context, c *session) error {
		stmts := []*stmt{query(pins)}
		if again = c.again; again {
			if len(linked) == 0 { // otherwise begin does it
				stmts = append(stmts, query(barrier))
			}
			for _, call := range claims {
				call.err = fmt.Errorf("%w; its tasks come back by themselves", errUnknown)
			}
			claims = nil
		}
		for _, e := range endings {
			e.done = false
		}
		if len(done) > 0 {
			stmts = append(stmts, query(`delete from sendoff.claim where id = any($1)`).idList(done))
		}
		if len(plain) > 0 {
			stmts = append(stmts, settlePlain(plain, now))
		}
		each := func(r *wireRow, e *ending) {
			e.done = true
			e.call.wake(r)
		}
		if len(full) > 0 {
			stmts = append(stmts, settleFull(full, now, 0, each))
		}
		if len(linked) > 0 {
			f := newFamily(s.clock, now)
			lock, look := f.round(linked)
			stmts = slices.Concat(stmts[:1], lock, stmts[1:], []*stmt{settleLinked(linked, now, each), look})
			if err := c.begin(ctx, stmts...); err != nil {
				return c.giveUp(ctx, err)
			}
			f.inOrder(linked)
			stmts = f.statements()
		}
		if len(claims) > 0 {
			// Before the claims, in a statement of its own: their snapshots are then
			// younger than any pause that waited for this lock to be free.
			stmts = append(stmts, query(`select pg_advisory_xact_lock_shared($1)`).i8(lockClaims))
		}
		for _, call := range claims {
			call.batch = store.ClaimBatch{Now: now}
			if q := s.claimStmt(call, now); q != nil {
				stmts = append(stmts, q)
			}
		}
		var err error
		if c.began {
			err = c.giveUp(ctx, c.commit(ctx, stmts...))
		} else {
			err = c.do(ctx, stmts...)
		}
		if errors.Is(err, errUnknown) && len(endings) == 0 {
			return &settled{err} // nothing in it may be sent again
		}
		return err
	})
	return again, err
}

// wake reads what a settled task woke from a row of settleFull.
func (c *hotCall) wake(r *wireRow) {
	w := store.Woken{Lane: r.i4(), Priority: r.i2(), Position: r.i8()}
	if task.State(r.i2()) == task.Ready {
		c.woken = store.Collect(c.woken, w)
	}
}

// --- settle

// isPlain tells whether a transition only ends its task: a success that left
// nothing behind.
func isPlain(t *store.Transition) bool {
	return t.Effects == nil && !t.Recorded() && t.Decision.To == task.Succeeded && t.Decision.Reason == task.NoReason && t.Error == ""
}

func settlePlain(endings []*ending, now int64) *stmt {
	n := len(endings)
	return query(`
update sendoff.task t set state = 6, reason = 0, finished_at = $1, last_outcome = 1, last_error = null,
 last_code = s.code, failures = s.failures, crashes = s.crashes
from unnest($2, $3, $4, $5, $6) with ordinality as s(id, token, code, failures, crashes, n)
where t.id = s.id and t.token = s.token and t.state = 2
returning s.n`).
		i8(now).
		ids(n, func(i int) task.ID { return endings[i].ID }).
		i8s(n, func(i int) int64 { return endings[i].Token }).
		i4s(n, func(i int) int32 { return endings[i].Code }).
		i4s(n, func(i int) int32 { return endings[i].Decision.Failures }).
		i4s(n, func(i int) int32 { return endings[i].Decision.Crashes }).
		rows(func(r *wireRow) { endings[r.i8()-1].done = true })
}

// settleFull writes transitions of every sort; bump advances the tokens. each
// gets lane, priority, position and state of a row that was changed.
func settleFull(endings []*ending, now, bump int64, each func(*wireRow, *ending)) *stmt {
	return bindEndings(settleFullSQL, endings, now, bump, each)
}

// settleLinked writes transitions with effects: what changes the task itself,
// but for its waiting as a suspended one. It leaves those alone whose segment is
// in the journal's way.
func settleLinked(endings []*ending, now int64, each func(*wireRow, *ending)) *stmt {
	return bindEndings(settleLinkedSQL, endings, now, 0, each).
		i8s(len(endings), func(i int) int64 {
			if a := endings[i].Effects.Append; a != nil {
				return a.Offset
			}
			return -1
		}).
		i2s(len(endings), func(i int) int16 { return int16(endings[i].Effects.Undo) }).
		bools(len(endings), func(i int) bool { return endings[i].Effects.Told })
}

var (
	settleFullSQL   = settleSQL("", "", "", "")
	settleLinkedSQL = settleSQL(", $18, $19, $20", ", off, undo, told", `
  flags = case s.undo when 1 then t.flags | 32 when 2 then t.flags & ~32 else t.flags end,
  at = case when s.state not in (3, 4, 5) then t.at when t.flags & 64 <> 0 and not s.told then $1 else s.due end,`, `
  and (s.off < 0 or (select true from sendoff.journal j where j.task = s.id and j."offset" = s.off) is null)`)
)

func settleSQL(param, column, own, guard string) string {
	if own == "" {
		own = `
  at = case when s.state in (3, 4, 5) then s.due else t.at end,`
	}
	return `
with s as materialized (
 select * from unnest($3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17` + param + `) with ordinality
  as s(id, token, outcome, state, reason, due, code, failures, crashes, error, recorded, number, headers, body, truncated` + column + `, n)),
u as (
 update sendoff.task t set state = s.state, reason = s.reason, token = t.token + $2,` + own + `
  finished_at = case when s.state < 6 then t.finished_at else $1 end,
  failures = s.failures, crashes = s.crashes, last_outcome = s.outcome, last_code = s.code, last_error = s.error
 from s where t.id = s.id and t.token = s.token and t.state = 2` + guard + `
 returning s.n, t.id, t.lane, case when t.kind = 4 and t.crashes > 0 then 10::int2 else t.prio end as prio, t.at, t.state, s.token, t.run, t.node, t.last_started,
  s.recorded, s.number, s.code, s.outcome, s.truncated, s.error, s.headers, s.body),
r as (insert into sendoff.ready (pos, lane, prio, id) select at, lane, prio, id from u where state = 1),
m as (insert into sendoff.timer (at, lane, kind, id) select at, lane, state, id from u where state in (3, 5)),
d as (insert into sendoff.dead (at, lane, id) select $1, lane, id from u where state = 7),
a as (insert into sendoff.attempt (task, token, started_at, finished_at, run, number, code, outcome, truncated, node, error, headers, body)
 select id, token, last_started, $1, run, number, code, outcome, truncated, node, error, headers, body from u where recorded)
select n, lane, prio, at, state from u`
}

func bindEndings(sql string, endings []*ending, now, bump int64, each func(*wireRow, *ending)) *stmt {
	n := len(endings)
	return query(sql).
		i8(now).i8(bump).
		ids(n, func(i int) task.ID { return endings[i].ID }).
		i8s(n, func(i int) int64 { return endings[i].Token }).
		i2s(n, func(i int) int16 { return int16(endings[i].Outcome) }).
		i2s(n, func(i int) int16 { return int16(endings[i].Decision.To) }).
		i2s(n, func(i int) int16 { return int16(endings[i].Decision.Reason) }).
		i8s(n, func(i int) int64 { return now + endings[i].Decision.Delay.Microseconds() }).
		i4s(n, func(i int) int32 { return endings[i].Code }).
		i4s(n, func(i int) int32 { return endings[i].Decision.Failures }).
		i4s(n, func(i int) int32 { return endings[i].Decision.Crashes }).
		texts(n, func(i int) string { return store.CleanText(endings[i].Error, store.MaxError) }).
		bools(n, func(i int) bool { return endings[i].Recorded() }).
		i4s(n, func(i int) int32 { return endings[i].Number() }).
		blobs(n, func(i int) []byte { return headers(endings[i].Answer.Header) }).
		blobs(n, func(i int) []byte { return notEmpty(endings[i].Answer.Body) }).
		bools(n, func(i int) bool { return endings[i].Answer.Truncated }).
		rows(func(r *wireRow) { each(r, endings[r.i8()-1]) })
}

func headers(h []task.Header) []byte {
	if len(h) == 0 {
		return nil
	}
	return task.EncodeHeaders(h)
}

func notEmpty(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

// explain tells transitions that changed nothing apart: already applied, or of
// an attempt that lost its lease.
func (s *Store) explain(ctx context.Context, endings []*ending, again bool) {
	var missing, related []task.ID
	for _, e := range endings {
		if !e.done {
			missing = append(missing, e.ID)
		}
		if again && !e.done && e.Effects != nil {
			related = append(related, e.parent())
			for i := range e.Effects.Calls {
				related = append(related, e.Effects.Calls[i].ID)
			}
		}
	}
	if len(missing) == 0 {
		return
	}
	type verdict struct {
		token   int64
		state   task.State
		outcome task.Class
		woken   store.Woken
	}
	found := map[task.ID]verdict{}
	err := s.patiently(ctx, func(ctx context.Context, c *session) error {
		return c.do(ctx, query(`select id, token, state, last_outcome, lane, kind, prio, crashes, at from sendoff.task where id = any($1)`).idList(sortedIDs(append(missing, related...))).
			rows(func(r *wireRow) {
				id := r.id()
				v := verdict{token: r.i8(), state: task.State(r.i2()), outcome: task.Class(r.i2())}
				v.woken.Lane = r.i4()
				v.woken.Priority = task.ReadyPriority(task.Kind(r.i2()), r.i2(), r.i4())
				v.woken.Position = r.i8()
				found[id] = v
			}))
	})
	for _, e := range endings {
		v, ok := found[e.ID]
		switch {
		case e.done:
		case err != nil:
			e.call.err = err
		case ok && v.token == e.Token && v.state != task.Running && v.outcome == e.Outcome:
			if again && v.state == task.Ready { // what the first commit woke
				e.call.woken = store.Collect(e.call.woken, v.woken)
			}
		case ok && v.token == e.Token && v.state == task.Running && e.Effects != nil && e.Effects.Append != nil:
			e.fail(store.ErrBadValue)
		default:
			e.fail(store.ErrLeaseLost)
		}
	}
	for _, id := range related {
		if v, ok := found[id]; ok && v.state == task.Ready && len(endings) > 0 {
			endings[0].call.woken = store.Collect(endings[0].call.woken, v.woken)
		}
	}
}

// --- claim

// claimStmt is nil when there is nothing to ask for.
func (s *Store) claimStmt(call *hotCall, now int64) *stmt {
	req := call.claim
	slots := req.Slots
	if len(slots) == 0 || req.Limit <= 0 {
		return nil
	}
	n := len(slots)
	call.got = call.got[:0]
	return query(claimSQL).
		id(req.ID).id(req.Node).i8(now).null8(s.clock.lease()).
		i4s(n, func(i int) int32 { return slots[i].Lane }).
		i2s(n, func(i int) int16 { return slots[i].Priority }).
		i8s(n, func(i int) int64 { return slots[i].Cursor }).
		i4s(n, func(i int) int32 { return int32(max(slots[i].Limit, 0)) }).
		i4(int32(req.Limit)).
		rows(func(r *wireRow) {
			slot, state := r.i8(), task.State(r.i2())
			if state != task.Running {
				call.batch.Expired++
				return
			}
			call.got = append(call.got, placed{slot, readClaimed(r, now)})
		})
}

// claimSQL takes work list entries by their physical place, which one ordered
// index scan for each slot finds, then the rows by primary key. There is no
// "order by" outside of those scans: a sort would be pinned off and costed so
// high that it spoils the plan.
const claimSQL = `
with l as materialized (
 select ctid, slot.n from unnest($5, $6, $7, $8) with ordinality as slot(lane, prio, cur, lim, n)
 cross join lateral (
  select r.ctid from sendoff.ready r where r.lane = slot.lane and r.prio = slot.prio and r.pos >= slot.cur
  order by r.pos limit slot.lim for update skip locked) as x
 where (select not q.paused from sendoff.lane a join sendoff.queue q on q.id = a.queue where a.id = slot.lane)
  and exists (select from sendoff.node where id = $2 and lease_until > coalesce($4, ` + databaseClock + `))
 limit $9),
c as (delete from sendoff.ready r using l where r.ctid = l.ctid returning r.id, r.pos, r.prio, l.n),
u as (update sendoff.task t set token = t.token + 1,
  state = case when t.expires_at between 1 and $3 and t.kind <> 2 then 7 else 2 end,
  reason = case when t.expires_at between 1 and $3 and t.kind <> 2 then 7 else 0 end,
  finished_at = case when t.expires_at between 1 and $3 and t.kind <> 2 then $3 else t.finished_at end,
  node = case when t.expires_at between 1 and $3 and t.kind <> 2 then t.node else $2 end,
  last_started = case when t.expires_at between 1 and $3 and t.kind <> 2 then t.last_started else $3 end,
  first_started = case when t.first_started = 0 and not (t.expires_at between 1 and $3 and t.kind <> 2) then $3 else t.first_started end
 from c where t.id = c.id and t.state = 1
 returning c.n, c.pos, c.prio, t.state, t.id, t.token, t.lane, t.kind, t.flags, t.run, t.failures, t.crashes, t.max_attempts,
  t.created_at, t.expires_at, t.first_started, t.last_code, t.parent, t.root, t.spec, t.payload),
d as (insert into sendoff.dead (at, lane, id) select $3, lane, id from u where state = 7),
k as (insert into sendoff.claim (id, node, at, ids)
 select $1, $2, $3, array_agg(id order by n, pos, id) from u where state = 2 having count(*) > 0)
select n, state, id, token, lane, prio, pos, kind, flags, run, failures, crashes, max_attempts, created_at, expires_at, first_started, last_code, parent, root, spec,
 case when flags & 1 = 0 then payload else (select b.bytes from sendoff.body b where b.task = u.id and b.part = 0) end
from u`

func readClaimed(r *wireRow, now int64) store.Claimed {
	return store.Claimed{
		ID: r.id(), Token: r.i8(), Lane: r.i4(), Priority: r.i2(), Position: r.i8(), Kind: task.Kind(r.i2()), Flags: r.i4(),
		Run: r.i4(), Failures: r.i4(), Crashes: r.i4(), MaxAttempts: r.i4(), CreatedAt: r.i8(), ExpiresAt: r.i8(),
		FirstStarted: r.i8(), LastCode: r.i4(), Parent: r.id(), Root: r.id(), Spec: r.bytes(), Payload: present(r.bytes()), StartedAt: now,
	}
}

// placed is a claimed task with the number of its slot.
type placed struct {
	slot int64
	store.Claimed
}

// inOrder puts the claimed tasks into the order of their slots and positions,
// which is how they usually come.
func (c *hotCall) inOrder() {
	slices.SortStableFunc(c.got, func(a, b placed) int {
		return cmp.Or(cmp.Compare(a.slot, b.slot), cmp.Compare(a.Position, b.Position), bytes.Compare(a.ID[:], b.ID[:]))
	})
	for i := range c.got {
		c.batch.Tasks = append(c.batch.Tasks, c.got[i].Claimed)
	}
}
