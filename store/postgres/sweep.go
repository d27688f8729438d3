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

// What runs has a deadline among the timers, which is not a time to be made ready: see Acks.
var dueSQL = words.SQL(`
with l as materialized (select ctid from sendoff.timer where at >= $1 and at <= $2 and kind <> :running order by at, id limit $3 for update skip locked),
m as (delete from sendoff.timer t using l where t.ctid = l.ctid returning t.at, t.id)
select m.at, m.id, k.state, k.lane, k.kind, k.prio, k.crashes, k.flags
from m cross join lateral (select * from sendoff.task k where k.id = m.id) k`)

var nextTimerSQL = words.SQL(`select at from sendoff.timer where at >= $1 and kind <> :running order by at, id limit 1`)

// due is a task whose timer was taken.
type due struct {
	entering
	gated bool
}

func readDue(r *wireRow) due {
	d := due{entering: entering{timer: r.i8(), id: r.id(), was: task.State(r.i2())}}
	who := store.Entrant{Lane: r.i4(), Kind: task.Kind(r.i2()), Priority: r.i2(), Crashes: r.i4(), Flags: r.i4()}
	d.Entry, d.gated = store.Enter(who, task.NoReason), who.Flags&store.FlagGate != 0
	return d
}

func (d due) compare(other due) int {
	return cmp.Or(cmp.Compare(d.timer, other.timer), bytes.Compare(d.id[:], other.id[:]))
}

var gatesOfDueSQL = words.SQL(`
select t.gates from (select id from sendoff.timer where at >= $1 and at <= $2 and kind <> :running order by at, id limit $3) m
join sendoff.task t on t.id = any(array[m.id]) where t.flags & :flag_gate <> 0`)

// takeDue begins a transaction, locks the gates of what is due, and takes it.
func (f *gateFloor) takeDue(from int64, limit int, take *stmt) error {
	if err := f.c.begin(f.ctx, query(pins)); err != nil {
		return err
	}
	if err := f.holdAsked(query(gatesOfDueSQL).i8(from).i8(f.now).i8(int64(limit))); err != nil {
		return err
	}
	return f.do(take)
}

// PromoteDue makes due tasks ready; see store.Sweeper.
func (s *Store) PromoteDue(ctx context.Context, limit int) (promoted int, next int64, woken []store.Woken, err error) {
	from, full := s.timers.from()
	var now int64
	var taken []due
	err = s.change(ctx, func(ctx context.Context, c *session) error {
		promoted, next, woken, taken, now = 0, 0, nil, nil, s.clock.now()
		take := query(dueSQL).i8(from).i8(now).i8(int64(limit)).
			rows(func(r *wireRow) { taken = append(taken, readDue(r)) })
		rest := query(nextTimerSQL).i8(from).
			rows(func(r *wireRow) { next = r.i8() })
		if err := c.begin(ctx, query(pins), take, rest); err != nil || len(taken) == 0 {
			return err
		}
		if slices.ContainsFunc(taken, func(d due) bool { return d.gated }) {
			c.rollback(ctx) // gates are locked before timers
			taken = nil
			f := &gateFloor{s: s, ctx: ctx, c: c, now: now, woken: &woken}
			if err := f.takeDue(from, limit, take); err != nil {
				return err
			}
			slices.SortFunc(taken, due.compare)
			if promoted, err = f.promote(taken); err == nil {
				next = 0
				err = c.commit(ctx, rest)
			}
			return err
		}
		slices.SortFunc(taken, due.compare)
		span := s.clock.take(len(taken))
		list := make([]entering, len(taken))
		for i := range taken {
			list[i] = taken[i].entering
			list[i].pos = span.first + int64(i)
		}
		return c.commit(ctx, enter(list, func(w store.Woken) {
			promoted++
			woken = store.Collect(woken, w)
		}))
	})
	if err != nil {
		return 0, 0, nil, fmt.Errorf("promote due tasks: %w", err)
	}
	if len(taken) < limit {
		s.timers.swept(now, full)
	}
	return promoted, next, woken, nil
}

