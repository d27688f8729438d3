package postgres

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// floor is the time below which a sweep left no timer. Reading from there on
// skips the index entries of timers that are gone but not vacuumed yet; a full
// pass now and then finds the timer of a transaction that committed late.
type floor struct {
	mu   sync.Mutex
	at   int64
	full time.Time // of the last full pass
}

const (
	floorMargin   = 60 * 1_000_000 // microseconds
	floorFullPass = 30 * time.Second
)

func (f *floor) from() (at int64, full bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.full) > floorFullPass {
		return 0, true
	}
	return f.at, false
}

func (f *floor) swept(now int64, full bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at = max(f.at, now-floorMargin)
	if full {
		f.full = time.Now()
	}
}

const dueSQL = `
with l as materialized (select ctid from sendoff.timer where at >= $1 and at <= $2 order by at, id limit $3 for update skip locked)
delete from sendoff.timer t using l where t.ctid = l.ctid returning t.at, t.id, (select k.flags from sendoff.task k where k.id = t.id)`

// PromoteDue makes due tasks ready; see store.Sweeper.
func (s *Store) PromoteDue(ctx context.Context, limit int) (promoted int, next int64, woken []store.Woken, err error) {
	from, full := s.timers.from()
	var now int64
	var due int
	err = s.change(ctx, func(ctx context.Context, c *session) error {
		promoted, next, woken, now = 0, 0, nil, s.clock.now()
		var timers []store.TimerEntry
		gated := map[task.ID]bool{}
		take := query(dueSQL).i8(from).i8(now).i8(int64(limit)).
			rows(func(r *wireRow) {
				e := store.TimerEntry{At: r.i8(), ID: r.id()}
				timers = append(timers, e)
				if r.i4()&store.FlagGate != 0 {
					gated[e.ID] = true
				}
			})
		rest := query(`select at from sendoff.timer where at >= $1 order by at, id limit 1`).i8(from).
			rows(func(r *wireRow) { next = r.i8() })
		if err := c.begin(ctx, query(pins), take, rest); err != nil {
			return err
		}
		if due = len(timers); due == 0 {
			return nil
		}
		slices.SortFunc(timers, func(a, b store.TimerEntry) int {
			return cmp.Or(cmp.Compare(a.At, b.At), bytes.Compare(a.ID[:], b.ID[:]))
		})
		if len(gated) > 0 {
			f := &gateFloor{s: s, ctx: ctx, c: c, now: now}
			if promoted, err = f.promote(timers, gated); err == nil {
				next = 0
				err = c.commit(ctx, rest)
			}
			woken = f.woken
			return err
		}
		span := s.clock.take(due)
		q := makeReady(ids(timers), span, func(w store.Woken) {
			promoted++
			woken = store.Collect(woken, w)
		})
		return c.commit(ctx, q)
	})
	if err != nil {
		return 0, 0, nil, fmt.Errorf("promote due tasks: %w", err)
	}
	if due < limit {
		s.timers.swept(now, full)
	}
	return promoted, next, woken, nil
}

func ids(timers []store.TimerEntry) []task.ID {
	out := make([]task.ID, len(timers))
	for i := range timers {
		out[i] = timers[i].ID
	}
	return out
}

// readyPriority is task.ReadyPriority of a task t, where its count of crashes is changed
// by the same statement.
const readyPriority = `case when t.kind = :kind_local and t.crashes > 0 then :suspect_priority::int2 else t.prio end`

var makeReadySQL = words.SQL(`
with u as (
 update sendoff.task t set state = :ready, reason = :reason_none, at = s.pos
 from unnest($1, $2) as s(id, pos) where t.id = any(array[s.id]) and t.state in :timed
 returning t.id, t.lane, ` + readyPriority + ` as prio, t.at),
r as (insert into sendoff.ready (pos, lane, prio, id) select at, lane, prio, id from u)
select lane, prio, at from u`)

// makeReady makes tasks ready whose timers were taken, at the positions of the
// span.
func makeReady(ids []task.ID, span span, each func(store.Woken)) *stmt {
	return query(makeReadySQL).
		idList(ids).i8s(len(ids), func(i int) int64 { return span.first + int64(i) }).
		rows(func(r *wireRow) { each(store.Woken{Lane: r.i4(), Priority: r.i2(), Position: r.i8()}) })
}

// Rescue takes back the tasks of lost claims; see store.Sweeper.
func (s *Store) Rescue(ctx context.Context, self task.ID, known []task.ID, limit int) (store.Rescued, error) {
	var result store.Rescued
	err := s.change(ctx, func(ctx context.Context, c *session) error {
		result = store.Rescued{}
		now := s.clock.now()
		claims, err := s.lostClaims(ctx, c, self, known, limit, now)
		if err != nil {
			return err
		}
		endings, err := lostAttempts(ctx, c, claims)
		if err != nil {
			return err
		}
		var closed []task.ID
		for _, claim := range claims {
			closed = append(closed, claim.ID)
		}
		result.Claims = len(claims)
		stmts := []*stmt{
			query(`delete from sendoff.claim where id = any($1)`).idList(closed),
			query(`delete from sendoff.node n where n.lease_until <= coalesce($1, ` + databaseClock + `)
 and not exists (select from sendoff.claim c where c.node = n.id)`).null8(s.clock.lease()),
			query(endSharesSQL), // in a statement of its own: it has to see what committed while the one before waited
		}
		at := &gateFloor{s: s, ctx: ctx, c: c, now: now}
		poisoned, err := at.ending(endings)
		if err != nil {
			return err
		}
		writes, err := s.endLost(ctx, c, endings, now, &result)
		if err != nil {
			return err
		}
		if err := c.do(ctx, append(writes, stmts...)...); err != nil {
			return err
		}
		for _, row := range poisoned {
			if err := at.leave(row, true); err != nil {
				return err
			}
		}
		if err := at.leftBehind(claims); err != nil {
			return err
		}
		for _, w := range at.woken {
			result.Woken = store.Collect(result.Woken, w)
		}
		return c.commit(ctx)
	})
	if err != nil {
		return store.Rescued{}, fmt.Errorf("rescue lost claims: %w", err)
	}
	return result, nil
}

