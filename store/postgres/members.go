package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// Register adds a node; see store.Members.
func (s *Store) Register(ctx context.Context, n store.Node, ttl int64) error {
	err := s.keep(ctx, query(`
insert into sendoff.node (id, name, version, roles, pools, started_at, lease_until, draining)
select $1, $2, $3, $4, $5, t.now, t.now + $7, $6 from (select coalesce($8, `+databaseClock+`) as now) t
on conflict (id) do update set name = excluded.name, version = excluded.version, roles = excluded.roles, pools = excluded.pools,
 started_at = excluded.started_at, lease_until = excluded.lease_until, draining = excluded.draining`).
		id(n.ID).text(n.Name).i4(n.Version).text(n.Roles).text(n.Pools).bool(n.Draining).i8(ttl).null8(s.clock.lease()))
	if err != nil {
		return fmt.Errorf("register node: %w", translate(err))
	}
	return nil
}

// Heartbeat extends a lease, by the database's clock, and takes the occasion to
// read it; see store.Members.
func (s *Store) Heartbeat(ctx context.Context, id task.ID, ttl int64, draining bool) (told bool, err error) {
	alive := false
	before := time.Now()
	err = s.keep(ctx, query(`
update sendoff.node n set lease_until = t.now + $2, draining = $3
from (select coalesce($4, `+databaseClock+`) as now) t
where n.id = $1 and n.lease_until > t.now returning t.now, n.told_at > 0`).
		id(id).i8(ttl).bool(draining).null8(s.clock.lease()).
		rows(func(r *wireRow) {
			alive = true
			s.clock.measured(before, time.Now(), r.i8())
			told = r.bool()
		}))
	switch {
	case err != nil:
		return false, fmt.Errorf("heartbeat: %w", err)
	case !alive:
		return false, store.ErrNodeLost
	}
	return told, nil
}

// Drain tells a node to claim nothing more, or takes that back; see store.Members.
func (s *Store) Drain(ctx context.Context, id task.ID, on bool) error {
	found := false
	err := s.act(ctx, &found, query(`
update sendoff.node n set told_at = case when $3 then t.now else 0 end from (select coalesce($2, `+databaseClock+`) as now) t
where n.id = $1 and n.lease_until > t.now returning true`).id(id).null8(s.clock.lease()).bool(on).
		rows(func(r *wireRow) { found = r.bool() }))
	switch {
	case errors.Is(err, errRace):
		return store.ErrNotFound
	case err != nil:
		return fmt.Errorf("tell a node to drain: %w", err)
	}
	return nil
}

// Leave removes a node; see store.Members.
func (s *Store) Leave(ctx context.Context, id task.ID) error {
	if err := s.keep(ctx, query(`delete from sendoff.node where id = $1`).id(id), query(endSharesSQL)); err != nil {
		return fmt.Errorf("remove node: %w", err)
	}
	return nil
}

const nodeColumns = ` id, name, version, roles, pools, started_at, lease_until, draining or told_at > 0 `

func readNode(r *wireRow) store.Node {
	return store.Node{
		ID: r.id(), Name: r.text(), Version: r.i4(), Roles: r.text(), Pools: r.text(),
		StartedAt: r.i8(), LeaseUntil: r.i8(), Draining: r.bool(),
	}
}

// Nodes lists the nodes that are alive; see store.Members.
func (s *Store) Nodes(ctx context.Context) ([]store.Node, error) {
	var nodes []store.Node
	err := s.read(ctx, query(`select`+nodeColumns+`from sendoff.node where lease_until > coalesce($1, `+databaseClock+`) order by id`).
		null8(s.clock.lease()).rows(func(r *wireRow) { nodes = append(nodes, readNode(r)) }))
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	return nodes, nil
}

var heldSQL = words.SQL(`
select h.n from unnest($1, $2) with ordinality as h(id, token, n)
join sendoff.task t on t.id = any(array[h.id]) and t.token = h.token and t.state = :running
 and not (t.flags & :flag_canceling <> 0 and t.expires_at <= $3)`)

func lostStmt(held []store.Held, now int64, running []bool) *stmt {
	return query(heldSQL).
		ids(len(held), func(i int) task.ID { return held[i].ID }).
		i8s(len(held), func(i int) int64 { return held[i].Token }).
		i8(now).
		rows(func(r *wireRow) { running[r.i8()-1] = true })
}

// Lost returns those of held that are not held any more; see store.Members.
func (s *Store) Lost(ctx context.Context, held []store.Held) ([]task.ID, error) {
	if len(held) == 0 {
		return nil, nil
	}
	running := make([]bool, len(held))
	err := s.read(ctx, query(pins), lostStmt(held, s.clock.now(), running))
	if err != nil {
		return nil, fmt.Errorf("look for lost tasks: %w", err)
	}
	var lost []task.ID
	for i, h := range held {
		if !running[i] {
			lost = append(lost, h.ID)
		}
	}
	return lost, nil
}
