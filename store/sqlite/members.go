package sqlite

import (
	"context"
	"database/sql"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// Register implements store.Members.
func (s *Store) Register(ctx context.Context, n store.Node, ttl int64) error {
	return s.do(ctx, rankOther, 1, func(w *writer) error {
		return w.exec(`insert into node (id, name, version, roles, pools, started_at, lease_until, draining) values (?,?,?,?,?,?,?,?)
			on conflict (id) do update set lease_until = excluded.lease_until, started_at = excluded.started_at`,
			n.ID[:], n.Name, n.Version, n.Roles, n.Pools, w.now, w.now+ttl, n.Draining)
	})
}

// Heartbeat implements store.Members.
func (s *Store) Heartbeat(ctx context.Context, id task.ID, ttl int64, draining bool) (told bool, err error) {
	var k bool
	err = s.do(ctx, rankSettle, 1, func(w *writer) error {
		n, err := w.changed(`update node set lease_until = ?1 + ?2, draining = ?3 where id = ?4 and lease_until > ?1`, w.now, ttl, draining, id[:])
		switch {
		case err != nil:
			return err
		case n == 0:
			return store.ErrNodeLost
		}
		return w.one(`select told_at > 0 from node where id = ?`, []any{id[:]}, &k)
	})
	if err != nil {
		return false, err
	}
	return k, nil
}

// Drain implements store.Members.
func (s *Store) Drain(ctx context.Context, id task.ID, on bool) error {
	return s.do(ctx, rankOther, 1, func(w *writer) error {
		n, err := w.changed(`update node set told_at = case when ?3 then ?1 else 0 end where id = ?2 and lease_until > ?1`, w.now, id[:], on)
		return orNotFound(err, n)
	})
}

// Leave implements store.Members.
func (s *Store) Leave(ctx context.Context, id task.ID) error {
	return s.do(ctx, rankOther, 1, func(w *writer) error {
		if err := w.exec(`delete from node where id = ?`, id[:]); err != nil {
			return err
		}
		return w.endShares()
	})
}

// Nodes implements store.Members.
func (s *Store) Nodes(ctx context.Context) ([]store.Node, error) {
	return readAll(ctx, s, scanNode, selectNode+`where lease_until > ? order by id`, s.clock())
}

const selectNode = `select id, name, version, roles, pools, started_at, lease_until, draining or told_at > 0 from node `

func scanNode(r *sql.Rows) (n store.Node, err error) {
	var id []byte
	err = r.Scan(&id, &n.Name, &n.Version, &n.Roles, &n.Pools, &n.StartedAt, &n.LeaseUntil, &n.Draining)
	copy(n.ID[:], id)
	return n, err
}

var countHeld = words.SQL(`select count(*) from task where id = ? and token = ? and state = :running
	and not (flags & :flag_canceling <> 0 and expires_at <= ?)`)

// Lost implements store.Members.
func (s *Store) Lost(ctx context.Context, held []store.Held) ([]task.ID, error) {
	var lost []task.ID
	for _, h := range held {
		var n int
		err := s.read.QueryRowContext(ctx, countHeld, h.ID[:], h.Token, s.clock()).Scan(&n)
		if err != nil {
			return nil, s.translate(err)
		}
		if n == 0 {
			lost = append(lost, h.ID)
		}
	}
	return lost, nil
}
