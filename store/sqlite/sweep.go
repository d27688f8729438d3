package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

type dueTimer struct {
	at  int64
	id  task.ID
	who store.Entrant
}

// PromoteDue implements store.Sweeper.
func (s *Store) PromoteDue(ctx context.Context, limit int) (int, int64, []store.Woken, error) {
	next, err := s.nextTimer(ctx)
	if err != nil || next == 0 || next > s.clock() {
		return 0, next, nil, err
	}
	promoted, k := 0, woken{}
	err = s.do(ctx, rankOther, limit, func(w *writer) error {
		k, promoted = woken{}, 0
		due, err := w.due(limit)
		if err != nil {
			return err
		}
		for _, d := range due {
			waited, err := w.promoteIfWaiting(&d, &k)
			if err != nil {
				return err
			}
			if waited {
				promoted++
			}
		}
		return w.one(firstTimer, nil, &next)
	})
	if err != nil {
		return 0, 0, nil, err
	}
	return promoted, next, k.list, nil
}

// What runs has a deadline among the timers, which is not a time to be made ready: see Acks.
var (
	firstTimer = words.SQL(`select coalesce((select at from timer where kind <> :running order by at limit 1), 0)`)
	selectDue  = words.SQL(`select r.at, r.id, r.lane, t.kind, t.prio, t.crashes, t.flags from timer r join task t on t.id = r.id
		where r.at <= ? and r.kind <> :running order by r.at, r.id limit +?`)
)

func (s *Store) nextTimer(ctx context.Context) (next int64, err error) {
	err = s.read.QueryRowContext(ctx, firstTimer).Scan(&next)
	return next, s.translate(err)
}

func (w *writer) due(limit int) ([]dueTimer, error) {
	var due []dueTimer
	err := w.query(func(r *sql.Rows) error {
		var d dueTimer
		var id sql.RawBytes
		err := r.Scan(&d.at, &id, &d.who.Lane, &d.who.Kind, &d.who.Priority, &d.who.Crashes, &d.who.Flags)
		copy(d.id[:], id)
		due = append(due, d)
		return err
	}, selectDue, w.now, limit)
	return due, err
}

// promote ends the wait of a task that has a timer.
func (w *writer) promote(d *dueTimer, k *woken) error {
	_, err := w.promoteIfWaiting(d, k)
	return err
}

// promoteIfWaiting is promote for a task that may have lost its timer: one that was
// promoted before it can have replaced it.
func (w *writer) promoteIfWaiting(d *dueTimer, k *woken) (waited bool, err error) {
	pos := w.position()
	n, err := w.changed(`delete from timer where at = ? and id = ?`, d.at, d.id[:])
	if err != nil || n == 0 {
		return false, err
	}
	return true, w.makeReady(d.id, d.who, task.NoReason, pos, k)
}

// Rescue implements store.Sweeper.
func (s *Store) Rescue(ctx context.Context, self task.ID, known []task.ID, limit int) (store.Rescued, error) {
	var out store.Rescued
	if lost, err := s.anyLost(ctx, self, known); err != nil || !lost {
		return out, err
	}
	err := s.do(ctx, rankOther, limit, func(w *writer) error {
		out = store.Rescued{}
		claims, err := w.orphans(self, known, limit)
		if err != nil {
			return err
		}
		for _, c := range claims {
			if err := w.rescueClaim(c, &out); err != nil {
				return err
			}
		}
		k := woken{list: out.Woken}
		err = w.left(&k, `delete from leaver where not exists (select 1 from node where node.id = leaver.node and lease_until > ?)`, w.now)
		if err != nil {
			return err
		}
		out.Woken = k.list
		n, err := w.changed(`delete from node where lease_until <= ?1 and not exists (select 1 from claim where claim.node = node.id)`, w.now)
		if err != nil || n == 0 {
			return err
		}
		return w.endShares()
	})
	if err != nil {
		return store.Rescued{}, err
	}
	return out, nil
}

const selectOrphans = `select c.id, c.node, c.at, c.ids, n.id is not null
	from claim c left join node n on n.id = c.node and n.lease_until > ?1
	where n.id is null or c.node = ?2 and c.at <= ?1 - 1000000 order by c.id`

// anyLost tells whether there is a claim to rescue, or a dead node, without waiting
// for the writer.
func (s *Store) anyLost(ctx context.Context, self task.ID, known []task.ID) (bool, error) {
	var dead int
	err := s.read.QueryRowContext(ctx, `select (select count(*) from node where lease_until <= ?1) + (select count(*) from leaver where not exists (
		select 1 from node where node.id = leaver.node and lease_until > ?1))`, s.clock()).Scan(&dead)
	if err != nil || dead > 0 {
		return dead > 0, s.translate(err)
	}
	rows, err := s.read.QueryContext(ctx, selectOrphans, s.clock(), self[:])
	if err != nil {
		return false, s.translate(err)
	}
	lost := false
	err = each(rows, func(r *sql.Rows) error {
		c, alive, err := scanClaim(r)
		lost = lost || orphan(c, alive, known)
		return err
	})
	return lost, s.translate(err)
}