// Rescue takes back the tasks of lost claims; see store.Sweeper.
func (s *Store) Rescue(ctx context.Context, self task.ID, known []task.ID, limit int) (store.Rescued, error) {
	var result store.Rescued
	err := s.change(ctx, func(ctx context.Context, c *session) error {
		result = store.Rescued{}
		now := s.clock.now()
		claims, leavers, err := s.lostClaims(ctx, c, self, known, limit, now)
		if err != nil {
			return err
		}
		if len(claims) == 0 && !leavers {
			return c.commit(ctx, s.closeLost(nil)...)
		}
		endings, err := lostAttempts(ctx, c, claims)
		if err != nil {
			return err
		}
		result.Claims = len(claims)
		at := &gateFloor{s: s, ctx: ctx, c: c, now: now, woken: &result.Woken, behind: true}
		poisoned, err := at.ending(endings)
		if err != nil {
			return err
		}
		writes, err := s.endLost(ctx, c, endings, now, &result)
		if err != nil {
			return err
		}
		if err := c.do(ctx, append(writes, s.closeLost(claims)...)...); err != nil {
			return err
		}
		for _, row := range poisoned {
			if err := at.leave(row); err != nil {
				return err
			}
		}
		if err := at.leftBehind(claims); err != nil {
			return err
		}
		err = c.commit(ctx)
		for _, e := range endings { // who came late to its gates is known by now
			for _, w := range e.call.woken {
				result.Woken = store.Collect(result.Woken, w)
			}
		}
		return err
	})
	if err != nil {
		return store.Rescued{}, fmt.Errorf("rescue lost claims: %w", err)
	}
	return result, nil
}

// closeLost deletes claims, and the nodes that are gone and have no claim any more.
func (s *Store) closeLost(claims []store.ClaimEntry) (stmts []*stmt) {
	if len(claims) > 0 {
		stmts = append(stmts, query(closeSQL).ids(len(claims), func(i int) task.ID { return claims[i].ID }))
	}
	return append(stmts,
		query(`delete from sendoff.node n where n.lease_until <= coalesce($1, `+databaseClock+`)
 and not exists (select from sendoff.claim c where c.node = n.id)`).null8(s.clock.lease()),
		query(endSharesSQL)) // in a statement of its own: it has to see what committed while the one before waited
}

// endLost ends attempts of lost claims, and returns what is left to be written of that.
func (s *Store) endLost(ctx context.Context, c *session, endings []*ending, now int64, result *store.Rescued) ([]*stmt, error) {
	if len(endings) == 0 {
		return nil, nil
	}
	settle := settleFull(endings, now, 1, func(e *ending, r *wireRow) {
		e.done = true
		result.Tasks++
		switch e.Decision.Reason {
		case task.Poison:
			result.Poison++
		case task.Lost:
			result.Lost++
		}
		w := store.Woken{Lane: r.i4(), Priority: r.i2(), Position: r.i8()}
		if task.State(r.i2()) == task.Ready {
			result.Woken = store.Collect(result.Woken, w)
		}
		e.run = r.i4()
	})
	told := slices.DeleteFunc(slices.Clone(endings), func(e *ending) bool { return e.parent().IsZero() })
	if len(told) == 0 && !slices.ContainsFunc(endings, func(e *ending) bool { return e.follows }) {
		return []*stmt{settle}, nil
	}
	f := newFamily(s.clock, now)
	_, look := f.round(told)
	if err := c.do(ctx, settle, look); err != nil {
		return nil, err
	}
	followers, err := endInOrder(ctx, c, f, s.newFollowing(f.now), endings)
	if err != nil {
		return nil, err
	}
	return append(f.statements(), followers...), nil
}

// lostClaims begins the transaction and locks claims that nobody looks after.
// One that another node is rescuing at this moment is passed over. leavers tells whether
// there is somebody at a gate who may have to be let go.
func (s *Store) lostClaims(ctx context.Context, c *session, self task.ID, known []task.ID, limit int, now int64) (claims []store.ClaimEntry, leavers bool, err error) {
	err = c.begin(ctx, query(`
select c.id, c.node, c.ids from sendoff.claim c
where not exists (select from sendoff.node n where n.id = c.node and n.lease_until > coalesce($1, `+databaseClock+`))
 or c.node = $2 and c.at <= $3 and c.id <> all($4)
order by c.id limit $5 for update of c skip locked`).
		null8(s.clock.lease()).id(self).i8(now-forgottenAfter).idList(known).i8(int64(limit)).
		rows(func(r *wireRow) { claims = append(claims, store.ClaimEntry{ID: r.id(), Node: r.id(), Tasks: r.ids()}) }),
		query(anyLeaverSQL).rows(func(r *wireRow) { leavers = r.bool() }))
	return claims, leavers, err
}

// forgottenAfter is how old a claim of our own must be before it counts as
// unknown to us: the answer to it may still be on its way.
const forgottenAfter = 1_000_000

var (
	lockParentsOfLostSQL = words.SQL(`
select from sendoff.task t join sendoff.wait w on w.task = t.parent
where t.id = any($1) and t.state = :running and (t.kind = :kind_local or t.flags & :flag_once <> 0) and t.flags & :flag_parent <> 0 for update of w`)
	lockLostSQL = words.SQL(`
select id, token, kind, failures, crashes, first_started, node, flags, parent from sendoff.task
where id = any($1) and state = :running order by id for update`)
)

// lostAttempts locks the tasks of claims that are still running under them, and
// decides what becomes of each. The only ones that can end here are local or begun once,
// and what their parents wait with is locked before them.
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
