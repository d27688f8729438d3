package postgres

import (
	"context"
	"fmt"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Share settles what a node has of the limits of queues; see store.Quotas. All nodes
// do it one after the other, a few times a second. The row of the node is kept from
// being deleted until the commit, so that its shares are deleted after it.
func (s *Store) Share(ctx context.Context, node task.ID, asks []store.Ask) ([]store.Granted, error) {
	var granted []store.Granted
	err := s.change(ctx, func(ctx context.Context, c *session) error {
		granted = make([]store.Granted, len(asks))
		now := s.clock.now()
		alive := false
		holds := make([]bool, len(asks))
		shares := map[int32][]store.Share{}
		queue := func(i int) int32 { return asks[i].Queue }
		err := c.begin(ctx, query(`select pg_advisory_xact_lock($1)`).i8(lockShares), query(pins),
			query(`select true from sendoff.node where id = $1 and lease_until > coalesce($2, `+databaseClock+`) for key share`).
				id(node).null8(s.clock.lease()).rows(func(*wireRow) { alive = true }),
			query(settingsHoldSQL).i4s(len(asks), queue).blobs(len(asks), func(i int) []byte { return asks[i].Settings }).
				rows(func(r *wireRow) { holds[r.i8()-1] = true }),
			query(sharesOfSQL).i4s(len(asks), queue).rows(func(r *wireRow) {
				one := readShare(r)
				shares[one.Queue] = append(shares[one.Queue], one)
			}))
		if err != nil {
			return err
		}
		if !alive {
			return store.ErrNodeLost
		}
		var put []store.Share
		for i := range asks {
			d := store.Divide(asks[i], holds[i], node, shares[asks[i].Queue], now)
			granted[i] = d.Granted
			put = append(put, d.Mine, d.Rest)
		}
		return c.commit(ctx, putShares(put)...)
	})
	if err != nil {
		return nil, fmt.Errorf("share the limits of queues: %w", translate(err))
	}
	return granted, nil
}

const (
	settingsHoldSQL = `
select a.n from unnest($1, $2) with ordinality as a(queue, settings, n)
join sendoff.queue q on q.id = a.queue and q.forgotten_at = 0 and q.settings is not distinct from a.settings`

	shareColumns = ` queue, node, slots, burst, want_slots, want_burst, level, at `

	sharesOfSQL = `select` + shareColumns + `from sendoff.share where queue = any($1)`

	putSharesSQL = `
insert into sendoff.share (` + shareColumns + `)
select p.queue, p.node, p.slots, p.burst, p.want_slots, p.want_burst, p.level, p.at
from unnest($1, $2, $3, $4, $5, $6, $7, $8) as p(` + shareColumns + `)
on conflict (queue, node) do update set slots = excluded.slots, burst = excluded.burst, want_slots = excluded.want_slots,
 want_burst = excluded.want_burst, level = excluded.level, at = excluded.at`

	dropSharesSQL = `delete from sendoff.share s using unnest($1, $2) as d(queue, node) where s.queue = d.queue and s.node = d.node`

	// endSharesSQL deletes the shares of nodes that are gone. It walks over all shares: there are as many as nodes
	// times queues with limits.
	endSharesSQL = `
delete from sendoff.share s where s.at = 0 and not exists (select from sendoff.node n where n.id = s.node)`
)

func readShare(r *wireRow) store.Share {
	return store.Share{
		Queue: r.i4(), Node: r.id(), Has: store.Amount{Slots: r.i4(), Burst: r.i4()}, Want: store.Amount{Slots: r.i4(), Burst: r.i4()},
		Level: r.i8(), At: r.i8(),
	}
}

func putShares(all []store.Share) []*stmt {
	var put, drop []store.Share
	for _, s := range all {
		if s.None() {
			drop = append(drop, s)
		} else {
			put = append(put, s)
		}
	}
	i4s := func(q *stmt, of func(*store.Share) int32) *stmt {
		return q.i4s(len(put), func(i int) int32 { return of(&put[i]) })
	}
	q := i4s(query(putSharesSQL), func(s *store.Share) int32 { return s.Queue }).nodes(len(put), func(i int) task.ID { return put[i].Node })
	q = i4s(q, func(s *store.Share) int32 { return s.Has.Slots })
	q = i4s(q, func(s *store.Share) int32 { return s.Has.Burst })
	q = i4s(q, func(s *store.Share) int32 { return s.Want.Slots })
	q = i4s(q, func(s *store.Share) int32 { return s.Want.Burst })
	q = q.i8s(len(put), func(i int) int64 { return put[i].Level }).i8s(len(put), func(i int) int64 { return put[i].At })
	return []*stmt{q, query(dropSharesSQL).
		i4s(len(drop), func(i int) int32 { return drop[i].Queue }).nodes(len(drop), func(i int) task.ID { return drop[i].Node })}
}

// Shares lists all shares; see store.Quotas.
func (s *Store) Shares(ctx context.Context) ([]store.Share, error) {
	var shares []store.Share
	err := s.read(ctx, query(`select`+shareColumns+`from sendoff.share order by queue, node`).
		rows(func(r *wireRow) { shares = append(shares, readShare(r)) }))
	if err != nil {
		return nil, fmt.Errorf("list shares: %w", err)
	}
	return shares, nil
}

const occupiedSQL = `
select l.id from unnest($1) as l(id) cross join lateral (select r.pos from sendoff.ready r where r.lane = l.id order by r.lane, r.prio, r.pos limit 1) x`

// Occupied returns the lanes in which a task is ready; see store.Quotas.
func (s *Store) Occupied(ctx context.Context, lanes []int32) ([]int32, error) {
	var out []int32
	err := s.read(ctx, query(pins), query(occupiedSQL).i4s(len(lanes), func(i int) int32 { return lanes[i] }).
		rows(func(r *wireRow) { out = append(out, r.i4()) }))
	if err != nil {
		return nil, fmt.Errorf("look for ready tasks: %w", err)
	}
	return out, nil
}
