package postgres

import (
	"context"
	"fmt"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

const setViewSQL = `
insert into sendoff.node_view (node, at, body)
select n.id, $1, $3 from sendoff.node n where n.id = $2 and n.lease_until > coalesce($4, ` + databaseClock + `)
on conflict (node) do update set at = excluded.at, body = excluded.body`

// dropViewsSQL waits for no other node that drops the same.
const dropViewsSQL = `
delete from sendoff.node_view where node in (
 select v.node from sendoff.node_view v where not exists (select from sendoff.node n where n.id = v.node) for update skip locked)`

// SetView keeps what a node tells; see store.Views.
func (s *Store) SetView(ctx context.Context, node task.ID, body []byte) error {
	err := s.write(ctx,
		query(setViewSQL).i8(s.clock.now()).id(node).bytes(body).null8(s.clock.lease()),
		query(dropViewsSQL))
	if err != nil {
		return fmt.Errorf("keep what a node tells: %w", err)
	}
	return nil
}

// Views lists what living nodes tell; see store.Views.
func (s *Store) Views(ctx context.Context) ([]store.View, error) {
	var views []store.View
	err := s.read(ctx, query(`
select v.node, n.name, v.at, v.body from sendoff.node_view v join sendoff.node n on n.id = v.node
where n.lease_until > coalesce($1, `+databaseClock+`) order by v.node`).null8(s.clock.lease()).
		rows(func(r *wireRow) {
			views = append(views, store.View{Node: r.id(), Name: r.text(), At: r.i8(), Body: r.bytes()})
		}))
	if err != nil {
		return nil, fmt.Errorf("list what nodes tell: %w", err)
	}
	return views, nil
}

// AskReset asks all nodes; see store.Views.
func (s *Store) AskReset(ctx context.Context, r store.Reset) error {
	now := s.clock.now()
	err := s.write(ctx,
		query(`delete from sendoff.endpoint_reset where at < $1`).i8(now-store.KeepResets),
		query(`insert into sendoff.endpoint_reset (id, at, endpoint, kind) values ($1, $2, $3, $4) on conflict (id) do nothing`).id(r.ID).i8(now).text(r.Endpoint).i2(int16(r.Kind)))
	if err != nil {
		return fmt.Errorf("ask for a reset: %w", err)
	}
	return nil
}

// Resets lists what was asked for; see store.Views.
func (s *Store) Resets(ctx context.Context, since int64) ([]store.Reset, error) {
	var resets []store.Reset
	err := s.read(ctx, query(`select id, at, endpoint, kind from sendoff.endpoint_reset where at >= $1 order by at, id`).i8(since).
		rows(func(r *wireRow) {
			resets = append(resets, store.Reset{ID: r.id(), At: r.i8(), Endpoint: r.text(), Kind: store.ResetKind(r.i2())})
		}))
	if err != nil {
		return nil, fmt.Errorf("list resets: %w", err)
	}
	return resets, nil
}

// PauseHost pauses pushes to a host, or resumes them; see store.Views.
func (s *Store) PauseHost(ctx context.Context, host string, paused bool) error {
	q := query(`delete from sendoff.endpoint_pause where host = $1`).text(host)
	if paused {
		q = query(`insert into sendoff.endpoint_pause (host, at) values ($1, $2) on conflict (host) do nothing`).text(host).i8(s.clock.now())
	}
	if err := s.write(ctx, q); err != nil {
		return fmt.Errorf("pause a host: %w", err)
	}
	return nil
}

// PausedHosts lists the hosts that get no pushes; see store.Views.
func (s *Store) PausedHosts(ctx context.Context) ([]store.PausedHost, error) {
	var hosts []store.PausedHost
	err := s.read(ctx, query(`select host, at from sendoff.endpoint_pause order by host`).
		rows(func(r *wireRow) { hosts = append(hosts, store.PausedHost{Host: r.text(), At: r.i8()}) }))
	if err != nil {
		return nil, fmt.Errorf("list paused hosts: %w", err)
	}
	return hosts, nil
}