// orphan tells whether nobody looks after a claim: its node is dead, or is ours and
// does not know it.
func orphan(c store.ClaimEntry, alive bool, known []task.ID) bool {
	return !alive || !slices.Contains(known, c.ID)
}

func (w *writer) orphans(self task.ID, known []task.ID, limit int) ([]store.ClaimEntry, error) {
	var out []store.ClaimEntry
	err := w.query(func(r *sql.Rows) error {
		c, alive, err := scanClaim(r)
		if err == nil && len(out) < limit && orphan(c, alive, known) {
			out = append(out, c)
		}
		return err
	}, selectOrphans, w.now, self[:])
	return out, err
}

func scanClaim(r *sql.Rows) (c store.ClaimEntry, alive bool, err error) {
	var id, node, ids []byte
	if err = r.Scan(&id, &node, &c.At, &ids, &alive); err != nil {
		return c, alive, err
	}
	copy(c.ID[:], id)
	copy(c.Node[:], node)
	for ; len(ids) >= 16; ids = ids[16:] {
		c.Tasks = append(c.Tasks, task.ID(ids[:16]))
	}
	return c, alive, nil
}

func (w *writer) rescueClaim(c store.ClaimEntry, out *store.Rescued) error {
	out.Claims++
	for _, id := range c.Tasks {
		row, err := w.row(id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if row.State != task.Running || row.Node != c.Node {
			continue
		}
		if err := w.rescueTask(&row, out); err != nil {
			return err
		}
	}
	k := woken{list: out.Woken}
	for _, id := range c.Tasks {
		if err := w.left(&k, `delete from leaver where task = ? and node = ?`, id[:], c.Node[:]); err != nil {
			return err
		}
	}
	out.Woken = k.list
	return w.exec(`delete from claim where id = ?`, c.ID[:])
}

func (w *writer) rescueTask(row *store.Row, out *store.Rescued) error {
	t := store.LostTransition(row)
	k := woken{list: out.Woken}
	if _, err := w.settleSlowly(&t, &k); err != nil {
		return err
	}
	out.Woken = k.list
	out.Tasks++
	switch t.Decision.Reason {
	case task.Poison:
		out.Poison++
	case task.Lost:
		out.Lost++
	}
	return w.exec(`update task set token = token + 1 where id = ?`, row.ID[:])
}

const forgetGates = `delete from gate where id in (select id from gate where inside = 0 and waiting = 0 and not configured and next <= ?
	order by next, id limit ?)`

// Retain implements store.Sweeper.
func (s *Store) Retain(ctx context.Context, keep store.Keep, cursor task.ID, limit int) (store.Retained, error) {
	var r store.Retained
	err := s.do(ctx, rankOther, limit, func(w *writer) (err error) {
		r = store.Retained{}
		var old []store.Row
		var keys [][]byte
		seen := 0
		err = w.query(func(rows *sql.Rows) error {
			row, names, err := scanBrief(rows)
			seen++
			r.Next = row.ID
			switch {
			case keep.Over(&row, w.now):
				old, keys = append(old, row), append(keys, names)
			case row.Overdue(w.now):
				r.Overdue = append(r.Overdue, row.ID)
			}
			return err
		}, selectBrief+` where id > ? order by id limit +?`, cursor[:], limit)
		if err != nil {
			return err
		}
		if seen < limit {
			r.Next = task.ID{}
		}
		for i := range old {
			if err := w.erase(&old[i], keys[i]); err != nil {
				return err
			}
		}
		r.Deleted = len(old)
		if err := w.exec(forgetGates, w.now, limit); err != nil {
			return err
		}
		return w.exec(`delete from key where (ns, kind, hash) in (select ns, kind, hash from key
			where until > 0 and until <= ? and (not while_open or not exists (select 1 from task where task.id = key.task))
			order by until, hash limit ?)`, w.now, limit)
	})
	if err != nil {
		return store.Retained{}, err // the writer may be at it still, when ctx ended
	}
	return r, nil
}

var expireTask = words.SQL(`update task set state = :failed, reason = :reason_expired, finished_at = ? where id = ?`)

// Expire implements store.Sweeper.
func (s *Store) Expire(ctx context.Context, ids []task.ID) (int, []store.Woken, error) {
	ended, k := 0, woken{}
	err := s.do(ctx, rankOther, len(ids), func(w *writer) error {
		ended, k = 0, woken{}
		for _, id := range ids {
			row, err := w.row(id)
			if errors.Is(err, store.ErrNotFound) || err == nil && !row.Overdue(w.now) {
				continue
			}
			if err != nil {
				return err
			}
			ended++
			if err := w.expire(&row, &k); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, nil, err
	}
	return ended, k.list, nil
}

// expire ends a task that waits for others.
func (w *writer) expire(row *store.Row, k *woken) error {
	return errors.Join(
		w.unlist(row),
		w.exec(expireTask, w.now, row.ID[:]),
		w.pushDead(row.Lane, w.now, row.ID),
		w.ended(row, task.Failed, task.Expired, store.ExpiredError, nil, k),
		w.leaveGates(row, true, k))
}
