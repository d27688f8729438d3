package sqlite

import (
	"context"
	"database/sql"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// SetView implements store.Views.
func (s *Store) SetView(ctx context.Context, node task.ID, body []byte) error {
	return s.do(ctx, rankOther, 1, func(w *writer) error {
		err := w.exec(`insert into node_view (node, at, body) select id, ?1, coalesce(?3, x'') from node where id = ?2 and lease_until > ?1
			on conflict (node) do update set at = excluded.at, body = excluded.body`, w.now, node[:], body)
		if err != nil {
			return err
		}
		return w.exec(`delete from node_view where node not in (select id from node)`)
	})
}

// Views implements store.Views.
func (s *Store) Views(ctx context.Context) ([]store.View, error) {
	return readAll(ctx, s, func(r *sql.Rows) (v store.View, err error) {
		var id []byte
		err = r.Scan(&id, &v.Name, &v.At, &v.Body)
		copy(v.Node[:], id)
		return v, err
	}, `select v.node, n.name, v.at, v.body from node_view v join node n on n.id = v.node where n.lease_until > ? order by v.node`, s.clock())
}

// AskReset implements store.Views.
func (s *Store) AskReset(ctx context.Context, r store.Reset) error {
	return s.do(ctx, rankOther, 1, func(w *writer) error {
		if err := w.exec(`delete from endpoint_reset where at < ?`, w.now-store.KeepResets); err != nil {
			return err
		}
		return w.exec(`insert into endpoint_reset (id, at, endpoint, kind) values (?,?,?,?) on conflict (id) do nothing`, r.ID[:], w.now, r.Endpoint, r.Kind)
	})
}

// Resets implements store.Views.
func (s *Store) Resets(ctx context.Context, since int64) ([]store.Reset, error) {
	return readAll(ctx, s, func(r *sql.Rows) (v store.Reset, err error) {
		var id []byte
		err = r.Scan(&id, &v.At, &v.Endpoint, &v.Kind)
		copy(v.ID[:], id)
		return v, err
	}, `select id, at, endpoint, kind from endpoint_reset where at >= ? order by at, id`, since)
}

// PauseHost implements store.Views.
func (s *Store) PauseHost(ctx context.Context, host string, paused bool) error {
	return s.do(ctx, rankOther, 1, func(w *writer) error {
		if paused {
			return w.exec(`insert into endpoint_pause (host, at) values (?,?) on conflict (host) do nothing`, host, w.now)
		}
		return w.exec(`delete from endpoint_pause where host = ?`, host)
	})
}

// PausedHosts implements store.Views.
func (s *Store) PausedHosts(ctx context.Context) ([]store.PausedHost, error) {
	return readAll(ctx, s, func(r *sql.Rows) (h store.PausedHost, err error) {
		err = r.Scan(&h.Host, &h.At)
		return h, err
	}, `select host, at from endpoint_pause order by host`)
}