// endLost ends attempts of lost claims, and returns what is left to be written of that.
func (s *Store) endLost(ctx context.Context, c *session, endings []*ending, now int64, result *store.Rescued) ([]*stmt, error) {
	if len(endings) == 0 {
		return nil, nil
	}
	settle := settleFull(endings, now, 1, func(e *ending, r *wireRow) {
		e.done = true
		result.Tasks++
		if e.Decision.Reason == task.Poison {
			result.Poison++
		}
		w := store.Woken{Lane: r.i4(), Priority: r.i2(), Position: r.i8()}
		if task.State(r.i2()) == task.Ready {
			result.Woken = store.Collect(result.Woken, w)
		}
		e.run = r.i4()
	})
	told := slices.DeleteFunc(slices.Clone(endings), func(e *ending) bool { return e.parent().IsZero() })
	followed := slices.DeleteFunc(slices.Clone(endings), func(e *ending) bool { return !e.follows })
	if len(told)+len(followed) == 0 {
		return []*stmt{settle}, nil
	}
	f := newFamily(s.clock, now)
	_, look := f.round(told)
	if err := c.do(ctx, settle, look); err != nil {
		return nil, err
	}
	f.inOrder(told)
	for _, e := range told {
		for _, w := range e.call.woken {
			result.Woken = store.Collect(result.Woken, w)
		}
	}
	for _, e := range followed {
		f.roots = append(f.roots, endOf(e.ID, e.run, task.EndOf(e.Decision.To, e.Decision.Reason), &result.Woken))
	}
	return s.rest(ctx, c, f)
}

// lostClaims begins the transaction and locks claims that nobody looks after.
// One that another node is rescuing at this moment is passed over.
func (s *Store) lostClaims(ctx context.Context, c *session, self task.ID, known []task.ID, limit int, now int64) ([]store.ClaimEntry, error) {
	var claims []store.ClaimEntry
	err := c.begin(ctx, query(`
select c.id, c.node, c.ids from sendoff.claim c
where not exists (select from sendoff.node n where n.id = c.node and n.lease_until > coalesce($1, `+databaseClock+`))
 or c.node = $2 and c.at <= $3 and c.id <> all($4)
order by c.id limit $5 for update of c skip locked`).
		null8(s.clock.lease()).id(self).i8(now-forgottenAfter).idList(known).i8(int64(limit)).
		rows(func(r *wireRow) { claims = append(claims, store.ClaimEntry{ID: r.id(), Node: r.id(), Tasks: r.ids()}) }))
	return claims, err
}

// forgottenAfter is how old a claim of our own must be before it counts as
// unknown to us: the answer to it may still be on its way.
const forgottenAfter = 1_000_000

var (
	lockParentsOfLostSQL = words.SQL(`
select from sendoff.task t join sendoff.wait w on w.task = t.parent
where t.id = any($1) and t.state = :running and t.kind = :kind_local and t.flags & :flag_parent <> 0 for update of w`)
	lockLostSQL = words.SQL(`
select id, token, kind, failures, crashes, first_started, node, flags, parent from sendoff.task
where id = any($1) and state = :running order by id for update`)
)

// lostAttempts locks the tasks of claims that are still running under them, and
// decides what becomes of each. The only ones that can end here are local, and
// what their parents wait with is locked before them.
func lostAttempts(ctx context.Context, c *session, claims []store.ClaimEntry) ([]*ending, error) {
	nodes := map[task.ID][]task.ID{} // of each task, the nodes that lost a claim of it
	var all []task.ID
	for _, claim := range claims {
		for _, id := range claim.Tasks {
			if nodes[id] == nil {
				all = append(all, id)
			}
			nodes[id] = append(nodes[id], claim.Node)
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	var endings []*ending
	err := c.do(ctx, query(pins), query(lockParentsOfLostSQL).idList(all), query(lockLostSQL).idList(all).
		rows(func(r *wireRow) {
			found := &store.Row{ID: r.id(), Token: r.i8(), Kind: task.Kind(r.i2()), Failures: r.i4(), Crashes: r.i4(), FirstStarted: r.i8(), Node: r.id(), Flags: r.i4(), Parent: r.id()}
			if slices.Contains(nodes[found.ID], found.Node) {
				t := store.LostTransition(found)
				t.Flags, t.Parent = found.Flags, found.Parent
				endings = append(endings, newEnding(&t, &hotCall{}, 0, len(endings)))
			}
		}))
	return endings, err
}
