package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Share implements store.Quotas.
func (s *Store) Share(ctx context.Context, node task.ID, asks []store.Ask) ([]store.Granted, error) {
	var granted []store.Granted
	err := s.do(ctx, rankOther, len(asks), func(w *writer) error {
		granted = make([]store.Granted, len(asks))
		alive := 0
		if err := w.one(`select count(*) from node where id = ? and lease_until > ?`, []any{node[:], w.now}, &alive); err != nil {
			return err
		}
		if alive == 0 {
			return store.ErrNodeLost
		}
		for i := range asks {
			d, err := w.divide(&asks[i], node)
			if err != nil {
				return err
			}
			granted[i] = d.Granted
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return granted, nil
}

func (w *writer) divide(ask *store.Ask, node task.ID) (d store.Division, err error) {
	holds := 0
	err = w.one(`select count(*) from queue where id = ? and forgotten_at = 0 and settings is ?`, []any{ask.Queue, ask.Settings}, &holds)
	if err != nil {
		return d, err
	}
	var shares []store.Share
	err = w.query(func(r *sql.Rows) error {
		one, err := scanShare(r)
		shares = append(shares, one)
		return err
	}, selectShare+`where queue = ?`, ask.Queue)
	if err != nil {
		return d, err
	}
	d = store.Divide(*ask, holds == 1, node, shares, w.now)
	return d, errors.Join(w.putShare(&d.Mine), w.putShare(&d.Rest))
}

func (w *writer) putShare(s *store.Share) error {
	if s.None() {
		return w.exec(`delete from share where queue = ? and node = ?`, s.Queue, s.Node[:])
	}
	return w.exec(`insert into share (queue, node, slots, burst, want_slots, want_burst, level, at) values (?, ?, ?, ?, ?, ?, ?, ?)
		on conflict do update set slots = excluded.slots, burst = excluded.burst, want_slots = excluded.want_slots, want_burst = excluded.want_burst,
		level = excluded.level, at = excluded.at`,
		s.Queue, s.Node[:], s.Has.Slots, s.Has.Burst, s.Want.Slots, s.Want.Burst, s.Level, s.At)
}

const selectShare = `select queue, node, slots, burst, want_slots, want_burst, level, at from share `

func scanShare(r *sql.Rows) (s store.Share, err error) {
	var id []byte
	err = r.Scan(&s.Queue, &id, &s.Has.Slots, &s.Has.Burst, &s.Want.Slots, &s.Want.Burst, &s.Level, &s.At)
	copy(s.Node[:], id)
	return s, err
}

// Shares implements store.Quotas.
func (s *Store) Shares(ctx context.Context) ([]store.Share, error) {
	return readAll(ctx, s, scanShare, selectShare+`order by queue, node`)
}

// endShares deletes the shares of nodes that are gone.
func (w *writer) endShares() error {
	return w.exec(`delete from share where at = 0 and not exists (select 1 from node where node.id = share.node)`)
}

// Occupied implements store.Quotas.
func (s *Store) Occupied(ctx context.Context, lanes []int32) ([]int32, error) {
	var out []int32
	for _, lane := range lanes {
		var some bool
		err := s.read.QueryRowContext(ctx, `select exists (select 1 from ready where lane = ?)`, lane).Scan(&some)
		if err != nil {
			return nil, s.translate(err)
		}
		if some {
			out = append(out, lane)
		}
	}
	return out, nil
}
