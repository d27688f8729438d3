package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// Claim implements store.Claimer.
func (s *Store) Claim(ctx context.Context, req store.ClaimRequest) (store.ClaimBatch, error) {
	var batch store.ClaimBatch
	rank := rankClaim
	if req.Rides != nil {
		rank = rankRide
	}
	err := s.ride(ctx, req.Rides, rank, req.Limit, func(w *writer) (err error) {
		batch, err = w.claim(&req)
		return err
	})
	if err != nil {
		return store.ClaimBatch{}, err
	}
	return batch, nil
}

func (w *writer) claim(req *store.ClaimRequest) (store.ClaimBatch, error) {
	batch := store.ClaimBatch{Now: w.now}
	for _, id := range req.Done {
		if err := w.exec(`delete from claim where id = ?`, id[:]); err != nil {
			return batch, err
		}
	}
	if alive, err := w.alive(req.Node); err != nil || !alive {
		return batch, err
	}
	var ids []byte
	left := req.Limit
	for _, slot := range req.Slots {
		slot.Limit = min(slot.Limit, left)
		if slot.Limit <= 0 {
			continue
		}
		got, err := w.claimSlot(slot, req.Node)
		if err != nil {
			return batch, err
		}
		left -= len(got)
		for _, c := range got {
			if c.ExpiresAt != 0 && c.ExpiresAt <= w.now && c.Flags&store.Related == 0 {
				batch.Expired++
				if err := w.pushDead(c.Lane, w.now, c.ID); err != nil {
					return batch, err
				}
				continue
			}
			batch.Tasks = append(batch.Tasks, c)
			ids = append(ids, c.ID[:]...)
		}
	}
	if len(ids) == 0 {
		return batch, nil
	}
	return batch, w.exec(`insert into claim (id, node, at, ids) values (?,?,?,?)`, req.ID[:], req.Node[:], w.now, ids)
}

func (w *writer) alive(node task.ID) (bool, error) {
	var until int64
	err := w.one(`select lease_until from node where id = ?`, []any{node[:]}, &until)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return until > w.now, err
}

// Bare parameters here would have SQLite plan the statement anew each time they
// are bound; with a plus in front they are expressions, and it does not.
var claimTasks = words.SQL(`update task set token = token + 1,
		state = case when flags & :related = 0 and expires_at between 1 and ?6 then :failed else :running end,
		reason = case when flags & :related = 0 and expires_at between 1 and ?6 then :reason_expired else :reason_none end,
		finished_at = case when flags & :related = 0 and expires_at between 1 and ?6 then ?6 else 0 end,
		node = case when flags & :related = 0 and expires_at between 1 and ?6 then node else ?5 end,
		last_started = case when flags & :related = 0 and expires_at between 1 and ?6 then last_started else ?6 end,
		first_started = case when first_started > 0 or flags & :related = 0 and expires_at between 1 and ?6 then first_started else ?6 end
	from (select id from ready where lane = +?1 and prio = +?2 and pos >= +?3
		and not exists (select 1 from lane l join queue q on q.id = l.queue left join namespace n on n.id = q.ns where l.id = +?1 and (q.paused or n.paused_at > 0))
		order by pos, id limit +?4) as r
	where task.id = r.id
	returning task.id, token, lane, at, kind, flags, run, failures, crashes, max_attempts, created_at, expires_at,
		first_started, last_code, parent, root, gates, spec, payload`)

// selectBody reads a payload that is not in the row.
var selectBody = words.SQL(`select bytes from body where task = ? and part = :part_payload`)

// claimSlot makes the first tasks of a line running, or failed when they have
// expired, and takes them off the line.
func (w *writer) claimSlot(slot store.ClaimSlot, node task.ID) ([]store.Claimed, error) {
	var got []store.Claimed
	err := w.query(func(r *sql.Rows) error {
		got = append(got, store.Claimed{Priority: slot.Priority, StartedAt: w.now})
		return scanClaimed(r, &got[len(got)-1])
	}, claimTasks, slot.Lane, slot.Priority, slot.Cursor, slot.Limit, node[:], w.now)
	if err != nil || len(got) == 0 {
		return nil, err
	}
	slices.SortFunc(got, func(a, b store.Claimed) int {
		return cmp.Or(cmp.Compare(a.Position, b.Position), slices.Compare(a.ID[:], b.ID[:]))
	})
	for i := range got {
		if got[i].Flags&store.FlagBody != 0 {
			if err := w.one(selectBody, []any{got[i].ID[:]}, &got[i].Payload); err != nil {
				return nil, err
			}
		}
	}
	last := got[len(got)-1]
	return got, w.exec(`delete from ready where lane = ? and prio = ? and pos >= ? and (pos, id) <= (?, ?)`,
		slot.Lane, slot.Priority, slot.Cursor, last.Position, last.ID[:])
}

func scanClaimed(r *sql.Rows, c *store.Claimed) error {
	var id, parent, root sql.RawBytes
	err := r.Scan(&id, &c.Token, &c.Lane, &c.Position, &c.Kind, &c.Flags, &c.Run, &c.Failures, &c.Crashes, &c.MaxAttempts,
		&c.CreatedAt, &c.ExpiresAt, &c.FirstStarted, &c.LastCode, &parent, &root, &c.Gates, &c.Spec, &c.Payload)
	c.ReadyAt = c.Position // the one column holds both: lines are in the order of that time
	copy(c.ID[:], id)
	copy(c.Parent[:], parent)
	copy(c.Root[:], root)
	return err
}

// Probe implements store.Claimer.
func (s *Store) Probe(ctx context.Context, lane int32, priority int16, from, to int64) (int64, bool, error) {
	var pos int64
	err := s.read.QueryRowContext(ctx, `select pos from ready where lane = ? and prio = ? and pos >= ? and pos < ? order by pos limit 1`,
		lane, priority, from, to).Scan(&pos)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return pos, err == nil, s.translate(err)
}
