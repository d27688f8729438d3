package postgres

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// Claim hands tasks to a node; see store.Claimer.
func (s *Store) Claim(ctx context.Context, req store.ClaimRequest) (store.ClaimBatch, error) {
	call := &hotCall{claim: &req}
	if err := s.doHot(ctx, call); err != nil {
		return store.ClaimBatch{}, fmt.Errorf("claim: %w", err)
	}
	call.inOrder()
	return call.batch, nil
}

func (s *Store) claimStmts(t *turn) []*stmt {
	if len(t.claims) == 0 {
		return nil
	}
	// Before the claims, in a statement of its own: their snapshots are then
	// younger than any pause that waited for this lock to be free.
	stmts := []*stmt{query(`select pg_advisory_xact_lock_shared($1)`).i8(lockClaims)}
	for _, call := range t.claims {
		call.batch = store.ClaimBatch{Now: t.now}
		if q := s.claimStmt(call, t.now); q != nil {
			stmts = append(stmts, q)
		}
	}
	return stmts
}

// claimSQL takes work list entries by their physical place, which one ordered
// index scan for each slot finds, then the rows by primary key. There is no
// "order by" outside of those scans: a sort would be pinned off and costed so
// high that it spoils the plan.
var claimSQL = words.SQL(`
with l as materialized (
 select ctid, slot.n from unnest($5, $6, $7, $8) with ordinality as slot(lane, prio, cur, lim, n)
 cross join lateral (
  select r.ctid from sendoff.ready r where r.lane = slot.lane and r.prio = slot.prio and r.pos >= slot.cur
  order by r.pos limit slot.lim for update skip locked) as x
 where (select not q.paused and coalesce(n.paused_at, 0) = 0 from sendoff.lane a join sendoff.queue q on q.id = a.queue
  left join sendoff.namespace n on n.id = q.ns where a.id = slot.lane)
  and exists (select from sendoff.node where id = $2 and lease_until > coalesce($4, ` + databaseClock + `))
 limit $9),
c as (delete from sendoff.ready r using l where r.ctid = l.ctid returning r.id, r.pos, r.prio, l.n),
u as (update sendoff.task t set token = t.token + 1,
  state = case when t.expires_at between 1 and $3 and t.flags & :related = 0 then :failed else :running end,
  reason = case when t.expires_at between 1 and $3 and t.flags & :related = 0 then :reason_expired else :reason_none end,
  finished_at = case when t.expires_at between 1 and $3 and t.flags & :related = 0 then $3 else t.finished_at end,
  node = case when t.expires_at between 1 and $3 and t.flags & :related = 0 then t.node else $2 end,
  last_started = case when t.expires_at between 1 and $3 and t.flags & :related = 0 then t.last_started else $3 end,
  first_started = case when t.first_started = 0 and not (t.expires_at between 1 and $3 and t.flags & :related = 0) then $3 else t.first_started end
 from c where t.id = any(array[c.id]) and t.state = :ready
 returning c.n, c.pos, c.prio, t.state, t.id, t.token, t.lane, t.kind, t.flags, t.run, t.failures, t.crashes, t.max_attempts,
  t.created_at, t.at, t.expires_at, t.first_started, t.last_code, t.parent, t.root, t.gates, t.spec, t.payload),
d as (insert into sendoff.dead (at, lane, id) select $3, lane, id from u where state = :failed),
k as (insert into sendoff.claim (id, node, at, ids)
 select $1, $2, $3, array_agg(id order by n, pos, id) from u where state = :running having count(*) > 0)
select n, state, id, token, lane, prio, pos, kind, flags, run, failures, crashes, max_attempts, created_at, at, expires_at, first_started, last_code, parent, root, gates, spec,
 case when flags & :flag_body = 0 then payload else (select b.bytes from sendoff.body b where b.task = u.id and b.part = :part_payload) end
from u`)

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

func readClaimed(r *wireRow, now int64) store.Claimed {
	return store.Claimed{
		ID: r.id(), Token: r.i8(), Lane: r.i4(), Priority: r.i2(), Position: r.i8(), Kind: task.Kind(r.i2()), Flags: r.i4(),
		Run: r.i4(), Failures: r.i4(), Crashes: r.i4(), MaxAttempts: r.i4(), CreatedAt: r.i8(), ReadyAt: r.i8(), ExpiresAt: r.i8(),
		FirstStarted: r.i8(), LastCode: r.i4(), Parent: r.id(), Root: r.id(), Gates: r.bytes(), Spec: r.bytes(), Payload: present(r.bytes()), StartedAt: now,
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

const probeSQL = `select pos from sendoff.ready where lane = $1 and prio = $2 and pos >= $3 and pos < $4 order by pos limit 1`

// Probe looks for an entry in a window of positions; see store.Claimer.
func (s *Store) Probe(ctx context.Context, lane int32, priority int16, from, to int64) (position int64, found bool, err error) {
	err = s.read(ctx, query(pins), query(probeSQL).i4(lane).i2(priority).i8(from).i8(to).
		rows(func(r *wireRow) { position, found = r.i8(), true }))
	if err != nil {
		return 0, false, fmt.Errorf("probe: %w", err)
	}
	return position, found, nil
}
